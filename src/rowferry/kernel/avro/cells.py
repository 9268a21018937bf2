"""Arrow columns ↔ lists of raw values (see single_read), exactly; for the row at a time path.

Decimals are written as the integers of their digits, and read as Python's.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa

from rowferry.kernel.avro.shapes import (
    Array,
    Decimal,
    Map,
    Optional,
    Record,
    Shape,
    Varint,
)

STORAGE: Final = {32: pa.int32(), 64: pa.int64()}


def cells_of(shape: Shape, column: pa.Array) -> list[Any]:
    """A column's values, None for null."""
    take = TAKE.get(type(shape))
    cells: list[Any] = take(shape, column) if take else column.to_pylist()
    return cells


def rows_of(shape: Record, columns: Sequence[pa.Array], rows: int) -> list[tuple[Any, ...]]:
    """The records whose fields these columns are."""
    values = [cells_of(s, c) for s, c in zip(shape.fields, columns, strict=True)]
    return list(zip(*values, strict=True)) if values else [()] * rows


def column_of(shape: Shape, cells: Sequence[Any]) -> pa.Array:
    """A column of these values, None for null."""
    return pa.array(cells, shape.arrow)


def _take_varints(shape: Varint, column: pa.Array) -> list[Any]:
    """Numbers, also of dates and times, which Python's own types cannot all hold."""
    storage = STORAGE[shape.bits]
    cells: list[Any] = (column if shape.arrow == storage else column.view(storage)).to_pylist()
    return cells


def _take_decimals(shape: Decimal, column: pa.Array) -> list[Any]:
    """Their digits as integers, which Arrow has and Python's decimals would be made from."""
    width = shape.arrow.byte_width
    if not len(column):
        return []
    octets = column.buffers()[1].slice(column.offset * width, len(column) * width).to_pybytes()
    places = range(0, len(octets), width)
    cells = [int.from_bytes(octets[at : at + width], "little", signed=True) for at in places]
    return cells if column.null_count == 0 else _with_nulls(cells, column)


def _take_items(items: Shape, column: pa.Array) -> list[Any]:
    cells, bounds = cells_of(items, column.values), column.offsets.to_pylist()
    lists = [cells[first:last] for first, last in pairwise(bounds)]
    return lists if column.null_count == 0 else _with_nulls(lists, column)


def _take_records(shape: Record, column: pa.Array) -> list[Any]:
    fields = [column.field(i) for i in range(len(shape.fields))]  # offset applied, validity not
    rows: list[Any] = rows_of(shape, fields, len(column))
    return rows if column.null_count == 0 else _with_nulls(rows, column)


def _with_nulls(cells: list[Any], column: pa.Array) -> list[Any]:
    present = column.is_valid().to_pylist()
    return [cell if there else None for cell, there in zip(cells, present, strict=True)]


TAKE: Final[dict[type[Shape], Callable[[Any, pa.Array], list[Any]]]] = {
    Varint: _take_varints,
    Decimal: _take_decimals,
    Array: lambda shape, column: _take_items(shape.items, column),
    Map: lambda shape, column: _take_items(shape.entries, column),
    Record: _take_records,
    Optional: lambda shape, column: cells_of(shape.inner, column),
}
