"""Commits go beside the polls, one after another, and none outlives the ownership it was for."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from confluent_kafka import TopicPartition

from rowferry.flow.receive import consumer
from rowferry.flow.receive.consumer import GroupMembership
from rowferry.flow.receive.contract import MembershipOver, Owned
from rowferry.flow.receive.register import Register
from rowferry.model import Offset, TopicId

TOPIC = TopicId("orders", "AbC-_123")
PLACES = [TopicPartition(TOPIC.topic, number) for number in range(2)]


class Group:
    """A client whose commits wait until they are let through."""

    def __init__(self, _properties: dict[str, Any]) -> None:
        self.let_through = threading.Event()
        self.begun: list[int] = []
        self.ended: list[int] = []

    def subscribe(self, _topics: list[str], **callbacks: Callable[..., None]) -> None:
        self.callbacks = callbacks
        callbacks["on_assign"](self, PLACES)

    def committed(self, places: list[TopicPartition], **_: float) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, 0) for place in places]

    def incremental_assign(self, _places: list[TopicPartition]) -> None:
        return

    def consume(self, _most: int, **_: float) -> list[object]:
        return []

    def commit(self, *, offsets: list[TopicPartition], **_: bool) -> list[TopicPartition]:
        self.begun.append(offsets[0].offset)
        assert self.let_through.wait(20)
        self.ended.append(offsets[0].offset)
        return offsets

    def close(self) -> None:
        return


class Joined:
    """A membership with two partitions, and what was said of those that went."""

    @property
    def group(self) -> Group:
        return cast("Group", self.membership._consumer)

    def __init__(self) -> None:
        self.gone: list[tuple[str, list[int]]] = []
        self.membership = GroupMembership(
            {},
            {TOPIC.topic: TOPIC},
            from_end=False,
            held=False,
            on_revoke=lambda _: self.gone.append(("revoked", [*self.group.ended])),
            on_lost=lambda _: self.gone.append(("lost", [*self.group.ended])),
        )
        self.owned: list[Owned] = self.membership.poll(1, 0.1).arrived


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[Joined]:
    monkeypatch.setattr(consumer, "Consumer", Group)
    joined = Joined()
    yield joined
    joined.group.let_through.set()
    joined.membership.close()


def register(position: int) -> Register:
    return Register(TOPIC.short_id, "f", Offset(position))


def test_polls_go_on_while_a_commit_is_under_way_and_the_next_waits_for_it(joined: Joined) -> None:
    # GIVEN two commits, of which the first is not answered
    commits = [
        joined.membership.commit(owned, register(number))
        for number, owned in enumerate(joined.owned, 1)
    ]
    # WHEN the membership polls on
    joined.membership.poll(1, 0.1)
    # THEN the second has not begun, until the first has ended
    assert not any(commit.done() for commit in commits)
    assert joined.group.begun in ([], [1])
    joined.group.let_through.set()
    for commit in commits:
        commit.result(10)
    assert joined.group.ended == [1, 2]


@pytest.mark.parametrize("how", ["on_revoke", "on_lost"])
def test_a_partition_goes_when_no_commit_is_under_way(joined: Joined, how: str) -> None:
    # GIVEN a commit that is not answered
    commit = joined.membership.commit(joined.owned[0], register(1))
    # WHEN its partition is taken away, inside a poll
    taking = threading.Thread(target=joined.group.callbacks[how], args=(joined.group, PLACES[:1]))
    taking.start()
    taking.join(0.2)
    # THEN that waits for the answer
    assert taking.is_alive()
    assert joined.gone == []
    joined.group.let_through.set()
    taking.join(10)
    commit.result(10)
    assert joined.gone == [("revoked" if how == "on_revoke" else "lost", [1])]
    # THEN no commit for it leaves the process any more
    with pytest.raises(MembershipOver, match="no longer owned"):
        joined.membership.commit(joined.owned[0], register(2)).result(10)
    assert joined.group.begun == [1]


def test_behind_an_unclean_commit_those_that_waited_are_not_sent(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two commits, of which the first takes longer than is clean
    monkeypatch.setattr(consumer, "CLEAN_COMMIT_SECONDS", 0.0)
    commits = [joined.membership.commit(owned, register(1)) for owned in joined.owned]
    # WHEN it is answered
    joined.group.let_through.set()
    # THEN both have failed, and the second was not sent
    for commit in commits:
        with pytest.raises(MembershipOver):
            commit.result(10)
    assert joined.group.begun == [1]
    with pytest.raises(MembershipOver):
        joined.membership.poll(1, 0.1)
