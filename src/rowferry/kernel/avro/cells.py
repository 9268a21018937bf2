"""Arrow columns ↔ lists of raw values (see single_read), exactly; for the row at a time path."""

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


def column_of(shape: Shape, cells: Sequence[Any]) -> pa.Array:
    """A column of these values, None for null."""
    make = MAKE.get(type(shape))
    return make(shape, cells) if make else pa.array(cells, shape.arrow)


def _take_varints(shape: Varint, column: pa.Array) -> list[Any]:
    cells: list[Any] = column.view(STORAGE[shape.bits]).to_pylist()
    return cells


def _make_varints(shape: Varint, cells: Sequence[Any]) -> pa.Array:
    storage = STORAGE[shape.bits]
    column = pa.array(cells, storage)
    return column if shape.arrow is storage else column.view(shape.arrow)


def _take_decimals(shape: Decimal, column: pa.Array) -> list[Any]:
    width = shape.arrow.byte_width
    data = column.buffers()[1]
    whole = b"" if data is None else memoryview(data)[width * column.offset :]
    present = column.is_valid().to_pylist()
    return [
        int.from_bytes(whole[i * width : (i + 1) * width], "little", signed=True) if there else None
        for i, there in enumerate(present)
    ]


def _make_decimals(shape: Decimal, cells: Sequence[Any]) -> pa.Array:
    width = shape.arrow.byte_width
    data = b"".join([(cell or 0).to_bytes(width, "little", signed=True) for cell in cells])
    bitmap = _bitmap(cells)
    return pa.Array.from_buffers(shape.arrow, len(cells), [bitmap, pa.py_buffer(data)])


def _bitmap(cells: Sequence[Any]) -> pa.Buffer | None:
    """The validity bitmap; None where no cell is null."""
    if None not in cells:
        return None
    return pa.array([cell is not None for cell in cells], pa.bool_()).buffers()[1]


def _take_items(items: Shape, column: pa.Array) -> list[Any]:
    child = column.values if isinstance(column, pa.ListArray) else _entries(column)
    cells = cells_of(items, child)
    bounds = column.offsets.to_pylist()
    present = column.is_valid().to_pylist()
    return [
        cells[a:b] if there else None
        for (a, b), there in zip(pairwise(bounds), present, strict=True)
    ]


def _entries(column: pa.MapArray) -> pa.Array:
    """The keys and values under a map, from its first slot on, as its offsets count them."""
    keys, values = column.keys, column.items
    return pa.StructArray.from_arrays([keys, values], names=["key", "value"])


def _make_items(shape: Array | Map, cells: Sequence[Any]) -> pa.Array:
    items = shape.items if isinstance(shape, Array) else shape.entries
    flat: list[Any] = []
    bounds = [0]
    for cell in cells:
        flat += cell or ()
        bounds.append(len(flat))
    child = column_of(items, flat)
    offsets = pa.array(bounds, pa.int32()).buffers()[1]
    return pa.Array.from_buffers(
        shape.arrow, len(cells), [_bitmap(cells), offsets], children=[child]
    )


def rows_of(shape: Record, columns: Sequence[pa.Array], rows: int) -> list[tuple[Any, ...]]:
    """The records whose fields these columns are."""
    values = [cells_of(s, c) for s, c in zip(shape.fields, columns, strict=True)]
    return list(zip(*values, strict=True)) if values else [()] * rows


def _take_records(shape: Record, column: pa.Array) -> list[Any]:
    fields = [column.field(i) for i in range(len(shape.fields))]  # offset applied, validity not
    rows = rows_of(shape, fields, len(column))
    if column.null_count == 0:
        return list(rows)
    present = column.is_valid().to_pylist()
    return [row if there else None for row, there in zip(rows, present, strict=True)]


def _make_records(shape: Record, cells: Sequence[Any]) -> pa.Array:
    empty = (None,) * len(shape.fields)
    columns = zip(*(cell or empty for cell in cells), strict=True) if cells else [()] * len(empty)
    children = [column_of(s, c) for s, c in zip(shape.fields, columns, strict=True)]
    return pa.Array.from_buffers(shape.arrow, len(cells), [_bitmap(cells)], children=children)


TAKE: Final[dict[type[Shape], Callable[[Any, pa.Array], list[Any]]]] = {
    Varint: _take_varints,
    Decimal: _take_decimals,
    Array: lambda shape, column: _take_items(shape.items, column),
    Map: lambda shape, column: _take_items(shape.entries, column),
    Record: _take_records,
    Optional: lambda shape, column: cells_of(shape.inner, column),
}
MAKE: Final[dict[type[Shape], Callable[[Any, Sequence[Any]], pa.Array]]] = {
    Varint: _make_varints,
    Decimal: _make_decimals,
    Array: _make_items,
    Map: _make_items,
    Record: _make_records,
    Optional: lambda shape, cells: column_of(shape.inner, cells),
}
