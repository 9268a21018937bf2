"""From messages to the file no row is a Python object of ours: the number of calls says so."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Message, TopicPartition

from calls import calls_in
from rowferry.config import Settings
from rowferry.flow.receive.batches import Reason, Triggers
from rowferry.flow.receive.consumer import GroupMembership
from rowferry.flow.receive.decode import Decoder
from rowferry.flow.receive.register import Register
from rowferry.flow.stage.lines import line_format
from rowferry.kernel.avro import AvroCodec
from rowferry.model import Offset, SchemaId, TopicId
from rowferry.run.lane import FileMaking, Lane
from rowferry.run.pressure import Pressure
from rowferry.run.takeover import Taken

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "products",
    "fields": [
        {"name": "product_id", "type": "string"},
        {"name": "note", "type": ["null", "string"]},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        },
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "photo", "type": "bytes"},
    ],
}
TOPIC = TopicId("products", "AbC-_123")
FEW, MANY = 300, 3_000  # lines of under a MiB: the compressor is called once


class Registry:
    def by_id(self, schema_id: SchemaId) -> str | None:
        return json.dumps(SCHEMA) if schema_id == 7 else None

    def latest(self, topic: str) -> str | None:
        return self.by_id(SchemaId(7)) if topic == TOPIC.topic else None


class Consumer:
    """Gives a partition, and then messages, as librdkafka would."""

    def __init__(self, _properties: dict[str, Any]) -> None:
        self.messages: list[Message] = []

    def subscribe(self, _topics: list[str], **callbacks: Callable[..., None]) -> None:
        callbacks["on_assign"](self, [TopicPartition(TOPIC.topic, 0)])

    def committed(self, places: list[TopicPartition], **_: float) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, 0) for place in places]

    def incremental_assign(self, _places: list[TopicPartition]) -> None:
        return

    def consume(self, _most: int, **_: float) -> list[Message]:
        return self.messages


def messages_of(rows: int) -> list[Message]:
    columns = {
        "product_id": [f"P{i:06d}" for i in range(rows)],
        "note": [None if i % 3 else f"nöte {i % 7}" for i in range(rows)],
        "price": [Decimal(i).scaleb(-2) for i in range(rows)],
        "at": [1_700_000_000_000_000 + i for i in range(rows)],
        "photo": [bytes(i % 5) for i in range(rows)],
    }
    codec = AvroCodec(SCHEMA)
    arrays = [pa.array(columns[field.name], field.type) for field in codec.arrow_schema]
    values = codec.encode(pa.RecordBatch.from_arrays(arrays, schema=codec.arrow_schema), 7)
    return [
        Message(
            topic=TOPIC.topic,
            partition=0,
            offset=number,
            key=b"k",
            value=value,
            timestamp=(1, 1_700_000_000_000 + number),
        )
        for number, value in enumerate(values)
    ]


def never(*_: object) -> None:
    raise AssertionError


def test_calls_from_poll_to_file_do_not_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a membership, and messages of one schema, few and ten times as many
    monkeypatch.setattr("rowferry.flow.receive.consumer.Consumer", Consumer)
    membership = GroupMembership(
        {}, {TOPIC.topic: TOPIC}, from_end=False, held=False, on_revoke=never, on_lost=never
    )
    consumer = membership._consumer
    assert isinstance(consumer, Consumer)
    [owned] = membership.poll(1, 0.1).arrived
    path = tmp_path / "0.gz"
    making = FileMaking(
        Decoder(Registry()),
        line_format(("_op", "_partition", "_offset", "_timestamp")),
        Triggers(1_000_000, 10**9, 60),
        1,
        lambda: path,
        None,
    )
    register = Register(TOPIC.short_id, making.format.fingerprint, Offset(0))
    pressure = Pressure(Settings())
    staged: list[int] = []

    def receive(messages: list[Message]) -> None:
        """What the receiver does with what a poll gives, until a file is closed."""
        consumer.messages = messages
        path.unlink(missing_ok=True)
        lane = Lane(owned, Taken(register, frozenset()), never, making)
        for fetched in membership.poll(pressure.most, 0.1).fetched:
            pressure.weigh(fetched.raw)
            lane.add(fetched, 0.0)
        lane.end(Reason.DRAIN)
        staged.append(lane.closed[0].boundary.rows)

    few, many = messages_of(FEW), messages_of(MANY)
    # WHEN they are received
    calls_for_few, calls_for_many = (
        calls_in(lambda: receive(few)),
        calls_in(lambda: receive(many)),
    )
    # THEN Python was called as often for the many as for the few, but for how digits are written
    assert abs(calls_for_many - calls_for_few) < FEW / 10
    assert set(staged) == {FEW, MANY}
