"""Progress records are found by their names, and read only as what they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.publish import progress
from rowferry.flow.publish.topics import TopicFacts

NAMES = st.text(st.sampled_from("a|%7C25.é "), max_size=6)


@given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
def test_other_names_have_another_key(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    assert (progress.key_of(*one) == progress.key_of(*two)) == (one == two)
    assert progress.names_of(progress.key_of(*one)) == one


@pytest.mark.parametrize("key", [b"", b"a|b", b"a|b|c|d", b"\xff|b|c"])
def test_a_foreign_key_is_nobodys(key: bytes) -> None:
    assert progress.names_of(key) is None


def test_the_owner_and_the_topic_are_read_as_written() -> None:
    facts = TopicFacts("abcdefgh", 4)
    assert progress.owner_of(progress.owner_value("me", 1.5), "t") == "me"
    assert progress.topic_of(progress.topic_value("products", facts), "t") == ("products", facts)
    assert progress.owner_of(None, "t") is None
    assert progress.topic_of(None, "t") is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"format": 2, "owner": "x"}',
        b'{"format": "x"}',
        b'{"format": 1}',
    ],
)
def test_a_damaged_or_newer_record_stops_us_and_never_means_a_first_start(value: bytes) -> None:
    with pytest.raises(DataAtRisk) as raised:
        progress.owner_of(value, "public.items")
    assert raised.value.code is Code.PROGRESS_UNREADABLE
    assert raised.value.where == "public.items"
