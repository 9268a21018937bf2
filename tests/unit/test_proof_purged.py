"""Offsets whose files were removed because they are loaded are owed by nobody, and no others."""

from collections.abc import Iterator
from typing import cast

import pytest

from rowferry.flow.stage.contract import Stage
from rowferry.model import Partition, SchemaId, TopicId
from rowferry.proof.loaded import Owed, split_at
from rowferry.proof.records import RecordReader
from rowferry.proof.staged import File, Line, LineCheck, Tally, compare
from rowferry.proof.topic import Log, Record

LOG = Log(TopicId("t", "AAAAAAAA"), Partition(0), 0, 10)


@pytest.mark.parametrize(
    ("gaps", "loaded_to", "purged", "lost"),
    [
        ((), 9, (), ()),
        (((0, 5),), 0, (), ((0, 5),)),
        (((0, 5),), 5, ((0, 5),), ()),
        (((0, 5),), 3, ((0, 3),), ((3, 5),)),
        (((0, 2), (4, 9)), 6, ((0, 2), (4, 6)), ((6, 9),)),
    ],
)
def test_gaps_are_purged_as_far_as_the_ledger_goes(
    gaps: tuple[tuple[int, int], ...],
    loaded_to: int,
    purged: tuple[tuple[int, int], ...],
    lost: tuple[tuple[int, int], ...],
) -> None:
    assert split_at(gaps, loaded_to) == (purged, lost)


def no_schema(_: SchemaId) -> str | None:
    return None


def tombstones() -> Iterator[Record]:
    yield from (Record(offset, b"key", None, 0) for offset in range(10))


def test_a_record_of_a_purged_file_is_not_missing_and_that_of_a_shorter_file_is() -> None:
    # GIVEN offsets 0 to 3 purged, 4 to 6 staged but for one line, and the group at 8
    tally = Tally()
    check = LineCheck(RecordReader(no_schema), ["_op", "_offset"], tally)
    file = File("f", 4, 7, 3)
    lines = [
        Line(file, n, offset, {"_op": "d", "_offset": offset}) for n, offset in ((1, 4), (2, 6))
    ]
    # WHEN
    compare(check, lines, tombstones(), LOG, Owed(0, 8, ((0, 4),)))
    # THEN 5 and 7 are missing, 8 and 9 are to come
    assert (tally.records, tally.missing, tally.pending, tally.changed) == (10, 2, 2, 0)


class Emptied:
    """A stage whose files were listed, and are gone."""

    def read(self, name: str) -> bytes:
        raise FileNotFoundError(name)


@pytest.mark.parametrize(
    ("loaded_to", "purged", "missing", "changed", "asked"),
    [(9, ((0, 9),), 0, 0, 1), (6, ((0, 6),), 3, 1, 2), (0, (), 9, 3, 3)],
)
def test_a_file_that_goes_while_it_is_read_is_missed_only_if_it_was_not_loaded(
    loaded_to: int,
    purged: tuple[tuple[int, int], ...],
    missing: int,
    changed: int,
    asked: int,
) -> None:
    # GIVEN three files that are gone when they are read, and what the ledger has by then
    asks: list[int] = []

    def ledger() -> int:
        asks.append(loaded_to)
        return loaded_to

    tally = Tally()
    check = LineCheck(RecordReader(no_schema), ["_op", "_offset"], tally)
    must = Owed(0, 9, (), ledger)
    files = [File(f"f{start}", start, start + 3, 3) for start in (0, 3, 6)]
    # WHEN
    compare(check, check.lines(cast("Stage", Emptied()), files, must), tombstones(), LOG, must)
    # THEN
    assert (must.purged, tally.missing, tally.changed) == (purged, missing, changed)
    assert len(asks) == asked
