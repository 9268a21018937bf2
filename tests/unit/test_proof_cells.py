"""The proof tells equal cells from different ones, in all three of their forms."""

import json
from decimal import Decimal
from typing import Any

import pytest

from rowferry.flow.stage.names import FileName, parse_name
from rowferry.proof.cells import form_of, without_logical_types
from rowferry.proof.coverage import cover

TIMESTAMP = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
NANOS = {"type": "long", "logicalType": "timestamp-nanos"}
MILLIS_OF_DAY = {"type": "int", "logicalType": "time-millis"}
DATE = {"type": "int", "logicalType": "date"}
TIME = {"type": "long", "logicalType": "time-micros"}
MAP = {"type": "map", "values": ["null", "string"]}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
POINT = {
    "type": "record",
    "name": "point",
    "fields": [{"name": "x", "type": ["null", "int"]}, {"name": "y_x20_", "rowferry.name": "y "}],
}
POINT["fields"][1]["type"] = "string"  # type: ignore[index]
LONG_MAX = (1 << 63) - 1

# schema, raw, JSON, PostgreSQL's text
SAME: list[tuple[Any, Any, str, str | None]] = [
    ("boolean", True, "true", "t"),
    ("int", -1, "-1", "-1"),
    ("long", LONG_MAX, "9223372036854775807", "9223372036854775807"),
    ("double", 0.1, "0.1", "0.1"),
    ("double", 1e300, "1e+300", "1e+300"),
    ("double", float("nan"), '"NaN"', "NaN"),
    ("double", float("-inf"), '"-Infinity"', "-Infinity"),
    ("float", 0.10000000149011612, "0.1", "0.1"),
    ("string", 'ü\n"😀', '"ü\\n\\"😀"', 'ü\n"😀'),
    ("bytes", b"\x00\xff", '"AP8="', "\\x00ff"),
    (PRICE, b"\x04\xd2", "12.34", "12.34"),
    (PRICE, b"\xff", "-0.01", "-0.01"),
    (PRICE, b"\x00", '"0.00"', "0.00"),
    (DATE, 0, '"1970-01-01"', "1970-01-01"),
    (DATE, -719_529, '"-0001-12-31"', "0002-12-31 BC"),
    (DATE, -719_163, '"0000-12-31"', "0001-12-31 BC"),
    (DATE, (1 << 31) - 1, '"infinity"', "infinity"),
    (TIME, 86_400_000_000, '"24:00:00.000000"', "24:00:00"),
    (TIMESTAMP, 1, '"1970-01-01T00:00:00.000001Z"', "1970-01-01 00:00:00.000001+00"),
    (TIMESTAMP, -1, '"1969-12-31T23:59:59.999999Z"', "1969-12-31 23:59:59.999999+00"),
    (TIMESTAMP, -LONG_MAX - 1, '"-infinity"', "-infinity"),
    (TIMESTAMP, 951_782_400_000_000, '"2000-02-29T00:00:00.000000Z"', "2000-02-29 00:00:00+00"),
    (
        LOCAL,
        9_183_073_075_200_000_000,
        '"+292970-01-01T00:00:00.000000"',
        "292970-01-01 00:00:00",
    ),
    (MILLIS, 1, '"1970-01-01T00:00:00.001000Z"', "1970-01-01 00:00:00.001999+00"),
    (MILLIS, -1, '"1969-12-31T23:59:59.999000Z"', "1969-12-31 23:59:59.9999+00"),
    (MILLIS, LONG_MAX, '"infinity"', "infinity"),
    (
        {"type": "long", "logicalType": "local-timestamp-millis"},
        -9_223_372_036_854_775,
        '"-290308-12-21T19:59:05.225000"',
        None,
    ),
    (NANOS, -1, '"1969-12-31T23:59:59.999999999Z"', None),
    (MILLIS_OF_DAY, 86_399_999, '"23:59:59.999000"', None),
    (MILLIS_OF_DAY, -1, '"-00:00:00.001000"', None),
    (MILLIS_OF_DAY, 360_000_000, '"100:00:00.000000"', None),
    ({"type": "fixed", "name": "f", "size": 2, "logicalType": "uuid"}, b"ab", '"YWI="', None),
    ({"type": "string", "logicalType": "timestamp-millis"}, "x", '"x"', "x"),
    (["null", "int"], None, "null", None),
    (["null", "int"], 7, "7", "7"),
    ({"type": "array", "items": ["null", "int"]}, [1, None], "[1,null]", "{1,NULL}"),
    (
        {"type": "array", "items": {"type": "array", "items": ["null", "string"]}},
        [["a b", None], ["{", ""]],
        '[["a b",null],["{",""]]',
        '{{"a b",NULL},{"{",""}}',
    ),
    (
        {"type": "map", "values": ["null", "string"]},
        {"b": None, "a": "x"},
        '{"a":"x","b":null}',
        None,
    ),
    (POINT, {"x": None, "y_x20_": "z"}, '{"x":null,"y ":"z"}', None),
]

