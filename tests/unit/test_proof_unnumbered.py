"""Lines that do not say their offset are paired with the records of their file, one by one."""

import pytest

from rowferry.model import Partition, SchemaId, TopicId
from rowferry.proof.loaded import Owed
from rowferry.proof.records import RecordReader
from rowferry.proof.staged import File, Line, LineCheck, Tally, compare
from rowferry.proof.topic import Log, Record

FIRST, SECOND = File("a", 0, 5, 5), File("b", 5, 10, 5)
UNREADABLE = 3  # the offset of a record that is no value of a schema


def no_schema(_: SchemaId) -> str | None:
    return None


def compared(
    lines: list[tuple[File, int]], *, low: int = 0, unreadable: int | None = None
) -> Tally:
    """Ten records, each with its offset as its time, and lines by that time."""
    tally = Tally()
    check = LineCheck(RecordReader(no_schema), ["_op", "_timestamp"], tally)
    log = Log(TopicId("t", "AAAAAAAA"), Partition(0), low, 10)
    records = (
        Record(offset, b"key", b"garbage" if offset == unreadable else None, offset)
        for offset in range(low, 10)
    )
    staged = [
        Line(file, number, None, {"_op": "d", "_timestamp": f"1970-01-01T00:00:00.{at:03d}000Z"})
        for number, (file, at) in enumerate(lines, 1)
    ]
    compare(check, staged, records, log, Owed(low, 10))
    return tally


def of(file: File, *without: int) -> list[tuple[File, int]]:
    return [(file, offset) for offset in range(file.start, file.end) if offset not in without]


def counts(tally: Tally) -> dict[str, int]:
    names = ("missing", "changed", "duplicates", "phantoms", "expired", "unreadable", "pending")
    return {name: getattr(tally, name) for name in names if getattr(tally, name)}


def test_lines_are_paired_one_by_one() -> None:
    tally = compared(of(FIRST) + of(SECOND))
    assert (counts(tally), tally.records, tally.lines) == ({}, 10, 10)


def test_a_record_that_was_set_aside_shifts_no_line() -> None:
    tally = compared(of(FIRST, UNREADABLE) + of(SECOND), unreadable=UNREADABLE)
    assert (counts(tally), tally.records) == ({"unreadable": 1}, 10)


@pytest.mark.parametrize(("low", "expired"), [(3, 5), (5, 5), (7, 10)])
def test_lines_of_a_file_whose_first_records_have_expired_are_unproven_and_no_others(
    low: int, expired: int
) -> None:
    tally = compared(of(FIRST) + of(SECOND), low=low)
    assert (counts(tally), tally.records) == ({"expired": expired}, 10 - low)


def test_a_lost_line_shifts_those_of_its_file_and_of_no_other() -> None:
    tally = compared(of(FIRST, 2) + of(SECOND))
    assert counts(tally) == {"changed": 2, "missing": 1}


def test_a_line_more_than_records_is_found() -> None:
    tally = compared([*of(FIRST), (FIRST, 4), *of(SECOND)])
    assert counts(tally) == {"phantoms": 1}
    assert tally.findings == ["a: line 6: t[0] has no record for it"]
