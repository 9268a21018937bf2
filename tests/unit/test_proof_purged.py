"""Offsets whose files were removed because they are loaded are owed by nobody, and no others."""

from collections.abc import Iterator

import pytest

from rowferry.model import Partition, SchemaId, TopicId
from rowferry.proof.loaded import Owed, split_at
from rowferry.proof.records import RecordReader
from rowferry.proof.staged import Line, LineCheck, Tally, compare
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


def tombstones() -> Iterator[Record]:
    yield from (Record(offset, b"key", None, 0) for offset in range(10))


def test_a_record_of_a_purged_file_is_not_missing_and_that_of_a_shorter_file_is() -> None:
    # GIVEN offsets 0 to 3 purged, 4 to 6 staged but for one line, and the group at 8
    def fetch(_: SchemaId) -> str | None:
        return None

    tally = Tally()
    check = LineCheck(RecordReader(fetch), ["_op", "_offset"], tally)
    lines = [
        Line("f", n, offset, {"_op": "d", "_offset": offset}) for n, offset in ((1, 4), (2, 6))
    ]
    # WHEN
    compare(check, lines, tombstones(), LOG, Owed(0, 8, ((0, 4),)))
    # THEN 5 and 7 are missing, 8 and 9 are to come
    assert (tally.records, tally.missing, tally.pending, tally.changed) == (10, 2, 2, 0)
