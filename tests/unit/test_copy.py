"""Binary COPY → columns: frames, rows, every kind of value, and what is refused."""

import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from calls import calls_in
from copy_bytes import (
    HEADER,
    TRAILER,
    array_of,
    copy_of,
    octets_of,
    prefixed,
)
from copy_ways import by_columns, read
from rowferry.kernel.copy import CopyReader, without_frame
from rowferry.kernel.copy_cells import Uncarriable
from rowferry.kernel.copy_few import FewReader
from rowferry.types import wire_of
from wires import NESTED, PRODUCTS, SCALARS, column, numeric, wires_of

TEXT = wires_of(column("a", "text", 25), column("b", "integer", 23))
BY_NAME = {each.name: each for each in (*SCALARS, *NESTED)}
ROWS = [("x", 1), (None, None), ("ü" * 300, -1)]
LONG_MAX, INT_MAX = 2**63 - 1, 2**31 - 1
VALUES: dict[str, list[Any]] = {
    "bool": [True, False],
    "int2": [0, -(2**15), 2**15 - 1],
    "int4": [0, -(2**31), INT_MAX],
    "int8": [0, -(2**63), LONG_MAX],
    "oid": [0, 2**32 - 1],
    "float4": [0.0, 1.5, float("inf")],
    "float8": [0.0, 0.1, float("-inf")],
    "narrow": [Decimal("0.00"), Decimal("-99999999.99"), Decimal("10000.00")],
    "wide": [Decimal("0.000000001"), Decimal("-" + "9" * 29 + "." + "9" * 9)],
    "widest": [Decimal("9" * 46 + "." + "9" * 30), Decimal("-1." + "0" * 30)],
    "numeric": [
        "0",
        "-1",
        "0.00",
        "0.0001",
        "12345678.90",
        "-0.00000001",
        "10000",
        "1" + "0" * 99,
        "NaN",
        "Infinity",
        "-Infinity",
        "9" * 30 + "." + "9" * 31,
        "100000000.5",
    ],
    "text": ["", "é😀", "x" * 3000],
    "bytea": [b"", b"\x00\xff"],
    "uuid": ["f81d4fae-7dec-11d0-a765-00a0c91e6bff"],
    "jsonb": ['{"a": 1}', "null"],
    "date": [0, -(2**31), INT_MAX, 2_145_042_905],
    "time": [0, 86_400_000_000],
    "timestamp": [0, LONG_MAX, -LONG_MAX - 1, LONG_MAX - 1, -210_866_803_200_000_000],
    "timestamptz": [0, LONG_MAX, -LONG_MAX - 1, 1],
    "ints": [[], [1, None, 3], [7] * 300],
    "texts": [[["a", None], ["", "d"]], []],
    "place": [{"id": 1, "the_x20_name": None}, {"id": None, "the_x20_name": "x"}],
    "places": [[{"id": 1, "the_x20_name": "y"}, None], []],
    "hstore": [[("k", "v"), ("n", None)], []],
}


def plain(array: pa.Array) -> list[Any]:
    """Values as Python has them; dates and times as the integers that they are."""
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    values: list[Any] = array.to_pylist()
    return values


@pytest.mark.parametrize("name", VALUES)
def test_every_kind_of_value_is_read_with_nulls_around_it(name: str) -> None:
    wire = wire_of(BY_NAME[name])
    values = [None, *VALUES[name], None]
    batch = read([wire], copy_of([wire], [[value] for value in values]))
    batch.validate(full=name != "time")  # 24:00:00 is a time to PostgreSQL, not to Arrow
    assert batch.schema.types == [wire.arrow_type]
    assert plain(batch.column(0)) == values


@pytest.mark.parametrize("name", VALUES)
def test_few_rows_take_the_short_way_but_for_what_is_rare(name: str) -> None:
    wire = wire_of(BY_NAME[name])
    for value in (None, *VALUES[name]):
        is_rare = value in ("NaN", "Infinity", "-Infinity")
        rows = without_frame(copy_of([wire], [[value], [None]]))
        assert (FewReader([wire]).read(rows) is None) == is_rare


def test_many_rows_and_large_ones_go_by_columns() -> None:
    [row] = without_frame(copy_of(TEXT, [("x" * 1000, 1)]))
    assert FewReader(TEXT).read([row] * 60) is not None
    assert FewReader(TEXT).read([row] * 65) is None
    [row] = without_frame(copy_of(TEXT, [("x" * 100_000, 1)]))
    assert FewReader(TEXT).read([row]) is None


