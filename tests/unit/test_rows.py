"""Columns become Python rows: exact, and the line's text where Python's type has no such value."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from line_bytes import lines_of
from rowferry.kernel.rows import python_rows

MOST = 2**63 - 1
US, MS, NS = "us", "ms", "ns"
CASES: dict[str, tuple[pa.Array, list[Any]]] = {
    "long": (pa.array([MOST, -MOST - 1]), [MOST, -MOST - 1]),
    "float": (pa.array([0.1, 1e300]), [0.1, 1e300]),
    "text": (pa.array(["", "é\0"]), ["", "é\0"]),
    "bytes": (pa.array([b"", b"\x00\xff"]), [b"", b"\x00\xff"]),
    "fixed": (pa.array([b"\x00\xff"], pa.binary(2)), [b"\x00\xff"]),
    "boolean": (pa.array([True, False]), [True, False]),
    "decimal": (pa.array([Decimal("-0.10")], pa.decimal128(38, 2)), [Decimal("-0.10")]),
    "wide decimal": (
        pa.array([Decimal("9" * 70 + ".10")], pa.decimal256(76, 2)),
        [Decimal("9" * 70 + ".10")],
    ),
    "date": (
        pa.array([0, -719162, 2932896], pa.int32()).view(pa.date32()),
        [date(1970, 1, 1), date(1, 1, 1), date(9999, 12, 31)],
    ),
    "date beyond": (
        pa.array([-719163, 2932897, 2**31 - 1, -(2**31)], pa.int32()).view(pa.date32()),
        ["0000-12-31", "+10000-01-01", "infinity", "-infinity"],
    ),
    "timestamptz": (
        pa.array([1, -1], pa.timestamp(US, "UTC")),
        [
            datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
        ],
    ),
    "timestamp": (pa.array([1], pa.timestamp(MS)), [datetime(1970, 1, 1, 0, 0, 0, 1000)]),  # noqa: DTZ001
    "timestamp at the ends": (
        pa.array([-62_135_596_800_000_000, 253_402_300_799_999_999], pa.timestamp(US, "UTC")),
        [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
    ),
    "timestamp beyond": (
        pa.array([MOST, -MOST - 1, 253_402_300_800_000_000], pa.timestamp(US, "UTC")),
        ["infinity", "-infinity", "+10000-01-01T00:00:00.000000Z"],
    ),
    "nanoseconds": (
        pa.array([1000, 1001], pa.timestamp(NS)),
        [datetime(1970, 1, 1, 0, 0, 0, 1), "1970-01-01T00:00:00.000001001"],  # noqa: DTZ001
    ),
    "time": (
        pa.array([0, 86_399_999_999, 86_400_000_000], pa.int64()).view(pa.time64(US)),
        [time(), time(23, 59, 59, 999999), "24:00:00.000000"],
    ),
    "time of others": (
        pa.array([-1, 1001], pa.int32()).view(pa.time32(MS)),
        ["-00:00:00.001000", time(0, 0, 1, 1000)],
    ),
}


def rows_of(values: pa.Array, **told: str) -> list[Any]:
    field = pa.field("v", values.type, metadata=told or None)
    batch = pa.RecordBatch.from_arrays([values], schema=pa.schema([field]))
    return [row["v"] for row in python_rows(batch)]


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_the_same_in_python_alone_nested_and_between_nulls(name: str) -> None:
    values, expected = CASES[name]
    assert rows_of(values) == expected
    assert [type(cell) for cell in rows_of(values)] == [type(cell) for cell in expected]
    nulls = pa.array([None], values.type)
    mixed = pa.concat_arrays([nulls, nulls, values, nulls])[1:]
    among = [None, *expected, None]
    assert rows_of(mixed) == among
    bounds = pa.array([0, len(mixed), None, len(mixed)], pa.int32())
    lists = pa.ListArray.from_arrays(bounds, mixed)
    assert rows_of(lists) == [among, [], None]
    assert rows_of(lists[1:]) == [[], None]
    struct = pa.StructArray.from_arrays([mixed], names=["x"])
    assert rows_of(struct[1:]) == [{"x": cell} for cell in among[1:]]
    keys = pa.array([str(place) for place in range(len(mixed))])
    maps = pa.MapArray.from_arrays([0, len(mixed)], keys, mixed)
    assert rows_of(maps) == [{str(place): cell for place, cell in enumerate(among)}]


@pytest.mark.parametrize("name", [name for name in CASES if "time" in name or "date" in name])
def test_where_python_has_no_such_value_it_is_the_lines_text(name: str) -> None:
    values, expected = CASES[name]
    lines = lines_of(pa.RecordBatch.from_arrays([values], ["v"])).splitlines()
    for line, cell in zip(lines, expected, strict=True):
        if isinstance(cell, str):
            assert json.loads(line)["v"] == cell


def test_what_only_the_metadata_tells_is_heeded() -> None:
    long = pa.array([b"\x05", None, (10**100).to_bytes(42, signed=True)])
    assert rows_of(long, logicalType="decimal", precision="102", scale="2") == [
        Decimal("0.05"),
        None,
        Decimal("1" + "0" * 98 + ".00"),
    ]
    union = pa.array(['{"string":"x"}', None, '{"long":9223372036854775807}'])
    assert rows_of(union, logicalType="avro-json") == [{"string": "x"}, None, {"long": MOST}]


@pytest.mark.parametrize("scale", [10**20, -(10**20)])
def test_a_decimal_beyond_pythons_exponents_is_the_lines_text(scale: int) -> None:
    values = pa.array([b"\x05", None])
    text = f"5E{-scale}"
    assert rows_of(values, logicalType="decimal", precision="9", scale=str(scale)) == [text, None]


def test_rows_without_columns_are_rows() -> None:
    assert python_rows(pa.RecordBatch.from_struct_array(pa.array([{}] * 2, pa.struct([])))) == [
        {},
        {},
    ]
