"""Files that a predecessor decided, and what has changed since: settings, schemas, the register."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from properties.receive_world import FakeDecoder, FakeParts, Member, World
from properties.test_receive_protocol import complete
from rowferry.errors import Code, DataAtRisk
from rowferry.flow.receive.batches import Reason, Triggers
from rowferry.flow.receive.contract import Fetched, Owned
from rowferry.flow.receive.decode import Decoder
from rowferry.flow.receive.register import LONGEST_METADATA, Boundary, Register
from rowferry.flow.stage.lines import line_format
from rowferry.flow.stage.names import parse_name
from rowferry.model import Offset, Partition, RawRecords, TopicId
from rowferry.run.lane import FileMaking, Lane
from rowferry.run.takeover import FirstPutCheck, Taken

TOPIC = TopicId("orders", "AbC-_123")
FORMAT = line_format(("_offset",))


def lane_of(
    folder: Path, rows: int, *, format_: str = FORMAT.fingerprint, recount: bool = False
) -> Lane:
    """A lane whose predecessor decided a file of so many rows from five records."""
    making = FileMaking(
        cast("Decoder", FakeDecoder()),
        FORMAT,
        Triggers(1000, 10**9, 1e9),
        1,
        lambda: folder / "0.gz",
        None,
        recount=recount,
    )
    decided = Boundary(Offset(0), Offset(5), rows)
    register = Register(TOPIC.short_id, format_, Offset(0), (decided,))
    owned = Owned(TOPIC, Partition(0), Offset(0), register.metadata)
    return Lane(owned, Taken(register, frozenset()), cast("FirstPutCheck", None), making)


def receive(lane: Lane, records: int) -> None:
    offsets = range(records)
    raw = RawRecords(
        TOPIC.topic,
        Partition(0),
        [b"k"] * records,
        [b"%d" % offset for offset in offsets],
        pa.array(offsets, pa.int64()),
        pa.array([0] * records, pa.int64()),
        Offset(6),
    )
    lane.add(Fetched(lane.owned, raw, lambda _: ()), 0.0)


@pytest.mark.parametrize(
    ("decided", "format_", "reason"),
    [
        (3, FORMAT.fingerprint, "could not be read then"),
        (7, FORMAT.fingerprint, "compacted"),
        (3, "older123", "UNWRAP"),
        (7, "older123", "UNWRAP"),
    ],
)
def test_a_decided_file_of_other_rows_is_refused_with_its_reason_and_the_way_out(
    tmp_path: Path, decided: int, format_: str, reason: str
) -> None:
    lane = lane_of(tmp_path, decided, format_=format_)
    with pytest.raises(DataAtRisk, match=reason) as refused:
        receive(lane, 5)
    assert refused.value.code is Code.STAGE_CONFLICT
    assert f"were {decided} rows" in str(refused.value)
    assert "are 5 now" in str(refused.value)
    assert "ROWFERRY_RESUME_FROM_STAGE=true" in refused.value.advice
    lane.discard()


@pytest.mark.parametrize("decided", [3, 7])
def test_its_rows_are_counted_anew_by_a_persons_word(tmp_path: Path, decided: int) -> None:
    # GIVEN
    lane = lane_of(tmp_path, decided, recount=True)
    receive(lane, 5)
    # THEN the file has the decided end, and its rows are committed before it is uploaded
    recounted = Boundary(Offset(0), Offset(5), 5)
    [closed] = lane.closed
    assert (closed.boundary, closed.reason) == (recounted, Reason.PLANNED)
    step = lane.next_step()
    assert step.register.planned == (recounted,)
    assert step.register != lane.register
    assert step.decided == 1
    lane.discard()


def test_a_file_whose_rows_were_counted_anew_is_staged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a decided file with a row less than its records have
    world = World()
    world.produce(9, 0)
    register = Register(
        TOPIC.short_id, FORMAT.fingerprint, Offset(0), (Boundary(Offset(0), Offset(6), 5),)
    )
    world.register = (0, register.metadata)
    with pytest.raises(DataAtRisk, match="could not be read then"):
        complete(world)
    # WHEN a person lets it be counted anew
    original = FakeParts.__init__

    def init(self: FakeParts, member: Member) -> None:
        original(self, member)
        self.making = replace(self.making, recount=True)

    monkeypatch.setattr(FakeParts, "__init__", init)
    complete(world)
    # THEN
    first = parse_name(min(world.staged))
    assert first is not None
    assert (first.start, first.end, first.rows) == (0, 6, 6)
    world.close()


def test_a_register_that_is_far_behind_the_stage_catches_up_though_all_its_files_do_not_fit() -> (
    None
):
    # GIVEN more staged files than a register holds, and a register that knows none of them
    world = World()
    for _ in range(620):
        world.produce(1, 999)
    eager = Member(world, Triggers(1, 10**9, 0.0))
    for _ in range(2 * len(world.offsets)):
        eager.turn(4, [])
        for upload in list(world.uploads):
            world.land(upload)
    eager.die()
    files = dict(world.staged)
    assert len(files) == len(world.offsets)
    assert len(files) * len("1000.1,") > LONGEST_METADATA
    empty = Register(TOPIC.short_id, FORMAT.fingerprint, Offset(0))
    world.register = (0, empty.metadata)
    # WHEN more comes
    world.produce(5, 0)
    complete(world)
    # THEN it is staged behind what there was, and the register is behind all of it
    assert world.staged.items() > files.items()
    assert world.register[0] == world.end
    world.close()
