"""Columns → JSON lines: each value's exact form, and the lines' layout."""

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from calls import calls_in
from line_bytes import lines_of
from rowferry.kernel.lines import encode_lines

LEAST, GREATEST = -(2**63), 2**63 - 1
UTC, LOCAL = pa.timestamp("us", "UTC"), pa.timestamp("us")


def forms_of(values: pa.Array, **options: Any) -> list[str]:
    """The JSON text of each value; the same with nulls between them and in a slice."""
    lone = cut(pa.RecordBatch.from_arrays([values], ["v"]), **options)
    nulls = pa.array([None, None], values.type)
    mixed = pa.concat_arrays([nulls, values, nulls])
    assert cut(pa.RecordBatch.from_arrays([mixed[1:-1]], ["v"]), **options) == [
        "null",
        *lone,
        "null",
    ]
    return lone


def cut(batch: pa.RecordBatch, **options: Any) -> list[str]:
    lines = lines_of(batch, **options).split("\n")[:-1]
    assert all(line.startswith('{"v":') and line.endswith("}") for line in lines)
    return [line.removeprefix('{"v":').removesuffix("}") for line in lines]


def decimals(precision: int, scale: int, *values: str) -> pa.Array:
    wide = pa.decimal256 if precision > 38 else pa.decimal128
    return pa.array([Decimal(value) for value in values], wide(precision, scale))


