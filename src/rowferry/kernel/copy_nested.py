"""Readers of PostgreSQL's binary arrays, composites and hstores: cells → nested Arrow arrays.

The layouts are those of array_send(), record_send() and hstore_send(): counts, then values behind
their lengths, which are read for all rows at once, one place after the other.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rowferry.kernel.copy_cells import (
    Cells,
    Flags,
    Ints,
    Octets,
    TooMuchText,
    Uncarriable,
    is_too_much,
    read_at,
    text_array,
    validity,
)
from rowferry.types import Wire

Read = Callable[[Wire, Cells], pa.Array]

_ARRAY_HEADER, _DIMENSION = 12, 8  # dimensions, flags, element type; then size, lower bound
_COMPOSITE_HEADER, _HSTORE_HEADER, _LENGTH = 4, 4, 4
_INT4 = struct.Struct(">i")
_FEW = 16  # rows; fewer are not worth a NumPy call


def read_array(wire: Wire, element: Wire, cells: Cells, read: Read) -> pa.Array:
    """Lists as deep as declared; other depths and lower bounds other than 1 are refused."""
    cells.require(cells.lengths >= _ARRAY_HEADER, "not an array")
    present = cells.valid
    dimensions = np.where(present, cells.fixed(">i4"), 0)
    cells.refuse((dimensions != 0) & (dimensions != wire.depth), "not of the declared depth")
    filled = dimensions == wire.depth
    header = _ARRAY_HEADER + _DIMENSION * wire.depth
    cells.require(~filled | (cells.lengths >= header), "not an array")
    sizes = _sizes(cells, filled, wire.depth)
    counts = np.where(filled, np.prod(sizes, axis=0), 0)
    starts, lengths = _items(cells, cells.starts + np.where(filled, header, _ARRAY_HEADER), counts)
    items = Cells(cells.column, cells.buffer, starts, lengths)
    return _lists(wire.arrow_type, _of_rows(element, items, counts, read), sizes, present)


def read_composite(wire: Wire, cells: Cells, read: Read) -> pa.Array:
    """Structs; one position a row, moved on field by field."""
    present = cells.valid
    ends = cells.starts + np.maximum(cells.lengths, 0)
    fields = cells.fixed(">i4")
    cells.require((cells.lengths >= _COMPOSITE_HEADER) & (fields == len(wire.fields)), "not it")
    position = cells.starts + _COMPOSITE_HEADER * present
    columns, size, came = [], 0, cells.size
    for field in wire.fields:
        prefix = 2 * _LENGTH  # the field's type, and its length
        cells.require(position + prefix <= ends, "not a composite")
        lengths = read_at(cells.buffer, ">i4", np.minimum(position, ends) + _LENGTH)
        lengths = np.where(present, lengths.astype(np.int64), -1)
        start = position + prefix * present
        position = start + np.maximum(lengths, 0)
        cells.require((position <= ends) & (lengths >= -1), "not a composite")
        column = read(field, Cells(cells.column, cells.buffer, start, lengths))
        columns.append(column)
        size += column.nbytes
        if is_too_much(size, came):
            raise TooMuchText(cells.column, np.flatnonzero(present))
    cells.require(position == ends, "not a composite")
    return pa.Array.from_buffers(wire.arrow_type, len(cells), [validity(present)], children=columns)


def read_hstore(wire: Wire, cells: Cells) -> pa.Array:
    """Maps of text to text or null, in hstore's own order of keys."""
    cells.require(cells.lengths >= _HSTORE_HEADER, "not an hstore")
    present = cells.valid
    counts = np.where(present, cells.fixed(">i4"), 0).astype(np.int64)
    cells.require((counts >= 0) & (2 * counts * _LENGTH <= cells.lengths), "not an hstore")
    starts, lengths = _items(cells, cells.starts + _HSTORE_HEADER, 2 * counts)
    parts = (Cells(cells.column, cells.buffer, starts[i::2], lengths[i::2]) for i in (0, 1))
    keys, values = (text_array(pa.utf8(), part) for part in parts)
    pairs = pa.StructArray.from_arrays([keys, values], fields=list(_entry(wire.arrow_type)))
    buffers = [validity(present), pa.py_buffer(_offsets(counts))]
    return pa.Array.from_buffers(wire.arrow_type, len(cells), buffers, children=[pairs])


def _entry(map_type: pa.DataType) -> tuple[pa.Field, pa.Field]:
    return map_type.key_field, map_type.item_field


