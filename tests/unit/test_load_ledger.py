"""Which files come next: those that follow on the ledger, up to the group's position, or a stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.stage.load_files import removable
from rowferry.flow.stage.load_ledger import (
    MOST_BYTES,
    MOST_FILES,
    Candidate,
    first_position,
    next_chunk,
    position_prefixes,
)
from rowferry.flow.stage.names import file_name, parse_name
from rowferry.model import Offset, Partition, Range, TopicId

TOPIC = TopicId("t", "AbCdEfGh")
FOLDER = "t/AbCdEfGh/p00000/"


def staged(start: int, end: int, rows: int = 1, size: int = 100, put_at: float = 0.0) -> Candidate:
    name = file_name(Range(TOPIC, Partition(0), Offset(start), Offset(end), rows))
    named = parse_name(name)
    assert named is not None
    return Candidate(name, named, size, put_at)


def chunk(files: list[Candidate], position: int, committed: int) -> tuple[int, int, int] | None:
    found = next_chunk(files, Offset(position), Offset(committed), "t[0]")
    return (found.start, found.end, len(found.files)) if found else None


CHAIN = [staged(0, 5), staged(5, 7), staged(7, 20), staged(20, 21)]


@pytest.mark.parametrize(
    ("files", "position", "committed", "wanted"),
    [
        (CHAIN, 0, 21, (0, 21, 4)),
        (CHAIN[::-1], 5, 20, (5, 20, 2)),
        (CHAIN, 21, 21, None),
        (CHAIN, 25, 21, None),
        ([], 3, 3, None),
        ([*CHAIN, staged(30, 31)], 7, 21, (7, 21, 2)),
        ([staged(0, 5), staged(0, 3), staged(5, 6)], 5, 6, (5, 6, 1)),  # loaded: left alone
    ],
)
def test_files_that_follow_on_are_taken_up_to_the_committed_position(
    files: list[Candidate], position: int, committed: int, wanted: tuple[int, int, int] | None
) -> None:
    assert chunk(files, position, committed) == wanted


@pytest.mark.parametrize(
    ("files", "position", "committed", "code", "told"),
    [
        ([staged(0, 5), staged(7, 9)], 0, 9, Code.INCOMPLETE, "[5, 7)"),
        ([staged(0, 5)], 0, 9, Code.INCOMPLETE, "[5, 9)"),
        ([], 0, 9, Code.INCOMPLETE, "[0, 9)"),
        ([staged(0, 5), staged(0, 7)], 0, 7, Code.LEDGER_UNFIT, "[0, 7)"),
        ([staged(0, 5)], 3, 5, Code.LEDGER_UNFIT, "[0, 5)"),
        ([staged(0, 9)], 0, 5, Code.LEDGER_UNFIT, "[0, 9)"),
    ],
)
def test_holes_and_overlaps_stop_the_loader(
    files: list[Candidate], position: int, committed: int, code: Code, told: str
) -> None:
    with pytest.raises(DataAtRisk) as stopped:
        chunk(files, position, committed)
    assert stopped.value.code is code
    assert told in stopped.value.what


def test_a_transaction_is_bounded_in_files_and_bytes() -> None:
    many = [staged(n, n + 1) for n in range(MOST_FILES + 5)]
    assert chunk(many, 0, MOST_FILES + 5) == (0, MOST_FILES, MOST_FILES)
    large = [staged(n, n + 1, size=MOST_BYTES // 2) for n in range(5)]
    assert chunk(large, 0, 5) == (0, 2, 2)
    assert chunk([staged(0, 1, size=2 * MOST_BYTES)], 0, 1) == (0, 1, 1)


def test_files_without_lines_move_the_ledger_and_are_not_named() -> None:
    found = next_chunk([staged(0, 5, rows=0), staged(5, 6)], Offset(0), Offset(6), "t[0]")
    assert found is not None
    assert (found.end, found.rows, found.folder) == (6, 1, FOLDER)
    assert found.names == (f"{5:020d}-{6:020d}-1.json.gz",)


def test_loading_begins_at_the_first_file_that_is_committed() -> None:
    assert first_position([staged(7, 9), staged(3, 7)], Offset(9)) == 3
    assert first_position([staged(12, 13)], Offset(12)) == 12
    assert first_position([], Offset(12)) == 12


@given(st.integers(0, 10**19), st.integers(0, 10**7), st.integers(0, 10**7))
def test_two_prefixes_find_every_file_between_two_positions(
    start: int, length: int, at: int
) -> None:
    end, place = start + length, start + min(at, length)
    prefixes = position_prefixes(FOLDER, Offset(start), Offset(end))
    assert len(prefixes) <= 2
    assert any(staged(place, place + 1).name.startswith(prefix) for prefix in prefixes)


def test_only_loaded_files_that_no_upload_can_bring_back_are_removable() -> None:
    old, young = staged(0, 5, put_at=1000), staged(5, 7, put_at=1100)
    beyond = staged(7, 9, put_at=1000)
    assert list(removable([old, young, beyond], 7, put_seconds=120, now=1200)) == [old]
    assert list(removable([old, young, beyond], 7, put_seconds=120, now=1281)) == [old, young]
