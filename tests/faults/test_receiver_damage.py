"""What is damaged below us is told before anything is decoded from it: ids, and bytes on disk."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

import rowferry
from fix_receive import SCHEMA, WIDER, Ferry, product
from rowferry.errors import RowferryError, Unreadable

pytestmark = pytest.mark.real

LOOP: dict[str, Any] = {
    "type": "record",
    "name": "Loop",
    "fields": [{"name": "next", "type": ["null", "Loop"], "default": None}],
}
WIDE = {
    "type": "record",
    "name": "Wide",
    "fields": [{"name": f"c{place}", "type": ["null", "long"]} for place in range(1000)],
}
SWELLING = {
    **SCHEMA,  # by name it is the topic's
    "fields": [{"name": "items", "type": {"type": "array", "items": ["null", WIDE]}}],
}
EMPTY = {"type": "record", "name": "Nothing", "fields": []}
BOMB = {
    "type": "record",
    "name": "Bomb",
    "fields": [{"name": "items", "type": {"type": "array", "items": EMPTY}}],
}


def registered(ferry: Ferry, subject: str, schema: dict[str, Any]) -> int:
    client = SchemaRegistryClient(ferry.registry.configuration)
    try:
        return client.register_schema(f"{ferry.topic}-{subject}", Schema(json.dumps(schema)))
    finally:
        client.close()


def test_an_id_that_is_another_topics_schema_by_now_stops_the_receiver(ferry: Ferry) -> None:
    # GIVEN a record under an id that the registry, since it lost its data, gave to other rows,
    # which would read these bytes as well
    ferry.create()
    good = ferry.encode(product(1), SCHEMA, ferry.schema_id)
    strange = registered(ferry, "elsewhere", {**SCHEMA, "name": "Stranger"})
    ferry.produce_raw([(b"P1", good), (b"P2", b"\0" + strange.to_bytes(4) + good[5:])])
    # WHEN
    process = ferry.start("--once")
    # THEN
    assert process.wait(60) == 4, ferry.log()
    assert "E_SR_ID_CONFLICT" in ferry.log()
    assert ferry.files() == []
    assert all(offset <= 0 for offset, _ in ferry.committed().values())


def test_hostile_schemas_are_refused_before_they_are_compiled_and_neighbours_arrive(
    ferry: Ferry,
) -> None:
    ferry.create()
    ferry.kafka.create_topic(f"{ferry.topic}_dead_letter", 1)
    good = ferry.encode(product(1), SCHEMA, ferry.schema_id)
    loop, bomb = registered(ferry, "loop", LOOP), registered(ferry, "bomb", BOMB)
    ferry.produce_raw(
        [
            (b"P1", good),
            (b"x", b"\0" + loop.to_bytes(4) + b"\x02" * 1000),
            (b"x", b"\0" + bomb.to_bytes(4) + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
            (b"P1", good),
        ]
    )
    ferry.once(on_unreadable="dead_letter")
    lines = [line for file in ferry.files() for line in file.lines]
    assert [line["_offset"] for line in lines] == [0, 3]


def test_a_message_that_would_become_900_mb_is_a_dead_letter_and_neighbours_arrive(
    ferry: Ferry,
) -> None:
    # GIVEN 100 kB of null records of a thousand columns
    ferry.create()
    ferry.kafka.create_topic(f"{ferry.topic}_dead_letter", 1)
    good = ferry.encode(product(1), SCHEMA, ferry.schema_id)
    swelling = registered(ferry, "swelling", SWELLING)
    bomb = b"\0" + swelling.to_bytes(4) + b"\xc0\x9a\x0c" + bytes(100_001)
    ferry.produce_raw([(b"P1", good), (b"x", bomb), (b"P1", good)])
    # WHEN
    ferry.once(on_unreadable="dead_letter")
    # THEN
    lines = [line for file in ferry.files() for line in file.lines]
    assert [line["_offset"] for line in lines] == [0, 2]
    consumer = Consumer({**ferry.kafka.configuration, "group.id": "letters"})
    consumer.assign([TopicPartition(f"{ferry.topic}_dead_letter", 0, 0)])
    [letter] = consumer.consume(1, 20)
    consumer.close()
    assert letter.value() == bomb
    assert ("rowferry.reason", b"message too large") in (letter.headers() or [])


def test_schemas_that_alternate_are_each_read_as_written_and_files_hold_one(ferry: Ferry) -> None:
    ferry.create()
    wider = ferry.register(WIDER)
    values = [
        ferry.encode({**product(n), "more": n}, WIDER, wider)
        if n % 2
        else ferry.encode(product(n), SCHEMA, ferry.schema_id)
        for n in range(200)
    ]
    ferry.produce_raw([(b"k", value) for value in values])
    ferry.once(metadata="_offset,_schema_id")
    lines = [line for file in ferry.files() for line in file.lines]
    assert [line["_offset"] for line in lines] == list(range(200))
    for number, line in enumerate(lines):
        assert line["_schema_id"] == (wider if number % 2 else ferry.schema_id)
        assert line.get("more") == (number if number % 2 else None)
        assert line["product_id"] == product(number)["product_id"]


def test_a_byte_that_flips_on_the_brokers_disk_is_told_and_never_decoded(ferry: Ferry) -> None:
    # GIVEN two batches, the second with one bit of its last record turned over on disk
    ferry.create()
    good = [ferry.encode(product(n), SCHEMA, ferry.schema_id) for n in (1, 2)]
    ferry.produce_raw([(b"P1", good[0])])
    ferry.produce_raw([(b"P2", good[1])])
    [log] = Path(tempfile.gettempdir()).glob(f"rowferry-test-kafka-*/**/{ferry.topic}-0/*.log")
    data = bytearray(log.read_bytes())
    data[data.rindex(good[1]) + 10] ^= 1
    with log.open("r+b") as file:
        file.write(data)
    # THEN a reader hears of it behind the whole record
    rows = rowferry.read(ferry.topic, ferry.settings(), rows=True)
    assert next(rows)["_offset"] == 0
    with pytest.raises(RowferryError, match="CRC"):
        next(rows)
    # AND a receiver looks again for a while, then says so and ends; it stages what is whole, and
    # never moves behind it
    process = ferry.start(connect_seconds=3)
    assert process.wait(60) == Unreadable.exit_code, ferry.log()
    assert "membership.over" in ferry.log()
    assert "CRC" in ferry.log()
    assert all(file.end <= 1 for file in ferry.files())
    assert ferry.committed()[0][0] <= 1