def test_long_arrays_are_read_beside_short_ones() -> None:
    # GIVEN a few rows of many items, of one length and not, among many rows of few
    wire = wire_of(column("c", "text[]", 1009, element_oid=25))
    long_even, long_odd = ["ab"] * 50_000, ["x" * (item % 3) for item in range(50_000)]
    values = [long_odd, None, *[["a", None]] * 100, long_even, *[["a", "bc"]] * 100, [], long_odd]
    # WHEN they are read THEN all are there
    batch = read([wire], copy_of([wire], [[value] for value in values]))
    assert plain(batch.column(0)) == values


def test_a_column_of_nulls_is_read() -> None:
    wires = wires_of(*SCALARS, *NESTED)
    batch = read(wires, copy_of(wires, [[None] * len(wires)] * 3))
    assert all(array.null_count == 3 for array in batch.columns)


def test_the_seeds_row_is_read() -> None:
    wires = wires_of(*PRODUCTS)
    row = ["P1", "Lamp", None, Decimal("19.99"), 1_700_000_000_123_456]
    batch = read(wires, copy_of(wires, [row]))
    assert [plain(array)[0] for array in batch.columns] == row
    assert batch.schema.names == [each.name for each in PRODUCTS]


def test_an_empty_copy_is_an_empty_batch() -> None:
    for wires in (TEXT, wires_of(*SCALARS, *NESTED)):
        for chunks in ([HEADER + TRAILER], [HEADER, TRAILER]):
            batch = read(wires, chunks)
            assert (batch.num_rows, batch.schema.types) == (0, [w.arrow_type for w in wires])


def test_a_table_without_columns_keeps_its_count() -> None:
    assert read([], copy_of([], [[], []])).num_rows == 2


@pytest.mark.parametrize("size", [1, 3, 7, 64, 10_000])
def test_chunks_may_be_cut_anywhere(size: int) -> None:
    octets = b"".join(copy_of(TEXT, ROWS))
    chunks = [octets[start : start + size] for start in range(0, len(octets), size)]
    assert list(zip(*(plain(c) for c in read(TEXT, chunks)), strict=True)) == ROWS


def test_a_header_extension_is_passed_over() -> None:
    first, *rest = copy_of(TEXT, ROWS)
    extended = HEADER[:-4] + struct.pack(">i", 5) + b"extra" + first[len(HEADER) :]
    assert read(TEXT, [extended, *rest]).num_rows == 3


