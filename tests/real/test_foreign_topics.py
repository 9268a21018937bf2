"""Topics that others write: Java's Avro with its references, and Debezium's envelopes."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import rowferry
from fix_receive import Ferry
from foreign import CUSTOMER, ENVELOPE, JAVA_ORDER, KEY, event, order, order_line
from rowferry.proof.verify import verify

pytestmark = pytest.mark.real


def staged(ferry: Ferry) -> list[dict[str, Any]]:
    """The lines, without the metadata that the offsets prove."""
    lines = [line for file in ferry.files() for line in file.lines]
    assert [line["_offset"] for line in lines] == sorted({line["_offset"] for line in lines})
    told = ("_partition", "_timestamp")
    return [{name: cell for name, cell in line.items() if name not in told} for line in lines]


def java_order(number: int) -> dict[str, Any]:
    home = {"street": f"Way {number}", "zip": None}
    payments = [None, {"digits": b"1234"}, {"given": 0.5}]
    named = [None, ("com.shop.orders.Card", payments[1]), ("com.shop.orders.Cash", payments[2])]
    return {
        "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "customer": {"name": "Ann", "tier": "GOLD"},
        "referrer": {"name": "Bob", "tier": "BASIC"} if number % 2 else None,
        "tier": "BASIC",
        "billing": home,
        "shipping": {"street": "Quay 7", "zip": 20457},
        "others": [home] * (number % 3),
        "by_label": {"work": home},
        "payment": named[number % 3],
        "note": None if number % 2 else "n",
        "status": "OLD",
        "code": b"\x00\xff",
        "total": Decimal("-19.99"),
        "at": datetime(2026, 11, 24, 15, 4, 5, 123000, UTC),
        "grid": [[1, 2], []],
    }


def java_line(number: int) -> dict[str, Any]:
    payments = [
        None,
        {"com.shop.orders.Card": {"digits": "1234"}},
        {"com.shop.orders.Cash": {"given": Decimal("0.5")}},
    ]
    return {
        **java_order(number),
        "payment": payments[number % 3],
        "code": "AP8=",
        "at": "2026-11-24T15:04:05.123000Z",
    }


def test_records_of_a_java_service_with_references_between_subjects_become_lines(
    ferry: Ferry,
) -> None:
    # GIVEN a type of another subject, which the topic's schema refers to, and uses three times
    ferry.create()
    client = SchemaRegistryClient(ferry.registry.configuration)
    shared = f"{ferry.topic}-shared"
    client.register_schema(shared, Schema(json.dumps(CUSTOMER)))
    reference = SchemaReference("com.shop.shared.Customer", shared, 1)
    topic = f"{ferry.topic}.java"
    ferry.topic = ferry.kafka.create_topic(topic, 1)
    serialize = AvroSerializer(client, Schema(json.dumps(JAVA_ORDER), "AVRO", [reference]))
    context = SerializationContext(topic, MessageField.VALUE)
    # WHEN a producer with Confluent's serializer writes few and then many
    for numbers in (range(3), range(3, 103)):
        values = [serialize(java_order(number), context) for number in numbers]
        ferry.produce_raw([(b"k", value) for value in values])
        ferry.once()
    client.close()
    # THEN each line has the values, one of several types by its name
    lines = staged(ferry)
    assert lines == [{**java_line(number), "_op": "u", "_offset": number} for number in range(103)]
    rows = list(rowferry.read(topic, ferry.settings(), rows=True))
    payments = [None, {"com.shop.orders.Card": {"digits": "1234"}}]
    assert [row["payment"] for row in rows[:2]] == payments
    assert rows[4]["code"] == b"\x00\xff"
    assert rows[4]["customer"] == {"name": "Ann", "tier": "GOLD"}
    assert rows[4]["total"] == Decimal("-19.99")
    assert rows[4]["at"] == datetime(2026, 11, 24, 15, 4, 5, 123000, UTC)


class Connector:
    """What Debezium's connector would write for a table."""

    def __init__(self, ferry: Ferry) -> None:
        self.ferry = ferry
        self.key_id = ferry._client.register_schema(f"{ferry.topic}-key", Schema(json.dumps(KEY)))
        ferry._client.delete_subject(f"{ferry.topic}-value")
        self.value_id = ferry.register(ENVELOPE)

    def key(self, number: int) -> bytes:
        return self.ferry.encode({"id": number}, KEY, self.key_id)

    def value(self, op: str, **images: Any) -> bytes:
        return self.ferry.encode(event(op, **images), ENVELOPE, self.value_id)


