"""Records that would take too much memory at once are taken in halves, with the same result."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from rowferry.flow.receive.batches import Reason, Triggers
from rowferry.flow.receive.contract import Fetched, Headers, Owned
from rowferry.flow.receive.decode import Decoder
from rowferry.flow.receive.register import Register
from rowferry.flow.stage.lines import line_format
from rowferry.kernel.avro import AvroCodec
from rowferry.model import Offset, Partition, RawRecords, SchemaId, TopicId
from rowferry.run import lane as lane_module
from rowferry.run.lane import FileMaking, Lane
from rowferry.run.takeover import FirstPutCheck, Taken

TOPIC = TopicId("readings", "AbC-_123")
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "readings",
    "fields": [
        {"name": "a_quantity_with_a_long_name", "type": ["null", "long"]},
        {
            "name": "events",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "event",
                    "fields": [{"name": "what_happened", "type": ["null", "string"]}],
                },
            },
        },
    ],
}
ROWS, BROKEN = 1000, (3, 617, 618, 999)


class Registry:
    def by_id(self, schema_id: SchemaId) -> str | None:
        return json.dumps(SCHEMA) if schema_id == 7 else None

    def latest(self, topic: str) -> str | None:
        return self.by_id(SchemaId(7)) if topic == TOPIC.topic else None

    def is_of(self, topic: str, schema: str) -> bool:
        return topic == TOPIC.topic and bool(schema)


def records() -> RawRecords:
    """Rows, of which some cannot be read."""
    codec = AvroCodec(SCHEMA)
    rows = [
        {
            "a_quantity_with_a_long_name": number if number % 3 else None,
            "events": [{"what_happened": "rain" if k else None} for k in range(number % 4)],
        }
        for number in range(ROWS)
    ]
    values: list[bytes | None] = [
        *codec.encode(pa.RecordBatch.from_pylist(rows, schema=codec.arrow_schema), 7)
    ]
    for index in BROKEN:
        values[index] = b"nonsense"
    offsets = pa.array([100 + number + number // 10 for number in range(ROWS)], pa.int64())
    stamps = pa.array([1_700_000_000_000 + number for number in range(ROWS)], pa.int64())
    keys: list[bytes | None] = [b"%d" % number for number in range(ROWS)]
    return RawRecords(TOPIC.topic, Partition(0), keys, values, offsets, stamps, Offset(1300))


def headers(index: int) -> Headers:
    return [("n", b"%d" % index)]


Dead = list[tuple[int, Headers]]


@pytest.fixture
def staged(tmp_path: Path) -> Callable[[], tuple[bytes, Dead, Lane]]:
    """Takes the records into one file; gives it, the dead letters, and the lane."""
    numbers = iter(range(100))

    def take() -> tuple[bytes, Dead, Lane]:
        dead: Dead = []

        def dead_letter(fetched: Fetched, bad: dict[int, str]) -> None:
            dead.extend((fetched.raw.offsets[i].as_py(), fetched.headers(i)) for i in sorted(bad))

        making = FileMaking(
            Decoder(Registry()),
            line_format(("_op", "_offset", "_timestamp")),
            Triggers(1_000_000, 10**9, 60),
            1,
            lambda: tmp_path / f"{next(numbers)}.gz",
            dead_letter,
        )
        owned = Owned(TOPIC, Partition(0), Offset(100), None)
        register = Register(TOPIC.short_id, making.format.fingerprint, Offset(100))
        lane = Lane(owned, Taken(register, frozenset()), cast("FirstPutCheck", None), making)
        lane.add(Fetched(owned, records(), headers), 0.0)
        lane.end(Reason.DRAIN)
        [closed] = lane.closed
        assert closed.file is not None
        assert (closed.boundary.rows, closed.boundary.end) == (ROWS - len(BROKEN), 1300)
        return closed.file.whole().read_bytes(), dead, lane

    return take


@pytest.mark.parametrize("limit", ["lines", "columns"])
def test_what_is_too_large_together_is_taken_in_halves(
    staged: Callable[[], tuple[bytes, Dead, Lane]], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    # GIVEN what comes of records that are taken at once
    expected, expected_dead, at_once = staged()
    assert [header for _, header in expected_dead] == [headers(index) for index in BROKEN]
    # WHEN memory has room for some of them only
    if limit == "lines":
        monkeypatch.setattr(lane_module, "_LINES_BYTES", 10_000)
    else:
        monkeypatch.setattr("rowferry.kernel.avro.codec.TOGETHER_BYTES", 1_500)
    found, dead, in_parts = staged()
    # THEN file and dead letters are the same, and fewer are asked for from now on
    assert found == expected
    assert dead == expected_dead
    assert (at_once.most or 0) > ROWS
    assert 0 < (in_parts.most or 0) < 200


def test_a_record_alone_is_taken_however_large(
    staged: Callable[[], tuple[bytes, Dead, Lane]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN what comes of records that are taken at once, and no room at all
    expected, expected_dead, _ = staged()
    monkeypatch.setattr(lane_module, "_LINES_BYTES", 0)
    monkeypatch.setattr("rowferry.kernel.avro.codec.TOGETHER_BYTES", 0)
    # WHEN
    found, dead, one_by_one = staged()
    # THEN they come one by one
    assert (found, dead) == (expected, expected_dead)
    assert one_by_one.most == 1
