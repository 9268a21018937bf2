"""Messages → columns, all rows of a block at once: one decoder a shape."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowferry.kernel.avro.cursor import Cursor, Mask
from rowferry.kernel.avro.decode_decimals import decode_decimal
from rowferry.kernel.avro.decode_lists import decode_list
from rowferry.kernel.avro.gather import gather, gather_texts, mask_buffer, with_nulls
from rowferry.kernel.avro.reasons import MalformedError, Reason
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
    Union,
    Varint,
)

INT_BITS: Final = 32
# Read from zeros these take less than there are: a null can be read from there as if it were one.
SIMPLE: Final = (Boolean, Varint, Float, Text, Bytes, Enum, Decimal)


def decode(shape: Shape, cursor: Cursor) -> pa.Array:
    """A value a row; rows that cannot be read are noted in the block, and get any value."""
    column: pa.Array = DECODERS[type(shape)](shape, cursor)
    return column


def column_of(arrow: pa.DataType, values: NDArray[Any]) -> pa.Array:
    """A column of fixed width from memory that has its form."""
    return pa.Array.from_buffers(arrow, len(values), [None, pa.py_buffer(values)])


def _decode_null(_: Null, cursor: Cursor) -> pa.Array:
    return pa.nulls(len(cursor))


def _decode_boolean(_: Boolean, cursor: Cursor) -> pa.Array:
    flags = cursor.bytes()
    cursor.advance(1)
    if np.count_nonzero(flags > 1):
        cursor.fail(flags > 1, Reason.BOOLEAN)
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, mask_buffer(flags == 1)])


def _decode_varint(shape: Varint, cursor: Cursor) -> pa.Array:
    numbers = cursor.read_numbers()
    if shape.bits != INT_BITS:
        return column_of(shape.arrow, numbers)
    narrow = numbers.astype(np.int32)
    if np.count_nonzero(narrow != numbers):
        cursor.fail(narrow != numbers, Reason.INT)
    return column_of(shape.arrow, narrow)


def _decode_float(shape: Float, cursor: Cursor) -> pa.Array:
    words = cursor.read_words()
    cursor.advance(shape.size)
    return column_of(shape.arrow, words.astype(f"<u{shape.size}", copy=False))


def _decode_bytes(_: Bytes, cursor: Cursor) -> pa.Array:
    return gather(cursor.block.data, *cursor.read_lengths())


def _decode_text(_: Text, cursor: Cursor) -> pa.Array:
    return gather_texts(cursor, *cursor.read_lengths())


def _decode_fixed(shape: Fixed, cursor: Cursor) -> pa.Array:
    beyond = cursor.ends - cursor.positions < shape.size
    if np.count_nonzero(beyond):  # also the rows that failed before
        cursor.fail(beyond, Reason.TRUNCATED)
        part = cursor.part(~beyond)
        column = with_nulls(_decode_fixed(shape, part), ~beyond)
        cursor.join(~beyond, part)
        return column
    sizes = np.full(len(cursor), shape.size, np.int64)
    blobs = gather(cursor.block.data, cursor.positions, sizes)
    cursor.positions = cursor.positions + shape.size
    return pa.Array.from_buffers(shape.arrow, len(blobs), [None, blobs.buffers()[2]])


def _decode_enum(shape: Enum, cursor: Cursor) -> pa.Array:
    places = cursor.read_numbers()
    beyond = places.view(np.uint64) >= len(shape.symbols)
    if np.count_nonzero(beyond):
        cursor.fail(beyond, Reason.SYMBOL)
        places = np.where(beyond, 0, places)
    if not shape.symbols:
        return pa.nulls(len(cursor), pa.utf8())
    return shape.texts.take(pa.array(places))


def _decode_record(shape: Record, cursor: Cursor) -> pa.Array:
    children = [decode(field, cursor) for field in shape.fields]
    return pa.Array.from_buffers(shape.arrow, len(cursor), [None], children=children)


def _decode_optional(shape: Optional, cursor: Cursor) -> pa.Array:
    branches = cursor.read_numbers()
    beyond = branches.view(np.uint64) > 1
    if np.count_nonzero(beyond):
        cursor.fail(beyond, Reason.BRANCH)
    is_null = branches == shape.null_branch
    nulls = np.count_nonzero(is_null)
    if nulls == 0:
        return decode(shape.inner, cursor)
    if nulls == len(cursor):
        return pa.nulls(len(cursor), shape.arrow)
    if _reads_zeros(shape.inner):
        return _decode_parked(shape.inner, cursor, is_null)
    part = cursor.part(~is_null)
    column = with_nulls(decode(shape.inner, part), ~is_null)
    cursor.join(~is_null, part)
    return column


def _reads_zeros(shape: Shape) -> bool:
    """Whether zeros are a value of the shape; an enum without symbols has none."""
    return isinstance(shape, SIMPLE) and not (isinstance(shape, Enum) and not shape.symbols)


def _decode_parked(inner: Shape, cursor: Cursor, is_null: Mask) -> pa.Array:
    """Send the nulls to the zeros for this value: cheaper than to take rows out and in again."""
    block = cursor.block
    here, ends = cursor.positions, cursor.ends
    cursor.positions = np.where(is_null, block.grave, here)
    cursor.ends = np.where(is_null, len(block.data), ends)
    column = decode(inner, cursor)
    cursor.positions = np.where(is_null, here, cursor.positions)
    cursor.ends = np.where(is_null, ends, cursor.ends)
    _, *buffers = column.buffers()
    return pa.Array.from_buffers(column.type, len(column), [mask_buffer(~is_null), *buffers])


def _decode_union(shape: Union, cursor: Cursor) -> pa.Array:
    """Row by row in Python: each value has a shape of its own."""
    block = cursor.block
    read = block.reader(shape)
    block.slow.note("union", len(cursor))
    texts, behind = [], []
    failed: dict[Reason, list[int]] = {}
    spans = zip(cursor.rows.tolist(), cursor.positions.tolist(), cursor.ends.tolist(), strict=True)
    for place, (message, start, end) in enumerate(spans):
        octets, first = block.octets(message, start, end)
        text, position = None, first
        try:
            text, position = read(octets, first)
        except MalformedError as odd:
            failed.setdefault(odd.reason, []).append(place)
        except IndexError:
            failed.setdefault(Reason.TRUNCATED, []).append(place)
        texts.append(text)
        behind.append(start + position - first)
    cursor.positions = np.array(behind, np.int64)
    for reason, places in failed.items():
        where = np.zeros(len(cursor), np.bool_)
        where[places] = True
        cursor.fail(where, reason)
    return pa.array(texts, pa.utf8())


Decoder = Callable[[Any, Cursor], pa.Array]
DECODERS: Final[dict[type[Shape], Decoder]] = {
    Null: _decode_null,
    Boolean: _decode_boolean,
    Varint: _decode_varint,
    Float: _decode_float,
    Text: _decode_text,
    Bytes: _decode_bytes,
    Fixed: _decode_fixed,
    Enum: _decode_enum,
    Decimal: decode_decimal,
    Array: lambda shape, cursor: decode_list(shape, shape.items, cursor, decode),
    Map: lambda shape, cursor: decode_list(shape, shape.entries, cursor, decode),
    Record: _decode_record,
    Optional: _decode_optional,
    Union: _decode_union,
}