def test_debezium_envelopes_are_unwrapped_a_delete_is_one_line_and_types_have_our_forms(
    ferry: Ferry,
) -> None:
    ferry.create()
    connector = Connector(ferry)
    key, value = connector.key, connector.value
    # WHEN rows are read by the snapshot, made, changed, deleted (with a tombstone), truncated
    few: list[tuple[bytes | None, bytes | None]] = [
        (key(0), value("r", after=order(0))),
        (key(1), value("c", after=order(1))),
        (key(1), value("u", before=order(1), after=order(2))),
        (key(1), value("d", before=order(2))),
        (key(1), None),
        (None, value("t")),
        (key(3), value("c", after=order(3))),
    ]
    many: list[tuple[bytes | None, bytes | None]] = [
        (key(n), value("c", after=order(n))) for n in range(100, 200)
    ]
    ferry.produce_raw(few)
    ferry.once(unwrap="debezium")
    ferry.produce_raw(many)
    ferry.once(unwrap="debezium")
    # THEN
    assert staged(ferry) == [
        {**order_line(0), "_op": "u", "_offset": 0},
        {**order_line(1), "_op": "u", "_offset": 1},
        {**order_line(2), "_op": "u", "_offset": 2},
        {"id": 1, "_op": "d", "_offset": 3},
        {"_op": "t", "_offset": 5},
        {**order_line(3), "_op": "u", "_offset": 6},
        *({**order_line(n), "_op": "u", "_offset": n - 93} for n in range(100, 200)),
    ]
    # AND the files cover the tombstone's offset, too
    ranges = [(file.start, file.end) for file in ferry.files()]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 107
    assert [end for _, end in ranges[:-1]] == [start for start, _ in ranges[1:]]
    found = verify(ferry.settings(unwrap="debezium"))
    assert found.complete
    assert (found.files, found.gaps) == (len(ranges), 0)
    assert "not their lines" in found.findings[0]
    # AND Python has the same rows
    settings = ferry.settings(unwrap="debezium")
    rows = list(rowferry.read(ferry.topic, settings, rows=True))
    assert [(row["_op"], row["_offset"]) for row in rows[:6]] == [
        ("u", 0), ("u", 1), ("u", 2), ("d", 3), ("t", 5), ("u", 6)
    ]  # fmt: skip
    assert {name: rows[0][name] for name in ("price", "weight", "day", "clock", "made")} == {
        "price": Decimal("19.99"),
        "weight": "-12.345",
        "day": date(2026, 11, 24),
        "clock": time(23, 59, 59, 999999),
        "made": datetime(2025, 11, 24, 16, 0, 0, 123456),  # noqa: DTZ001 - Debezium's has no zone
    }
    assert rows[0]["made_ns"] == "2025-11-24T16:00:00.123456789"


def test_envelopes_are_rows_as_they_are_unless_the_setting_unwraps_them(ferry: Ferry) -> None:
    ferry.create()
    connector = Connector(ferry)
    ferry.produce_raw(
        [
            (connector.key(1), connector.value("u", after=order(1))),
            (connector.key(1), connector.value("d", before=order(1))),
            (connector.key(1), None),
        ]
    )
    ferry.once()
    changed, deleted, tombstone = staged(ferry)
    assert (changed["before"], changed["after"], changed["op"]) == (None, order_line(1), "u")
    assert changed["source"]["snapshot"] == "false"
    assert (deleted["before"], deleted["after"], deleted["op"]) == (order_line(1), None, "d")
    assert tombstone == {"id": 1, "_op": "d", "_offset": 2}
