"""The column codec against fastavro, which is slower and right, on random schemas and values."""

import decimal
import io
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import fastavro
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rowferry.kernel.avro import AvroCodec, codec
from rowferry.kernel.avro.cells import cells_of, column_of
from rowferry.kernel.avro.schema import record_of, shape_of
from rowferry.kernel.avro.shapes import (
    Array,
    Boolean,
    Bytes,
    Decimal,
    Enum,
    Fixed,
    Float,
    Map,
    Null,
    Optional,
    Record,
    Shape,
    Text,
    Varint,
)

EXACT = decimal.Context(prec=400)
INTS = ["date", "time-millis", None]
LONGS = ["time-micros", "timestamp-millis", "timestamp-micros", "local-timestamp-micros", None]


def named_apart(schema: Any, numbers: Iterator[int]) -> Any:
    """The same schema with a name of its own for each named type."""
    if isinstance(schema, list):
        return [named_apart(branch, numbers) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: named_apart(value, numbers) for key, value in schema.items() if key != "name"}
    if "fields" in schema:
        fields = [{**f, "type": named_apart(f["type"], numbers)} for f in schema["fields"]]
        renamed["fields"] = fields
    if "name" in schema:
        renamed["name"] = f"T{next(numbers)}"
    return renamed


@st.composite
def leaves(draw: st.DrawFn) -> Any:  # noqa: PLR0911 - a line a kind
    kind = draw(st.sampled_from(["plain", "int", "long", "decimal", "fixed", "enum", "small"]))
    match kind:
        case "int" | "long":
            logical = draw(st.sampled_from(INTS if kind == "int" else LONGS))
            return {"type": kind, "logicalType": logical} if logical else kind
        case "decimal":
            precision = draw(st.sampled_from([1, 4, 9, 18, 19, 38, 39, 76]))
            digits = {"logicalType": "decimal", "precision": precision}
            digits["scale"] = draw(st.integers(0, precision))
            if draw(st.booleans()):
                return {"type": "bytes", **digits}
            size = (10**precision).bit_length() // 8 + draw(st.integers(1, 9))
            return {"type": "fixed", "name": "T", "size": size, **digits}
        case "fixed":
            return {"type": "fixed", "name": "T", "size": draw(st.integers(1, 20))}
        case "enum":
            return {"type": "enum", "name": "T", "symbols": ["A", "LONGER_THAN_TWELVE", "C"]}
        case "small":
            return draw(st.sampled_from(["boolean", "float", "double"]))
    return draw(st.sampled_from(["string", "bytes"]))


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    not_union = inner.filter(lambda schema: not isinstance(schema, list))
    return st.one_of(
        not_union.map(lambda schema: ["null", schema]),
        not_union.map(lambda schema: [schema, "null"]),
        inner.map(lambda schema: {"type": "array", "items": schema}),
        inner.map(lambda schema: {"type": "map", "values": schema}),
        records(inner),
    )


def records(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=1, max_size=4).map(
        lambda fields: {
            "type": "record",
            "name": "T",
            "fields": [{"name": f"f{i}", "type": t} for i, t in enumerate(fields)],
        }
    )


SCHEMAS = records(st.recursive(leaves(), nested, max_leaves=6))
BOUNDARIES = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2**27, 2**31 - 1, -(2**31)]
FAR = [2**34, 2**55 - 1, 2**55, -(2**55), -(2**55) - 1, 2**62, -(2**62) - 1, 2**63 - 1, -(2**63)]


def texts() -> st.SearchStrategy[str]:
    ascii_text = st.text("abcdef", max_size=15)
    return st.one_of(
        ascii_text, st.text(max_size=6), st.sampled_from(["a" * 12, "b" * 13, "é" * 90])
    )


def decimals(precision: int, scale: int) -> st.SearchStrategy[decimal.Decimal]:
    top = 10**precision - 1
    near = [n for k in range(0, 256, 8) for n in (2**k - 1, 2**k, -(2**k), -(2**k) - 1)]
    edges = [0, -1, top, -top, *(n for n in near if -top <= n <= top)]
    unscaled = st.one_of(st.sampled_from(edges), st.integers(-top, top))
    return unscaled.map(lambda n: EXACT.scaleb(decimal.Decimal(n), -scale))


def whole_numbers(bits: int) -> st.SearchStrategy[int]:
    edges = BOUNDARIES if bits == 32 else BOUNDARIES + FAR
    return st.one_of(st.sampled_from(edges), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))


def maps(inner: Shape) -> st.SearchStrategy[Any]:
    return st.dictionaries(texts(), values(inner), max_size=3).map(lambda d: list(d.items()))


