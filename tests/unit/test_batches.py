"""When the open batch of a partition ends."""

import numpy as np

from rowferry.flow.receive.batches import (
    NO_SCHEMA,
    Cut,
    OpenBatch,
    Reason,
    Received,
    Triggers,
)
from rowferry.flow.receive.register import Boundary
from rowferry.model import Offset

LOOSE = Triggers(max_records=1000, max_bytes=1000, age_seconds=10)


def received(
    offsets: list[int], position: int | None = None, schemas: list[int] | None = None
) -> Received:
    return Received(
        np.array(offsets, np.int64),
        np.array(schemas or [1] * len(offsets), np.int64),
        Offset(offsets[-1] + 1 if position is None else position),
    )


def planned(start: int, end: int, rows: int) -> Boundary:
    return Boundary(Offset(start), Offset(end), rows)


def test_lines_stay_open_until_a_trigger_ends_them() -> None:
    batch = OpenBatch(Offset(3), (), LOOSE)
    assert batch.take(received([3, 4, 7]), 100.0) == [Cut(3)]
    assert batch.due(999, 109.9) is None
    assert batch.due(1000, 100.0) is Reason.BYTES
    assert batch.due(0, 110.0) is Reason.AGE
    assert batch.due_at() == 110.0
    assert batch.end() == planned(3, 8, 3)
    assert batch.due(10**9, 10**9) is None
    assert not batch.has_records


def test_the_number_of_records_ends_a_batch_in_the_middle_of_what_came() -> None:
    batch = OpenBatch(Offset(0), (), Triggers(2, 1000, 10))
    cuts = batch.take(received([0, 1, 4, 5, 9]), 0.0)
    assert cuts == [
        Cut(2, planned(0, 2, 2), Reason.RECORDS, 2),
        Cut(4, planned(2, 6, 2), Reason.RECORDS, 2),
        Cut(5),
    ]
    assert (batch.start, batch.position, batch.lines) == (6, 10, 1)


def test_the_end_of_the_log_is_in_the_range_where_nothing_follows() -> None:
    batch = OpenBatch(Offset(0), (), LOOSE)
    batch.take(received([0, 1], position=4), 0.0)
    assert batch.end() == planned(0, 4, 2)


def test_an_idle_partition_has_nothing_to_end() -> None:
    batch = OpenBatch(Offset(5), (), LOOSE)
    assert batch.take(received([], position=9), 0.0) == [Cut(0)]
    assert batch.due(10**9, 10**9) is None
    assert not batch.has_records
    assert batch.position == 9


def test_records_without_a_line_end_a_batch_all_the_same() -> None:
    batch = OpenBatch(Offset(5), (), LOOSE)
    nothing = received([], position=7)
    batch.take(Received(nothing.offsets, nothing.schemas, Offset(7), unreadable=True), 0.0)
    assert batch.due(0, 10.0) is Reason.AGE
    assert batch.end() == planned(5, 7, 0)


def test_a_new_schema_begins_a_file_and_a_known_one_does_not() -> None:
    batch = OpenBatch(Offset(0), (), LOOSE)
    first = batch.take(received([0, 1, 3, 4], schemas=[1, NO_SCHEMA, 2, 1]), 0.0)
    assert first == [Cut(2, planned(0, 2, 2), Reason.SCHEMA, 2), Cut(4)]
    assert batch.take(received([5, 6], schemas=[2, 1]), 0.0) == [Cut(2)]
    later = batch.take(received([9], schemas=[3]), 0.0)
    assert later == [Cut(0, planned(2, 7, 4), Reason.SCHEMA, 4), Cut(1)]


def test_decided_ends_are_kept_and_no_trigger_counts_before_them() -> None:
    inherited = [planned(0, 4, 4), planned(4, 9, 3)]
    batch = OpenBatch(Offset(0), inherited, Triggers(2, 1, 0.001))
    assert batch.take(received([0, 1, 2]), 0.0) == [Cut(3)]
    assert batch.due(10**9, 10**9) is None
    assert batch.due_at() is None
    # the rest of the first, the second whole but for its control records, which end the log
    assert batch.take(received([3, 4, 5, 6]), 0.0) == [
        Cut(1, inherited[0], Reason.PLANNED, 4),
        Cut(4),
    ]
    assert batch.replaying
    assert batch.take(received([], position=9), 0.0) == [
        Cut(0, inherited[1], Reason.PLANNED, 3),
        Cut(0),
    ]
    assert not batch.replaying


def test_decided_ends_and_triggers_can_meet_in_what_came_at_once() -> None:
    batch = OpenBatch(Offset(0), [planned(0, 2, 2)], Triggers(2, 1000, 10))
    assert batch.take(received([0, 1, 2, 3, 4]), 0.0) == [
        Cut(2, planned(0, 2, 2), Reason.PLANNED, 2),
        Cut(4, planned(2, 4, 2), Reason.RECORDS, 2),
        Cut(5),
    ]


def test_a_decided_file_of_which_records_are_gone_tells_how_many_are_left() -> None:
    batch = OpenBatch(Offset(0), [planned(0, 5, 5)], LOOSE)
    [cut, _] = batch.take(received([0, 4, 7]), 0.0)
    assert cut == Cut(2, planned(0, 5, 5), Reason.PLANNED, 2)