FORMS: dict[str, tuple[pa.Array, list[str]]] = {
    "boolean": (pa.array([True, False]), ["true", "false"]),
    "int": (pa.array([0, -1, 2**31 - 1], pa.int32()), ["0", "-1", "2147483647"]),
    "long": (
        pa.array([LEAST, 9007199254740993, GREATEST]),
        [str(LEAST), "9007199254740993", str(GREATEST)],
    ),
    "longs of one width": (pa.array([10**17, 10**18 - 1]), [str(10**17), str(10**18 - 1)]),
    "longs of one value": (pa.array([-7, -7]), ["-7", "-7"]),
    "double": (
        pa.array([0.0, -0.0, 0.1, 5e-324, 1e22, 123456789012345680.0]),
        ["0", "-0", "0.1", "5e-324", "1e+22", "1.2345678901234568e+17"],
    ),
    "not finite": (
        pa.array([float("nan"), float("inf"), float("-inf"), 1.5]),
        ['"NaN"', '"Infinity"', '"-Infinity"', "1.5"],
    ),
    "float": (
        pa.array([0.1, 3.4028235e38, 16777216, float("nan")], pa.float32()),
        ["0.1", "3.4028235e+38", "16777216", '"NaN"'],
    ),
    "decimal": (decimals(10, 2, "19.99", "-0.05", "-5", "0"), ["19.99", "-0.05", "-5.00", "0.00"]),
    "decimal of one width": (decimals(4, 2, "19.99", "20.00"), ["19.99", "20.00"]),
    "decimal of 18": (decimals(18, 18, "-0." + "9" * 18), ["-0." + "9" * 18]),
    "decimal without scale": (decimals(18, 0, "9" * 18, "-1"), ["9" * 18, "-1"]),
    "decimal of 19": (decimals(19, 0, "9" * 19, "-1", "0"), ["9" * 19, "-1", "0"]),
    "decimal of 38": (
        decimals(38, 10, "9" * 28 + "." + "9" * 10, "-0.0000000001", "0"),
        ["9" * 28 + "." + "9" * 10, "-0.0000000001", "0.0000000000"],
    ),
    "decimal of 38 after the point": (decimals(38, 38, "-0." + "1" * 38), ["-0." + "1" * 38]),
    "more than 38 digits": (
        decimals(76, 2, "9" * 74 + ".99", "-0.01"),
        [f'"{"9" * 74}.99"', '"-0.01"'],
    ),
    "text": (
        pa.array(["", 'q"u\\o/te', "\x00\x01\x1f\x7f", "\b\t\n\f\r", "\u2028é😀"]),
        [
            '""',
            '"q\\"u\\\\o/te"',
            '"\\u0000\\u0001\\u001f\x7f"',
            '"\\b\\t\\n\\f\\r"',
            '"\u2028é😀"',
        ],
    ),
    "text of one width": (pa.array(["ab", "cd"]), ['"ab"', '"cd"']),
    "enum": (pa.array(["a", "b"]).dictionary_encode(), ['"a"', '"b"']),
    "bytes": (
        pa.array([b"", b"\0", b"ab", b"abc", b"\xff\xfe\xfd\xfc"]),
        ['""', '"AA=="', '"YWI="', '"YWJj"', '"//79/A=="'],
    ),
    "fixed": (pa.array([b"abc", b"\0\0\0"], pa.binary(3)), ['"YWJj"', '"AAAA"']),
    "date": (
        pa.array([0, -719_162, 2_932_896], pa.date32()),
        ['"1970-01-01"', '"0001-01-01"', '"9999-12-31"'],
    ),
    "dates close together": (
        pa.array([20_000 + day % 3 for day in range(30)], pa.date32()),
        [f'"2024-10-{4 + day % 3:02d}"' for day in range(30)],
    ),
    "far dates": (
        pa.array(
            [0, 2_932_897, -719_163, -719_529, 2_145_042_905, 2**31 - 1, -(2**31)], pa.date32()
        ),
        [
            '"1970-01-01"',
            '"+10000-01-01"',
            '"0000-12-31"',
            '"-0001-12-31"',
            '"+5874897-12-31"',
            '"infinity"',
            '"-infinity"',
        ],
    ),
    "time": (
        pa.array([0, 1, 45_296_000_001, 86_400_000_000], pa.time64("us")),
        ['"00:00:00.000000"', '"00:00:00.000001"', '"12:34:56.000001"', '"24:00:00.000000"'],
    ),
    "times beyond a day, of others' topics": (
        pa.array([-1, 90_000_000_001, LEAST, GREATEST], pa.time64("us")),
        [
            '"-00:00:00.000001"',
            '"25:00:00.000001"',
            '"-2562047788:00:54.775808"',
            '"2562047788:00:54.775807"',
        ],
    ),
    "time in milliseconds": (pa.array([1], pa.time32("ms")), ['"00:00:00.001000"']),
    "timestamp": (
        pa.array([0, -1, 1_700_000_000_123_456], LOCAL),
        [
            '"1970-01-01T00:00:00.000000"',
            '"1969-12-31T23:59:59.999999"',
            '"2023-11-14T22:13:20.123456"',
        ],
    ),
    "timestamp in UTC": (pa.array([1], UTC), ['"1970-01-01T00:00:00.000001Z"']),
    "timestamp in milliseconds": (
        pa.array([-1], pa.timestamp("ms", "UTC")),
        ['"1969-12-31T23:59:59.999000Z"'],
    ),
    "timestamp in nanoseconds": (
        pa.array([-1], pa.timestamp("ns")),
        ['"1969-12-31T23:59:59.999999999"'],
    ),
    "far timestamps": (
        pa.array([GREATEST, LEAST, GREATEST - 1, -210_866_803_200_000_000], UTC),
        [
            '"infinity"',
            '"-infinity"',
            '"+294247-01-10T04:00:54.775806Z"',
            '"-4713-11-24T00:00:00.000000Z"',
        ],
    ),
    "list": (
        pa.array([[], [1, None], [2]], pa.list_(pa.int32())),
        ["[]", "[1,null]", "[2]"],
    ),
    "lists of lists": (
        pa.array([[["a"], []], [], [["b", 'c"']]]),
        ['[["a"],[]]', "[]", '[["b","c\\""]]'],
    ),
    "struct": (
        pa.array(
            [{"a": 1, 'b"': None}, {"a": None, 'b"': "x"}],
            pa.struct({"a": pa.int32(), 'b"': pa.utf8()}),
        ),
        ['{"a":1,"b\\"":null}', '{"a":null,"b\\"":"x"}'],
    ),
    "structs without fields": (pa.array([{}, {}], pa.struct([])), ["{}", "{}"]),
    "map": (
        pa.array([[], [("k", "v"), ('"', None)]], pa.map_(pa.utf8(), pa.utf8())),
        ["{}", '{"k":"v","\\"":null}'],
    ),
    "maps in lists in structs": (
        pa.array(
            [{"l": [[("k", 1.5)], None]}],
            pa.struct({"l": pa.list_(pa.map_(pa.utf8(), pa.float64()))}),
        ),
        ['{"l":[{"k":1.5},null]}'],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_value_has_its_exact_form(name: str) -> None:
    values, forms = FORMS[name]
    assert forms_of(values) == forms
    for form in forms:
        json.loads(form)


def test_decimals_are_strings_where_the_setting_says_so() -> None:
    assert forms_of(decimals(10, 2, "1.50"), decimals="string") == ['"1.50"']
    assert forms_of(decimals(30, 2, "1.50"), decimals="string") == ['"1.50"']


def products(rows: int) -> pa.RecordBatch:
    count = range(rows)
    columns = {
        "product_id": pa.array([f"P{row}" for row in count]),
        "price": pa.array([Decimal(row) / 100 for row in count], pa.decimal128(10, 2)),
        "updated_timestamp": pa.array([row * 10**9 for row in count], UTC),
        "_op": pa.array(["u"] * rows),
        "_partition": pa.array([3] * rows, pa.int32()),
        "_offset": pa.array(count, pa.int64()),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_a_line_is_an_object_in_the_columns_order_without_spaces() -> None:
    assert lines_of(products(11)).split("\n")[10] == (
        '{"product_id":"P10","price":0.10,"updated_timestamp":"1970-01-01T02:46:40.000000Z",'
        '"_op":"u","_partition":3,"_offset":10}'
    )


def test_a_deletes_line_has_its_key_and_metadata_only() -> None:
    only = ("_op", "product_id", "_offset")
    assert lines_of(products(1), only=only) == '{"product_id":"P0","_op":"u","_offset":0}\n'


def test_no_rows_are_no_lines_and_no_columns_are_empty_objects() -> None:
    assert lines_of(products(0)) == ""
    assert lines_of(products(2), only=()) == "{}\n{}\n"


def test_names_are_escaped_like_values() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1])], ['a"\\\n😀'])
    assert lines_of(batch) == '{"a\\"\\\\\\n😀":1}\n'


def test_few_rows_cost_fewer_calls_than_columns() -> None:
    assert calls(products(1)) < calls(products(100)) / 3


def test_a_batchs_slices_give_its_lines() -> None:
    whole = products(100)
    for start, count in ((0, 100), (1, 1), (9, 50), (99, 1), (7, 0)):
        lines = lines_of(whole).split("\n")[start : start + count]
        assert lines_of(whole.slice(start, count)).split("\n")[:-1] == lines


def test_a_type_without_a_form_is_named() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1], pa.duration("s"))], ["v"])
    with pytest.raises(TypeError, match="duration"):
        encode_lines(batch)


def calls(batch: pa.RecordBatch) -> int:
    return calls_in(lambda: encode_lines(batch))


def test_the_number_of_python_calls_does_not_depend_on_the_rows() -> None:
    few, many = products(5000).slice(20, 100), products(5000)
    assert abs(calls(few) - calls(many)) < 20  # which way a column takes depends on its values
