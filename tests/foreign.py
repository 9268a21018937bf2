"""Schemas as others' producers register them: Debezium's envelope, and an order of a Java service.

Written after the documents of Debezium's PostgreSQL connector and of Confluent's AvroConverter.
"""

from decimal import Decimal
from typing import Any


def debezium(kind: str, told: str, **more: Any) -> dict[str, Any]:
    """A type that only its name tells."""
    return {"type": kind, "connect.version": 1, "connect.name": f"io.debezium.{told}", **more}


def connect(kind: str, name: str, logical: str, **more: Any) -> dict[str, Any]:
    """A type of Connect's own, which Avro knows, too."""
    full = f"org.apache.kafka.connect.data.{name}"
    return {"type": kind, "connect.name": full, "logicalType": logical, **more}


def field(name: str, kind: Any, *, required: bool = False) -> dict[str, Any]:
    if required:
        return {"name": name, "type": kind}
    return {"name": name, "type": ["null", kind], "default": None}


VARIABLE = debezium(
    "record",
    "data.VariableScaleDecimal",
    name="VariableScaleDecimal",
    namespace="io.debezium.data",
    fields=[{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
)
VARIABLE_AGAIN = "io.debezium.data.VariableScaleDecimal"
PRICE = connect("bytes", "Decimal", "decimal", precision=10, scale=2)
COLUMNS = [
    field("id", "long", required=True),
    field("name", "string"),
    field("price", PRICE),
    field("weight", VARIABLE),
    field("weights", {"type": "array", "items": ["null", VARIABLE_AGAIN]}),
    field("day", debezium("int", "time.Date")),
    field("clock", debezium("long", "time.MicroTime")),
    field("clock_ms", debezium("int", "time.Time")),
    field("clock_ns", debezium("long", "time.NanoTime")),
    field("made_ms", debezium("long", "time.Timestamp")),
    field("made", debezium("long", "time.MicroTimestamp")),
    field("made_ns", debezium("long", "time.NanoTimestamp")),
    field("updated", debezium("string", "time.ZonedTimestamp")),
    field("connect_day", connect("int", "Date", "date")),
    field("connect_time", connect("long", "Timestamp", "timestamp-millis")),
    field("mood", debezium("string", "data.Enum")),
]
KEY = {
    "type": "record",
    "name": "Key",
    "namespace": "shop.public.orders",
    "fields": COLUMNS[:1],
    "connect.name": "shop.public.orders.Key",
}
VALUE = {"type": "record", "name": "Value", "fields": COLUMNS, "connect.name": "x.Value"}
SNAPSHOT = debezium("string", "data.Enum", **{"connect.default": "false"})
SOURCE = {
    "type": "record",
    "name": "Source",
    "namespace": "io.debezium.connector.postgresql",
    "fields": [
        field("version", "string", required=True),
        field("ts_ms", "long", required=True),
        {"name": "snapshot", "type": [SNAPSHOT, "null"], "default": "false"},
        field("lsn", "long"),
    ],
    "connect.name": "io.debezium.connector.postgresql.Source",
}
ENVELOPE = {
    "type": "record",
    "name": "Envelope",
    "namespace": "shop.public.orders",
    "fields": [
        field("before", VALUE),
        field("after", "Value"),
        field("source", SOURCE, required=True),
        field("op", "string", required=True),
        field("ts_ms", "long"),
    ],
    "connect.version": 2,
    "connect.name": "shop.public.orders.Envelope",
}


def event(op: str, *, before: Any = None, after: Any = None) -> dict[str, Any]:
    source = {"version": "3.4.0.Final", "ts_ms": 1_764_000_000_000, "snapshot": "false", "lsn": 7}
    return {"before": before, "after": after, "source": source, "op": op, "ts_ms": 5}


def order(number: int) -> dict[str, Any]:
    """A row as Debezium's connector puts it."""
    return {
        "id": number,
        "name": f"Näme {number}",
        "price": Decimal(1999 + number).scaleb(-2),
        "weight": {"scale": 3, "value": (-12345).to_bytes(3, signed=True)},
        "weights": [{"scale": -2, "value": b"\x0c"}, None, {"scale": 40, "value": b"\x01"}],
        "day": 20_781,
        "clock": 86_399_999_999,
        "clock_ms": 1_001,
        "clock_ns": 1_000_000_001,
        "made_ms": 1_764_000_000_123,
        "made": 1_764_000_000_123_456,
        "made_ns": 1_764_000_000_123_456_789,
        "updated": "2026-11-24T15:04:05.12Z",
        "connect_day": 20_781,
        "connect_time": 1_764_000_000_123,
        "mood": "happy",
    }


def order_line(number: int) -> dict[str, Any]:
    """The same row in a line, written down by hand."""
    return {
        "id": number,
        "name": f"Näme {number}",
        "price": Decimal(1999 + number).scaleb(-2),
        "weight": "-12.345",
        "weights": ["1200", None, "0." + "0" * 39 + "1"],
        "day": "2026-11-24",
        "clock": "23:59:59.999999",
        "clock_ms": "00:00:01.001000",
        "clock_ns": "00:00:01.000000001",
        "made_ms": "2025-11-24T16:00:00.123000",
        "made": "2025-11-24T16:00:00.123456",
        "made_ns": "2025-11-24T16:00:00.123456789",
        "updated": "2026-11-24T15:04:05.120000Z",
        "connect_day": "2026-11-24",
        "connect_time": "2025-11-24T16:00:00.123000Z",
        "mood": "happy",
    }


# --- An order of a Java service: what Avro's specific compiler writes down

CUSTOMER = {
    "type": "record",
    "name": "Customer",
    "namespace": "com.shop.shared",
    "fields": [
        {"name": "name", "type": {"type": "string", "avro.java.string": "String"}},
        {"name": "tier", "type": {"type": "enum", "name": "Tier", "symbols": ["BASIC", "GOLD"]}},
    ],
}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": "street", "type": "string"}, {"name": "zip", "type": ["null", "int"]}],
}
CARD = {
    "type": "record",
    "name": "Card",
    "fields": [{"name": "digits", "type": {"type": "fixed", "name": "Digits", "size": 4}}],
}
CASH = {"type": "record", "name": "Cash", "fields": [{"name": "given", "type": "double"}]}
TOTAL = {
    "type": "fixed",
    "name": "Total",
    "size": 8,
    "logicalType": "decimal",
    "precision": 12,
    "scale": 2,
}
JAVA_ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "com.shop.orders",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "customer", "type": "com.shop.shared.Customer"},  # of another subject
        {"name": "referrer", "type": ["null", "com.shop.shared.Customer"], "default": None},
        {"name": "tier", "type": "com.shop.shared.Tier"},
        {"name": "billing", "type": ADDRESS},
        {"name": "shipping", "type": ["null", "Address"], "default": None},
        {"name": "others", "type": {"type": "array", "items": "Address"}},
        {"name": "by_label", "type": {"type": "map", "values": "Address"}},
        {"name": "payment", "type": ["null", CARD, CASH]},
        {"name": "note", "type": ["string", "null"], "default": ""},
        {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["NEW", "OLD"]}},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 2}},
        {"name": "total", "type": TOTAL},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "grid", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
    ],
}