VALUES: dict[type[Shape], Callable[[Any], st.SearchStrategy[Any]]] = {
    Null: lambda _: st.none(),
    Boolean: lambda _: st.booleans(),
    Varint: lambda shape: whole_numbers(shape.bits),
    Float: lambda shape: st.floats(width=32 if shape.size == 4 else 64),
    Text: lambda _: texts(),
    Bytes: lambda _: st.binary(max_size=20),
    Fixed: lambda shape: st.binary(min_size=shape.size, max_size=shape.size),
    Enum: lambda shape: st.sampled_from(shape.symbols),
    Decimal: lambda shape: decimals(shape.precision, shape.arrow.scale),
    Array: lambda shape: st.lists(values(shape.items), max_size=4),
    Map: lambda shape: maps(shape.entries.fields[1]),
    Record: lambda shape: st.tuples(*(values(field) for field in shape.fields)),
    Optional: lambda shape: st.none() | values(shape.inner),
}


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Raw values of a shape: days, microseconds, tuples for records."""
    return VALUES[type(shape)](shape)


def for_fastavro(shape: Shape, value: Any) -> Any:
    match shape:
        case Array(items=items):
            return [for_fastavro(items, item) for item in value]
        case Map(entries=entries):
            return {key: for_fastavro(entries.fields[1], item) for key, item in value}
        case Record(names=names, fields=fields):
            return {n: for_fastavro(f, v) for n, f, v in zip(names, fields, value, strict=True)}
        case Optional(inner=inner):
            return None if value is None else for_fastavro(inner, value)
    return value


def record_shape(schema: Any) -> Record:
    shape = shape_of(schema)
    return shape if isinstance(shape, Record) else record_of(["value"], [shape])


def written_by_fastavro(schema: Any, shape: Record, rows: list[Any]) -> list[bytes]:
    parsed = fastavro.parse_schema(schema)
    messages = []
    for row in rows:
        out = io.BytesIO(b"\x00\x00\x00\x01\x02")
        out.seek(5)
        fastavro.schemaless_writer(out, parsed, for_fastavro(shape, row))
        messages.append(out.getvalue())
    return messages


def batch_of(shape: Record, rows: list[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(column_of(shape, rows))


def same(one: Any, other: Any) -> bool:
    """Equality under which NaN is itself and 0.0 is not -0.0."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        nan = math.isnan(one) and math.isnan(other)
        return nan or (one == other and math.copysign(1, one) == math.copysign(1, other))
    return bool(one == other)


def rows_in(shape: Record, batch: pa.RecordBatch) -> list[Any]:
    holds_times = "time32" in str(batch.schema) or "time64" in str(batch.schema)
    batch.validate(full=not holds_times)  # 24:00:00 is kept, which Arrow thinks out of range
    return [as_drawn(shape, row) for row in cells_of(shape, batch.to_struct_array())]


def as_drawn(shape: Shape, value: Any) -> Any:
    """A raw value with Python's decimals where cells_of() has their digits as integers."""
    match shape:
        case _ if value is None:
            return None
        case Decimal(arrow=arrow):
            return decimal.Decimal(value).scaleb(-arrow.scale, EXACT)
        case Array(items=items) | Map(entries=items):
            return [as_drawn(items, each) for each in value]
        case Record(fields=fields):
            return tuple(map(as_drawn, fields, value))
        case Optional(inner=inner):
            return as_drawn(inner, value)
    return value


def ways() -> Iterator[None]:
    """Both ways through the codec, whatever the batch's size: in columns, and one by one."""
    for fewest in (0, 10**9):
        with mock.patch.object(codec, "FEWEST_ROWS_A_BLOCK", fewest):
            yield


@st.composite
def schemas_and_rows(draw: st.DrawFn) -> tuple[Any, Record, list[Any]]:
    schema = named_apart(draw(SCHEMAS), itertools.count())
    shape = record_shape(schema)
    return schema, shape, draw(st.lists(values(shape), min_size=1, max_size=6))


@given(schemas_and_rows(), st.integers(0, 3))
def test_encoding_is_fastavros_byte_for_byte(
    drawn: tuple[Any, Record, list[Any]], first: int
) -> None:
    schema, shape, rows = drawn
    batch = batch_of(shape, rows).slice(first)
    expected = written_by_fastavro(schema, shape, rows[first:])
    for _ in ways():
        assert AvroCodec(schema).encode(batch, 0x0102) == expected


@given(schemas_and_rows())
def test_decoding_gives_what_fastavro_wrote(drawn: tuple[Any, Record, list[Any]]) -> None:
    schema, shape, rows = drawn
    messages = written_by_fastavro(schema, shape, rows)
    for _ in ways():
        decoded = AvroCodec(schema).decode(messages)
        assert decoded.bad == {}
        assert decoded.batch.schema.equals(AvroCodec(schema).arrow_schema, check_metadata=True)
        assert same(rows_in(shape, decoded.batch), rows)
    for message, row in zip(messages, rows, strict=True):
        one = AvroCodec(schema).decode([message]).batch
        assert one.schema.equals(AvroCodec(schema).arrow_schema, check_metadata=True)
        assert same(rows_in(shape, one), [row])


@given(schemas_and_rows(), st.data())
def test_broken_messages_are_named_and_their_neighbours_read(
    drawn: tuple[Any, Record, list[Any]], data: st.DataObject
) -> None:
    # GIVEN messages of which one is cut or changed from some byte on
    schema, shape, rows = drawn
    messages = written_by_fastavro(schema, shape, rows)
    broken = data.draw(st.integers(0, len(rows) - 1))
    cut = data.draw(st.integers(5, len(messages[broken])))
    messages[broken] = messages[broken][:cut] + data.draw(st.binary(max_size=12))
    outcomes = []
    for _ in ways():
        # WHEN they are decoded
        decoded = AvroCodec(schema).decode(messages)
        # THEN nothing but that one is missing, if the bytes make no other row
        assert list(decoded.bad) in ([], [broken])
        read = rows_in(shape, decoded.batch)
        behind = broken + (not decoded.bad)
        assert same(read[:broken] + read[behind:], rows[:broken] + rows[broken + 1 :])
        outcomes.append((list(decoded.bad), read))
    # AND both ways agree about it
    assert same(*outcomes)
