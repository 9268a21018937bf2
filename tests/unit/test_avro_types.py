"""Each Avro type in Arrow: boundaries, names, layouts that others write, what is refused."""

import datetime as dt
import decimal
import io
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from rowferry.kernel.avro import AvroCodec, UnwritableError, blocks, codec, encode

LOWEST, HIGHEST = -(2**63), 2**63 - 1
LONGS = [0, 1, -1, 63, 64, -64, -65, 2**55 - 1, 2**55, -(2**55) - 1, 2**62, HIGHEST, LOWEST]
INTS = [0, -1, 63, 64, 8191, 8192, 2**31 - 1, -(2**31)]
DAY = 86_400_000_000


def logical(plain: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": plain, "logicalType": name, **more}


def digits(precision: int, scale: int, **more: Any) -> dict[str, Any]:
    return logical("bytes", "decimal", precision=precision, scale=scale, **more)


def fixed_digits(size: int, precision: int, scale: int) -> dict[str, Any]:
    return digits(precision, scale) | {"type": "fixed", "name": "D", "size": size}


def numbers(precision: int, scale: int) -> list[decimal.Decimal]:
    top = 10**precision - 1
    edges = [0, 1, -1, top, -top]
    powers = [
        sign * 2**bits + by for bits in range(7, 260, 8) for sign in (1, -1) for by in (0, -1)
    ]
    fitting = [n for n in edges + powers if -top <= n <= top]
    exact = decimal.Context(prec=200)
    return [exact.scaleb(decimal.Decimal(n), -scale) for n in fitting]


UUIDS = ["00000000-0000-0000-0000-000000000000", "12345678-9abc-def0-1234-56789abcdef0"]
TEXTS = ["", "a", "b" * 11, "c" * 12, "d" * 13, "é" * 31, "é" * 32, "😀" * 300, "\x00"]
UTC, NAIVE = pa.timestamp("us", tz="UTC"), pa.timestamp("us")
CASES: list[tuple[Any, pa.DataType, list[Any]]] = [
    ("boolean", pa.bool_(), [True, False]),
    ("int", pa.int32(), INTS),
    ("long", pa.int64(), LONGS),
    ("float", pa.float32(), [0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan")]),
    ("double", pa.float64(), [0.0, -0.0, 0.1, 5e-324, float("inf"), float("nan")]),
    ("string", pa.utf8(), TEXTS),
    ("bytes", pa.binary(), [text.encode() for text in TEXTS] + [b"\xff" * 70]),
    ({"type": "fixed", "name": "F", "size": 16}, pa.binary(16), [b"\x00" * 16, b"\xff" * 16]),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, pa.utf8(), ["A", "B"]),
    (logical("string", "uuid"), pa.utf8(), UUIDS),
    (logical("int", "date"), pa.date32(), INTS),
    (logical("int", "time-millis"), pa.time32("ms"), [0, 86_400_000]),
    (logical("long", "time-micros"), pa.time64("us"), [0, DAY - 1, DAY]),
    (logical("long", "timestamp-millis"), pa.timestamp("ms", tz="UTC"), LONGS),
    (logical("long", "timestamp-micros"), UTC, LONGS),
    (logical("long", "local-timestamp-millis"), pa.timestamp("ms"), LONGS),
    (logical("long", "local-timestamp-micros"), NAIVE, LONGS),
    (logical("long", "invented"), pa.int64(), LONGS),
    (digits(4, 2), pa.decimal128(4, 2), numbers(4, 2)),
    (digits(18, 0), pa.decimal128(18, 0), numbers(18, 0)),
    (digits(19, 4), pa.decimal128(19, 4), numbers(19, 4)),
    (digits(38, 10), pa.decimal128(38, 10), numbers(38, 10)),
    (digits(39, 39), pa.decimal256(39, 39), numbers(39, 39)),
    (digits(76, 20), pa.decimal256(76, 20), numbers(76, 20)),
    (digits(77, 2), pa.binary(), [b"\x01" * 32]),
    (fixed_digits(5, 9, 2), pa.decimal128(9, 2), numbers(9, 2)),
    (fixed_digits(20, 38, 2), pa.decimal128(38, 2), numbers(38, 2)),
    (fixed_digits(33, 50, 2), pa.decimal256(50, 2), numbers(50, 2)),
]


def record_of(*types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields}


def written(schema: Any, cells: list[Any]) -> list[bytes]:
    """fastavro's messages of one column, raw numbers for dates and times."""
    parsed = fastavro.parse_schema(record_of(schema))
    messages = []
    for cell in cells:
        out = io.BytesIO()
        out.write(b"\x00\x00\x00\x00\x09")
        fastavro.schemaless_writer(out, parsed, {"f0": cell})
        messages.append(out.getvalue())
    return messages


def batch_of(cells: list[Any], arrow: pa.DataType, nullable: bool = False) -> pa.RecordBatch:
    schema = pa.schema([pa.field("f0", arrow, nullable=nullable)])
    return pa.RecordBatch.from_arrays([pa.array(cells, arrow)], schema=schema)


@pytest.fixture(params=["in columns", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through the codec, whatever the batch's size."""
    fewest = 1 if request.param == "in columns" else 10**9
    monkeypatch.setattr(codec, "FEWEST_ROWS_A_BLOCK", fewest)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("schema", "arrow", "cells"), CASES, ids=lambda p: str(p)[:40])
@pytest.mark.parametrize("union", ["required", "null first", "null last"])
def test_values_at_the_edges_are_fastavros_bytes_and_come_back(
    schema: Any, arrow: pa.DataType, cells: list[Any], union: str
) -> None:
    # GIVEN a column of the type's edges, with nulls if it may
    branches = {"required": schema, "null first": ["null", schema], "null last": [schema, "null"]}
    cells = cells if union == "required" else [None, *cells, None, cells[-1]]
    batch = batch_of(cells, arrow, nullable=union != "required")
    table_codec = AvroCodec(record_of(branches[union]))
    # WHEN it is encoded and decoded
    messages = table_codec.encode(batch, 9)
    decoded = table_codec.decode(messages)
    # THEN the bytes are fastavro's, the types Arrow's, the values the same, nothing was slow
    assert messages == written(branches[union], cells)
    assert table_codec.arrow_schema == batch.schema == decoded.batch.schema
    assert decoded.bad == {}
    assert repr(decoded.batch.column(0).to_string()) == repr(batch.column(0).to_string())
    assert not table_codec.fallbacks


@pytest.mark.usefixtures("way")
def test_infinite_times_and_the_end_of_the_day_pass_as_numbers() -> None:
    moments = pa.array([HIGHEST, LOWEST], pa.int64()).view(UTC)
    ends = pa.array([DAY, 0], pa.int64()).view(pa.time64("us"))
    batch = pa.RecordBatch.from_arrays([moments, ends], names=["f0", "f1"])
    types = logical("long", "timestamp-micros"), logical("long", "time-micros")
    moment_codec = AvroCodec(record_of(*types))
    decoded = moment_codec.decode(moment_codec.encode(batch, 1)).batch
    assert decoded.column(0).view(pa.int64()).to_pylist() == [HIGHEST, LOWEST]
    assert decoded.column(1).view(pa.int64()).to_pylist() == [DAY, 0]


def test_a_shorter_or_longer_decimal_is_the_number_it_says(way: str) -> None:
    bodies = [
        b"\x00",
        b"\x02\x05",
        b"\x08\x00\x00\x00\x05",
        b"\x02\xfb",
        b"\x28" + b"\xff" * 19 + b"\xfb",
    ]
    decoded = AvroCodec(record_of(digits(9, 0))).decode(
        [b"\x00\x00\x00\x00\x01" + b for b in bodies]
    )
    assert decoded.batch.column(0).to_pylist() == [0, 5, 5, -5, -5], way


ITEMS_IN_BLOCKS = [
    (b"\x00", []),
    (b"\x04\x02\x04\x00", [1, 2]),
    (b"\x02\x02\x04\x04\x06\x00", [1, 2, 3]),
    (b"\x03\x04\x02\x04\x00", [1, 2]),
    (b"\x01\x02\x02\x02\x04\x03\x04\x06\x08\x00", [1, 2, 3, 4]),
]


def test_arrays_in_any_blocks_are_read(way: str) -> None:
    messages = [b"\x00\x00\x00\x00\x01" + body for body, _ in ITEMS_IN_BLOCKS]
    decoded = AvroCodec(record_of({"type": "array", "items": "int"})).decode(messages)
    assert decoded.bad == {}, way
    assert decoded.batch.column(0).to_pylist() == [items for _, items in ITEMS_IN_BLOCKS]


def test_maps_in_blocks_are_read_and_keep_their_order(way: str) -> None:
    body = b"\x01\x06\x02b\x02\x04\x02a\x04\x02b\x06\x00"
    decoded = AvroCodec(record_of({"type": "map", "values": "int"})).decode(
        [b"\x00\x00\x00\x00\x01" + body] * 2
    )
    assert decoded.bad == {}, way
    assert decoded.batch.column(0).to_pylist() == [[("b", 1), ("a", 2), ("b", 3)]] * 2


def test_a_few_long_arrays_among_short_ones_are_read_one_by_one_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN many short arrays and one that would take as many rounds as it has items
    monkeypatch.setattr(codec, "FEWEST_ROWS_A_BLOCK", 0)
    cells = [[f"{i}", None][: i % 3] for i in range(200)]
    cells[77] = [f"item {i}" for i in range(5_000)]
    schema = {"type": "array", "items": ["null", "string"]}
    # WHEN they are decoded
    array_codec = AvroCodec(record_of(schema))
    decoded = array_codec.decode(written(schema, cells))
    # THEN all are right, in order, and what was slow is told
    assert decoded.bad == {}
    assert decoded.batch.column(0).to_pylist() == cells
    assert 4_900 < array_codec.fallbacks["f0", "long array"] < 5_000


def test_names_are_found_in_their_namespace() -> None:
    fields = [
        {"name": "a", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "b", "type": "Hash"},
        {"name": "c", "type": ["null", "shop.Hash"]},
        {"name": "d", "type": {"type": "array", "items": "shop.Hash"}},
        {"name": "e", "type": {"type": "shop.Hash"}},
    ]
    schema = {"type": "record", "name": "Row", "namespace": "shop", "fields": fields}
    arrow = AvroCodec(schema).arrow_schema
    assert [arrow.field(name).type for name in "abce"] == [pa.binary(4)] * 4
    assert arrow.field("d").type.value_type == pa.binary(4)


def test_a_schema_that_is_no_record_has_one_column(way: str) -> None:
    value_codec = AvroCodec('"string"')
    decoded = value_codec.decode([b"\x00\x00\x00\x00\x01\x02a"])
    assert decoded.batch.to_pylist() == [{"value": "a"}], way
    assert value_codec.encode(decoded.batch, 1) == [b"\x00\x00\x00\x00\x01\x02a"]


UNION = [
    "null",
    "int",
    "string",
    "double",
    "bytes",
    {"type": "array", "items": "int"},
    {"type": "map", "values": "boolean"},
    {"type": "record", "name": "shop.S", "fields": [{"name": "x", "type": ["null", "int"]}]},
]
BRANCHES = [
    (None, None),
    (1, '{"int":1}'),
    ("é", '{"string":"é"}'),
    (("double", float("inf")), '{"double":"Infinity"}'),
    (b"\x00\xff", '{"bytes":"\\u0000ÿ"}'),
    ([1, 2], '{"array":[1,2]}'),
    ({"k": True}, '{"map":{"k":true}}'),
    (("shop.S", {"x": None}), '{"shop.S":{"x":null}}'),
]


def test_a_general_union_is_avro_json_text_and_counted(way: str) -> None:
    messages = written(UNION, [value for value, _ in BRANCHES])
    union_codec = AvroCodec(record_of(UNION))
    decoded = union_codec.decode(messages)
    assert decoded.bad == {}
    assert decoded.batch.column(0).to_pylist() == [text for _, text in BRANCHES]
    assert union_codec.encode(decoded.batch, 9) == messages
    assert union_codec.fallbacks["f0", "union"] == (2 * len(BRANCHES) if way == "in columns" else 0)


def test_what_an_arrow_type_cannot_say_stands_in_the_metadata() -> None:
    wide = digits(100, 7)
    schema = AvroCodec(
        record_of(["null", wide], fixed_digits(60, 9, 2), UNION, "bytes")
    ).arrow_schema
    assert [schema.field(place).metadata for place in range(4)] == [
        {b"logicalType": b"decimal", b"precision": b"100", b"scale": b"7"},
        {b"logicalType": b"decimal", b"precision": b"9", b"scale": b"2"},
        {b"logicalType": b"avro-json"},
        None,
    ]


SECRET = "secret"
REFUSED: list[tuple[Any, pa.Array, str]] = [
    ("string", pa.array([SECRET, None]), "null"),
    ({"type": "array", "items": "string"}, pa.array([[SECRET, None]]), "null"),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, pa.array(["A", SECRET]), "symbol"),
    (digits(2, 0), pa.array([123], pa.decimal128(3, 0)), ""),
    (["int", "string"], pa.array([f'{{"int": "{SECRET}"}}', SECRET]), ""),
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("schema", "column", "why"), REFUSED, ids=lambda p: str(p)[:30])
def test_what_the_schema_cannot_carry_is_refused_by_column_without_the_value(
    schema: Any, column: pa.Array, why: str
) -> None:
    batch = pa.RecordBatch.from_arrays([column], names=["f0"])
    with pytest.raises(UnwritableError, match=f"'f0'.*{why}") as refused:
        AvroCodec(record_of(schema)).encode(batch, 1)
    assert SECRET not in str(refused.value)


def test_columns_are_taken_by_name_and_cast(way: str) -> None:
    columns = [pa.array(["x", "y"], pa.large_utf8()), pa.array([1, 2], pa.int16())]
    batch = pa.RecordBatch.from_arrays([*columns, columns[0]], names=["f1", "f0", "unused"])
    pair_codec = AvroCodec(record_of("long", "string"))
    decoded = pair_codec.decode(pair_codec.encode(batch, 1))
    assert decoded.batch.to_pylist() == [{"f0": 1, "f1": "x"}, {"f0": 2, "f1": "y"}], way
    with pytest.raises(UnwritableError, match="no column 'f1'"):
        pair_codec.encode(batch.select(["f0"]), 1)


def test_no_rows_are_no_messages(way: str) -> None:
    empty_codec = AvroCodec(record_of("int", {"type": "array", "items": "string"}))
    empty = pa.RecordBatch.from_pylist([], schema=empty_codec.arrow_schema)
    assert empty_codec.encode(empty, 1) == [], way
    decoded = empty_codec.decode([])
    assert (decoded.batch.num_rows, decoded.batch.schema) == (0, empty_codec.arrow_schema)


def test_many_small_blocks_join_into_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN blocks of few rows and fewer bytes
    monkeypatch.setattr(codec, "FEWEST_ROWS_A_BLOCK", 0)
    monkeypatch.setattr(blocks, "ROWS_A_BLOCK", 16)
    monkeypatch.setattr(blocks, "MOST_BYTES_A_BLOCK", 200)
    cells = ["a" * (i * 37 % 90) for i in range(100)]
    messages = written("string", cells)
    # WHEN a batch goes through, one message broken
    text_codec = AvroCodec(record_of("string"))
    assert text_codec.encode(batch_of(cells, pa.utf8()), 9) == messages
    messages[50] += b"!"
    decoded = text_codec.decode(messages)
    # THEN it is whole, in order, and the broken one has its own index
    assert decoded.bad == {50: "trailing bytes"}
    assert decoded.batch.column(0).to_pylist() == cells[:50] + cells[51:]


def test_more_items_than_are_encoded_at_once_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "FEWEST_ROWS_A_BLOCK", 1)
    monkeypatch.setattr(encode, "ITEMS_AT_ONCE", 3)
    cells = [[f"{i}" * i for i in range(n)] for n in (0, 7, 1, 3, 0, 5)]
    schema = {"type": "array", "items": "string"}
    batch = batch_of(cells, AvroCodec(record_of(schema)).arrow_schema.field(0).type)
    assert AvroCodec(record_of(schema)).encode(batch, 9) == written(schema, cells)


def test_wide_tables_are_done_in_fewer_rows_at_once() -> None:
    rows = [blocks.rows_a_block(AvroCodec(record_of(*["int"] * n))._record) for n in (1, 64, 1600)]
    assert rows == [16384, 8192, 2048]


def test_values_decode_to_what_python_would_say() -> None:
    row_codec = AvroCodec(record_of(logical("long", "timestamp-micros"), digits(10, 2)))
    row = {"f0": dt.datetime(2026, 1, 2, 3, 4, 5, 678901, dt.UTC), "f1": decimal.Decimal("1.28")}
    parsed = fastavro.parse_schema(record_of(logical("long", "timestamp-micros"), digits(10, 2)))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, row)
    batch = row_codec.decode([b"\x00\x00\x00\x00\x01" + out.getvalue()]).batch
    assert batch.column(1).to_pylist() == [row["f1"]]
    assert batch.column(0).view(pa.int64()).to_pylist() == [1_767_323_045_678_901]