DIFFERENT: list[tuple[Any, Any, str]] = [
    ("boolean", True, "1"),
    ("int", 1, "true"),
    ("int", -1, "-2"),
    ("long", LONG_MAX, "9223372036854775806"),
    ("double", 0.1, "0.10000000000000002"),
    ("double", 0.0, "-0.0"),
    ("double", float("nan"), "null"),
    ("string", "1", "1"),
    ("string", "a", '"a "'),
    ("bytes", b"a", '"YQ"'),
    (PRICE, b"\x04\xd2", "12.340000001"),
    (PRICE, b"\x04\xd2", "1234"),
    (DATE, 0, '"1970-1-1"'),
    (TIMESTAMP, 1, '"1970-01-01T00:00:00.000002Z"'),
    (TIMESTAMP, 1, '"1970-01-01 00:00:00.000001"'),
    (MILLIS, 1, '"1970-01-01T00:00:00.001001Z"'),
    (MILLIS, 1, '"1970-01-01T00:00:00.000001Z"'),
    (MILLIS_OF_DAY, 1, '"00:00:00.001001"'),
    (NANOS, 1, '"1970-01-01T00:00:00.000000Z"'),
    (TIMESTAMP, 1, '"1970-01-01T00:00:00.000001000Z"'),
    (["null", "int"], None, "0"),
    (["null", "string"], "", "null"),
    ({"type": "array", "items": "int"}, [1, 2], "[2,1]"),
    ({"type": "array", "items": "int"}, [1], '"[1]"'),
    (POINT, {"x": 1, "y_x20_": "z"}, '{"y ":"z","x":1}'),
    (POINT, {"x": 1, "y_x20_": "z"}, '{"x":1,"y_x20_ ":"z"}'),
]


def read(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize(("schema", "raw", "line", "text"), SAME)
def test_equal_cells_are_equal_in_every_form(
    schema: Any, raw: Any, line: str, text: str | None
) -> None:
    form = form_of(schema)
    assert form.json(read(line)) == form.raw(raw)
    assert repr(form.json(read(line))) == repr(form.raw(raw))
    if text is not None:
        assert form.text is not None
        assert repr(form.text(text)) == repr(form.raw(raw))


@pytest.mark.parametrize(("schema", "raw", "line"), DIFFERENT)
def test_different_cells_are_never_equal(schema: Any, raw: Any, line: str) -> None:
    form = form_of(schema)
    try:
        is_same = form.json(read(line)) == form.raw(raw)
    except (ValueError, TypeError, KeyError, ArithmeticError):
        is_same = False
    assert not is_same


def test_logical_types_are_taken_off_at_every_depth() -> None:
    schema = {"type": "array", "items": ["null", PRICE]}
    assert without_logical_types(schema) == {"type": "array", "items": ["null", {"type": "bytes"}]}


def files(*ranges: tuple[int, int]) -> list[FileName]:
    named = [parse_name(f"t/AAAAAAAA/p00000/{a:020d}-{b:020d}-{b - a}.json.gz") for a, b in ranges]
    return [name for name in named if name is not None]


@pytest.mark.parametrize(
    ("ranges", "begin", "committed", "gaps", "overlaps", "duplicates"),
    [
        ([], None, None, (), (), 0),
        ([], 0, 0, (), (), 0),
        ([], 0, 5, ((0, 5),), (), 0),
        ([(0, 5), (5, 9)], 0, 9, (), (), 0),
        ([(5, 9), (0, 5)], 0, 9, (), (), 0),
        ([(0, 5), (5, 9)], 3, 7, (), (), 0),
        ([(0, 5), (7, 9)], 0, 9, ((5, 7),), (), 0),
        ([(2, 5)], 0, 5, ((0, 2),), (), 0),
        ([(2, 5)], None, 5, (), (), 0),
        ([(0, 5)], 0, 8, ((5, 8),), (), 0),
        ([(0, 5), (3, 9)], 0, 9, (), ((3, 5),), 0),
        ([(0, 9), (3, 5), (9, 10)], 0, 10, (), ((3, 5),), 1),
        ([(0, 5), (0, 9)], 0, 9, (), ((0, 5),), 0),
    ],
)
def test_names_cover_a_partition_once_or_say_where_not(
    ranges: list[tuple[int, int]],
    begin: int | None,
    committed: int | None,
    gaps: tuple[tuple[int, int], ...],
    overlaps: tuple[tuple[int, int], ...],
    duplicates: int,
) -> None:
    coverage = cover(files(*ranges), begin, committed)
    assert (coverage.gaps, coverage.overlaps) == (gaps, overlaps)
    assert coverage.duplicates == duplicates
    assert coverage.files == len(ranges)