def _sizes(cells: Cells, filled: Flags, depth: int) -> list[Ints]:
    """The size of each dimension; the product is bounded by the value's own length."""
    sizes, total = [], np.ones(len(cells), np.int64)
    for dimension in range(depth):
        at = _ARRAY_HEADER + _DIMENSION * dimension
        places = np.where(filled, cells.starts + at, 0)
        size = np.where(filled, read_at(cells.buffer, ">i4", places), 0).astype(np.int64)
        bound = np.where(filled, read_at(cells.buffer, ">i4", places + 4), 1)
        total = total * size
        fits = (size >= 0) & (total * _LENGTH <= np.maximum(cells.lengths, 0))
        cells.require(fits, "not an array")
        cells.refuse(bound != 1, "a lower bound other than 1")
        sizes.append(size)
    return sizes


def _items(cells: Cells, position: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Starts and lengths of each row's items, row after row; exactly the value's bytes.

    Where all items of a row are as long as its mean, its lengths say so at the places that follow
    from it; the other rows are walked.
    """
    ends = cells.starts + np.maximum(cells.lengths, 0)
    position = np.minimum(position, ends)
    mean = (ends - position) // np.maximum(counts, 1)
    first = np.cumsum(counts) - counts
    starts, lengths = np.empty((2, int(counts.sum())), np.int64)
    even = position + counts * mean == ends
    if even.any():
        row = np.repeat(np.arange(len(counts)), counts)
        at = position[row] + (np.arange(len(row)) - first[row]) * mean[row]
        starts[:], lengths[:] = at + _LENGTH, read_at(cells.buffer, ">i4", at)
        even[row[lengths != mean[row] - _LENGTH]] = False
    rest = np.flatnonzero(~even)
    if len(rest):
        walk = _Walk(cells.buffer, starts, lengths)
        ended = walk.along(position[rest], ends[rest], counts[rest], first[rest])
        even[rest] = ended == ends[rest]
        cells.require(even, "not as long as its items")
    return starts, lengths


@dataclass(frozen=True, slots=True)
class _Walk:
    """Moves from item to item in all rows at once, and writes down where they lie."""

    buffer: Octets
    starts: Ints
    lengths: Ints

    def along(self, position: Ints, ends: Ints, counts: Ints, first: Ints) -> Ints:
        """Where each row's items end; -1 where they do not lie inside the row.

        Rows with many items come first, so that those that still have one are a prefix. The last
        few rows, maybe of very many items, are walked one by one.
        """
        order = np.argsort(-counts, kind="stable")
        position, ends, counts, first = (a[order] for a in (position, ends, counts, first))
        active, item = len(order), 0
        while (active := int(np.searchsorted(-counts[:active], -item))) > _FEW:
            at = position[:active]
            length = read_at(self.buffer, ">i4", np.maximum(at, 0)).astype(np.int64)
            following = at + _LENGTH + np.maximum(length, 0)
            lost = (following > ends[:active]) | (length < -1) | (at < 0)
            self.starts[first[:active] + item], self.lengths[first[:active] + item] = at + 4, length
            position[:active] = np.where(lost, -1, following)
            item += 1
        for row in range(active):
            position[row] = self._alone(
                position[row], ends[row], counts[row] - item, first[row] + item
            )
        ended = np.empty_like(position)
        ended[order] = position
        return ended

    def _alone(self, position: int, end: int, count: int, place: int) -> int:
        octets = self.buffer.data
        for item in range(place, place + count):
            if not 0 <= position <= end - _LENGTH:
                return -1
            (length,) = _INT4.unpack_from(octets, position)
            self.starts[item], self.lengths[item] = position + _LENGTH, length
            position += _LENGTH + max(length, 0)
            if length < -1:
                return -1
        return position


def _of_rows(element: Wire, items: Cells, counts: Ints, read: Read) -> pa.Array:
    """The items' array; an item that cannot be carried is its row's trouble."""
    try:
        return read(element, items)
    except Uncarriable as refused:
        rows = np.unique(np.repeat(np.arange(len(counts)), counts)[refused.rows])
        if isinstance(refused, TooMuchText):
            raise TooMuchText(items.column, rows) from refused
        raise Uncarriable(items.column, rows, refused.reason) from refused


def _lists(
    arrow_type: pa.DataType, values: pa.Array, sizes: list[Ints], present: Flags
) -> pa.Array:
    """Lists of lists, from the innermost out."""
    types = [arrow_type]
    for _ in sizes[1:]:
        types.append(types[-1].value_type)
    for level in range(len(sizes) - 1, -1, -1):
        lists = np.prod(sizes[:level], axis=0, dtype=np.int64) if level else np.ones_like(sizes[0])
        lengths = np.repeat(sizes[level], lists)
        bitmap = None if level else validity(present)
        buffers = [bitmap, pa.py_buffer(_offsets(lengths))]
        values = pa.Array.from_buffers(types[level], len(lengths), buffers, children=[values])
    return values


def _offsets(counts: Ints) -> "np.typing.NDArray[np.int32]":
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int32)