@pytest.mark.parametrize(
    ("chunks", "what"),
    [
        ([], "no signature"),
        ([b"PGCOPX\n\xff\r\n\0" + bytes(8), TRAILER], "no signature"),
        ([HEADER[:-8] + b"\x00\x01\x00\x00" + bytes(4), TRAILER], "flags"),
        ([HEADER], "no trailer"),
        (copy_of(TEXT, ROWS[:1])[:-1], "no trailer"),
        (copy_of(TEXT, ROWS)[:-1], "not the rows"),
        ([HEADER, b"\x00\x01" + prefixed(b"x"), TRAILER], "not the rows"),
        ([HEADER, b"\x00\x02" + prefixed(b"x"), TRAILER], "not the rows"),
        ([HEADER, b"\x00\x02" + prefixed(b"x") + b"\x7f\xff\xff\xff", TRAILER], "not the rows"),
        ([HEADER, b"\x00\x02" + prefixed(b"x") + prefixed(b"y"), TRAILER], "'b', row 0.*4 octets"),
    ],
)
def test_bytes_that_are_no_copy_of_these_columns_are_refused(
    chunks: list[bytes], what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        read(TEXT, chunks)


@pytest.mark.parametrize(
    ("one", "octets"),
    [
        (BY_NAME["bool"], b"\x02"),
        (BY_NAME["narrow"], b""),
        (BY_NAME["narrow"], struct.pack(">hhHhh", 1, 0, 0, 2, 10_000)),
        (BY_NAME["narrow"], struct.pack(">hhHhh", 1, 0, 1, 2, 1)),
        (BY_NAME["narrow"], struct.pack(">hhHh", 3, 0, 0, 2)),
        (BY_NAME["narrow"], struct.pack(">hhHh", -1, 0, 0, 2)),
        (BY_NAME["numeric"], struct.pack(">hhHhh", 1, 0, 0, 2, -1)),
        (BY_NAME["numeric"], struct.pack(">hhHh", 0, 0, 5, 2)),
        (BY_NAME["uuid"], b"short"),
        (BY_NAME["jsonb"], b"\x02{}"),
        (BY_NAME["jsonb"], b""),
        (BY_NAME["ints"], b""),
        (BY_NAME["ints"], struct.pack(">iiiii", 1, 0, 23, 2**31 - 1, 1)),
        (BY_NAME["ints"], struct.pack(">iiiii", 1, 0, 23, -1, 1)),
        (BY_NAME["ints"], struct.pack(">iiiii", 1, 0, 23, 1, 1) + prefixed(b"1234") + b"rest"),
        (BY_NAME["texts"], struct.pack(">iiiiiii", 2, 0, 25, 2**31 - 1, 1, 2**31 - 1, 1)),
        (BY_NAME["place"], b""),
        (BY_NAME["place"], struct.pack(">i", 3)),
        (BY_NAME["place"], struct.pack(">iii", 2, 23, 1_000_000)),
        (BY_NAME["hstore"], b""),
        (BY_NAME["hstore"], struct.pack(">i", -1)),
        (BY_NAME["hstore"], struct.pack(">i", 2**30)),
        (BY_NAME["hstore"], struct.pack(">i", 1) + prefixed(b"k")),
    ],
)
def test_a_malformed_value_is_refused(one: Any, octets: bytes) -> None:
    wire = wire_of(one)
    with pytest.raises(ValueError, match=wire.name) as refused:
        read([wire], [HEADER, b"\x00\x01" + prefixed(octets), TRAILER])
    assert not isinstance(refused.value, Uncarriable)


@pytest.mark.parametrize(
    ("one", "octets"),
    [
        (numeric("c", 10, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("NaN"))),
        (numeric("c", 38, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("Infinity"))),
        (numeric("c", 10, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("-Infinity"))),
        (numeric("c", 10, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("100000000.00"))),
        (numeric("c", 10, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("1e100"))),
        (numeric("c", 38, 0), octets_of(wire_of(BY_NAME["narrow"]), Decimal("1e38"))),
        (numeric("c", 10, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("0.001"))),
        (numeric("c", 10, 2), octets_of(wire_of(BY_NAME["narrow"]), Decimal("1e-50"))),
        (column("c", "timestamp with time zone", 1184), struct.pack(">q", LONG_MAX - 1)),
        (
            column("c", "timestamp with time zone", 1184),
            struct.pack(">q", LONG_MAX - 946_684_800_000_000),
        ),
        (column("c", "text", 25), b"\xff"),
        (column("c", "integer[]", 1007, element_oid=23), array_of(TEXT[1], 1, [1], lower_bound=0)),
        (column("c", "integer[]", 1007, element_oid=23), array_of(TEXT[1], 2, [[1]])),
        (
            column("c", "text[]", 1009, element_oid=25),
            struct.pack(">iiiii", 1, 0, 25, 1, 1) + prefixed(b"\xff"),
        ),
    ],
)
def test_a_value_that_the_mapping_cannot_hold_is_refused_with_its_rows(
    one: Any, octets: bytes
) -> None:
    # GIVEN the value in the second and the fourth of five rows
    rows = [b"\x00\x01" + prefixed(octets if row in (1, 3) else None) for row in range(5)]
    # WHEN they are read THEN the column and these rows are named, and no value
    with pytest.raises(Uncarriable) as refused:
        read([wire_of(one)], [HEADER + rows[0], *rows[1:], TRAILER])
    assert (refused.value.column, refused.value.rows.tolist()) == ("c", [1, 3])


def test_some_columns_are_read_past_an_uncarriable_value() -> None:
    wires = wires_of(*PRODUCTS)
    chunks = copy_of(wires, [["P1", "Lamp", None, Decimal("NaN"), 0]])
    with pytest.raises(Uncarriable):
        CopyReader(wires).read(chunks)
    key = CopyReader(wires).read(chunks, only=("product_id",))
    assert key.to_pydict() == {"product_id": ["P1"]}


def test_the_number_of_python_calls_does_not_depend_on_the_rows() -> None:
    wires = wires_of(*PRODUCTS)
    rows = [[f"P{row}", "Lamp", "Home", Decimal("1.50"), row] for row in range(2000)]
    some, many = copy_of(wires, rows[:100]), copy_of(wires, rows)
    calls = calls_in(lambda: by_columns(wires, some))
    assert calls == calls_in(lambda: by_columns(wires, many))
    assert calls == calls_in(lambda: by_columns(wires, many[:20] + many[-1:]))
