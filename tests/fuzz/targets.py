"""What is given hostile bytes: each target takes them, and raises where a promise is broken."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from copy_bytes import copy_of
from copy_ways import read
from rowferry.errors import DataAtRisk
from rowferry.flow.receive.register import parse
from rowferry.flow.stage.names import FileName, encode_topic, file_name, parse_name
from rowferry.kernel.avro import AvroCodec, SchemaRefused, UnwritableError, check_gate
from rowferry.kernel.lines import encode_lines
from rowferry.model import Offset, Partition, Range, TopicId
from rowferry.types import Wire, wire_of
from wires import NESTED, PRODUCTS, SCALARS

ENOUGH_FOR_COLUMNS = 64
HEADER = b"\x00\x00\x00\x00\x07"


def _decimal(precision: int, scale: int, **rest: Any) -> dict[str, Any]:
    return {
        "type": "bytes",
        "logicalType": "decimal",
        "precision": precision,
        "scale": scale,
        **rest,
    }


PRODUCT: dict[str, Any] = {
    "type": "record",
    "name": "Product",
    "fields": [
        {"name": "product_id", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "category", "type": ["null", "string"]},
        {"name": "price", "type": _decimal(10, 2)},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    {"type": "string", "logicalType": "uuid"},
    _decimal(38, 10),
    _decimal(60, 3),
    _decimal(90, 3),
    {**_decimal(12, 4), "type": "fixed", "name": "Digits", "size": 6},
]
NAMED = [
    {"type": "fixed", "name": "Four", "size": 4},
    {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]},
    {
        "type": "record",
        "name": "Inner",
        "fields": [{"name": "a", "type": ["null", "int"]}, {"name": "b", "type": "string"}],
    },
]
PLAIN = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
COMPOSED = [
    {"type": "array", "items": "boolean"},
    {"type": "array", "items": ["null", "Inner"]},
    {"type": "array", "items": {"type": "array", "items": "long"}},
    {"type": "map", "values": "string"},
    ["null", {"type": "map", "values": {"type": "array", "items": "Kind"}}],
    ["string", "int", "null", "Four", "double"],
    ["null", _decimal(9, 2)],
]
EVERY: dict[str, Any] = {
    "type": "record",
    "name": "Every",
    "fields": [
        {"name": f"f{place}", "type": kind}
        for place, kind in enumerate([*PLAIN, *LOGICAL, *NAMED, *COMPOSED])
    ],
}


SCALARS_ONLY: dict[str, Any] = {
    "type": "record",
    "name": "Scalars",
    "fields": [
        {"name": f"f{place}", "type": ["null", kind]}
        for place, kind in enumerate([*PLAIN[1:], *LOGICAL, *NAMED[:2]])
    ],
}


def messages_of(codec: AvroCodec, data: bytes) -> tuple[pa.RecordBatch, str | None]:
    """What one message is, decoded alone and among many: the two must agree."""
    message = HEADER + data
    alone, many = codec.decode([message]), codec.decode([message] * ENOUGH_FOR_COLUMNS)
    reasons = set(many.bad.values())
    assert set(alone.bad.values()) == reasons, (alone.bad, reasons)
    assert len(many.bad) in (0, ENOUGH_FOR_COLUMNS)
    assert many.batch.num_rows == ENOUGH_FOR_COLUMNS - len(many.bad)
    return many.batch, next(iter(reasons), None)


@dataclass(frozen=True, slots=True)
class Messages:
    """Decodes; what can be read is written, and read again, as the same by both ways."""

    codec: AvroCodec

    def __call__(self, data: bytes) -> None:
        """See Messages."""
        batch, bad = messages_of(self.codec, data)
        if bad is not None:
            return
        try:
            many = self.codec.encode(batch, 7)
        except UnwritableError:
            return
        one = self.codec.encode(batch.slice(3, 1), 7)
        assert many == one * ENOUGH_FOR_COLUMNS
        again, worse = messages_of(self.codec, one[0][len(HEADER) :])
        assert worse is None
        assert self.codec.encode(again, 7) == many


@dataclass(frozen=True, slots=True)
class Lines:
    """What can be decoded has lines, which are JSON, the same by both ways."""

    codec: AvroCodec

    def __call__(self, data: bytes) -> None:
        """See Lines."""
        decoded = self.codec.decode([HEADER + data] * ENOUGH_FOR_COLUMNS)
        if decoded.bad:
            return
        lines = encode_lines(decoded.batch)
        line = bytes(encode_lines(decoded.batch.slice(5, 1)).whole)
        assert bytes(lines.whole) == line * ENOUGH_FOR_COLUMNS
        assert (np.diff(lines.bounds) == len(line)).all()
        assert list(json.loads(line)) == decoded.batch.schema.names


def schema(data: bytes) -> None:
    """A schema is taken or refused; what is taken reads hostile bytes."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        check_gate(text)
    except SchemaRefused:
        return
    codec = AvroCodec(text)
    for message in (HEADER, HEADER + data[:100], HEADER + bytes(50)):
        messages_of(codec, message[len(HEADER) :])


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes are a COPY of the wires, whole or cut into rows, or are refused."""

    wires: tuple[Wire, ...]

    def __call__(self, data: bytes) -> None:
        """See Copy."""
        for chunks in ([data], [data[:40], data[40:]]):
            try:
                batch = read(self.wires, chunks)
            except ValueError:  # Uncarriable, too
                continue
            batch.validate()


def register(data: bytes) -> None:
    """A register is read as what it says, or a person is asked."""
    text = data.decode("latin-1")
    try:
        found = parse(Offset(7), text, "t/0")
    except DataAtRisk:
        return
    assert parse(Offset(7), found.metadata, "t/0") == found


def name(data: bytes) -> None:
    """A file's name says what it was made from; other names are nobody's."""
    text = data.decode("utf-8", "replace")
    found = parse_name(text)
    if found is not None:
        assert text.startswith(f"{found.topic_folder}/{found.short_id}/")
    start = int.from_bytes(data[:7])
    covered = Range(TopicId(text, "abcdefgh"), Partition(5), Offset(start), Offset(start + 9), 9)
    made = file_name(covered)
    if text:  # no topic is nameless
        assert len(made.split("/")) == 4
        assert not made.startswith((".", "/"))
        expected = (encode_topic(text), "abcdefgh", 5, start, start + 9, 9)
        assert parse_name(made) == FileName(*expected)  # type: ignore[arg-type]


def _written(codec: AvroCodec, row: dict[str, Any]) -> bytes:
    batch = pa.RecordBatch.from_pylist([row], schema=codec.arrow_schema)
    return codec.encode(batch, 7)[0][len(HEADER) :]


@dataclass(frozen=True, slots=True)
class Target:
    """A function of bytes, and bytes to begin with."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _targets() -> dict[str, Target]:
    products, every, scalars = AvroCodec(PRODUCT), AvroCodec(EVERY), AvroCodec(SCALARS_ONLY)
    zeros = next(bytes(n) for n in range(200) if not every.decode([HEADER + bytes(n)]).bad)
    product = {"product_id": "P1", "name": "ä", "category": None, "price": 1, "at": 5}
    seeds = (_written(products, product),)
    table = tuple(map(wire_of, (*SCALARS, *NESTED)))
    shop = tuple(map(wire_of, PRODUCTS))
    nothing = [None] * len(table)
    texts = (json.dumps(PRODUCT).encode(), json.dumps(EVERY).encode(), b'"int"')
    staged = b"a.b/abcdefgh/p00003/%020d-%020d-5.json.gz" % (3, 8)
    names = (staged, staged.replace(b"p0", b"p" + b"1" * 5000), "ü.".encode())
    registers = (b"rf1|t=abcdefgh|f=x1|b=5,7.3", b"rf1|t=abcdefgh|f=x|b=" + b"9" * 5000)
    return {
        "avro_products": Target(Messages(products), seeds),
        "avro_every_type": Target(Messages(every), (zeros,)),
        "avro_scalars": Target(Messages(scalars), (bytes(len(scalars.arrow_schema)),)),
        "lines": Target(Lines(every), (zeros,)),
        "schema": Target(schema, texts),
        "copy_products": Target(Copy(shop), (b"".join(copy_of(shop, [["a", "b", None, 1, 5]])),)),
        "copy_every_type": Target(Copy(table), (b"".join(copy_of(table, [nothing])),)),
        "register": Target(register, registers),
        "name": Target(name, names),
    }


TARGETS = _targets()
