"""Columns → messages, all rows of a block at once: one encoder a shape."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowferry.kernel.avro import decimals
from rowferry.kernel.avro.decimals import LIMB_BYTES
from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.pieces import WORD_BYTES, Pieces, binary_of
from rowferry.kernel.avro.reasons import UnwritableError
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
from rowferry.kernel.avro.single_write import writer
from rowferry.kernel.avro.varints import Words

ITEMS_AT_ONCE: Final = 16384
BYTES: Final = Bytes(pa.binary(), 1)
NUMBERS: Final = {32: np.int32, 64: np.int64}


def encode(shape: Shape, column: pa.Array, pieces: Pieces) -> None:
    """Add a column's bytes to its rows. Raises UnwritableError."""
    if column.null_count and not isinstance(shape, Optional | Union | Null):
        pieces.refuse(validity_of(column) == 0, "a null where the schema has no null")
    ENCODERS[type(shape)](shape, column, pieces)


def values_of(column: pa.Array, dtype: Any) -> NDArray[Any]:
    """The values of a column of fixed width as they lie in memory; a null's value is undefined."""
    data = column.buffers()[1]
    if data is None:
        return np.zeros(len(column), dtype)
    whole = np.frombuffer(data, dtype)
    return whole[column.offset : column.offset + len(column)]


def validity_of(column: pa.Array) -> NDArray[np.uint8]:
    """1 where there is a value, 0 for null."""
    bits = column.buffers()[0]
    if bits is None:
        return np.full(len(column), column.null_count == 0, np.uint8)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return flags[column.offset : column.offset + len(column)]


def _encode_optional(shape: Optional, column: pa.Array, pieces: Pieces) -> None:
    null_byte, value_byte = shape.null_branch * 2, (1 - shape.null_branch) * 2
    if column.null_count == 0:
        pieces.add(value_byte, 1, 1)
        encode(shape.inner, column, pieces)
        return
    valid = 0 - validity_of(column).astype(np.uint64)
    pieces.add((valid & value_byte) | (~valid & null_byte), 1, 1)
    outer = pieces.mask
    pieces.mask = valid if outer is None else valid & outer
    encode(shape.inner, column, pieces)
    pieces.mask = outer


def _encode_boolean(_: Boolean, column: pa.Array, pieces: Pieces) -> None:
    pieces.add(values_of(column.cast(pa.uint8()), np.uint8).astype(np.uint64), 1, 1)


def _encode_varint(shape: Varint, column: pa.Array, pieces: Pieces) -> None:
    numbers = values_of(column, NUMBERS[shape.bits])
    pieces.add_numbers(numbers.astype(np.int64, copy=False))


def _encode_float(shape: Float, column: pa.Array, pieces: Pieces) -> None:
    words = values_of(column, np.uint64 if shape.size == WORD_BYTES else np.uint32)
    pieces.add(words.astype(np.uint64, copy=False), shape.size, shape.size)


def _encode_bytes(_: Bytes, column: pa.Array, pieces: Pieces) -> None:
    pieces.add_lengths(
        np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    )
    pieces.add_blobs(column)


def _encode_text(_: Text, column: pa.Array, pieces: Pieces) -> None:
    _encode_bytes(BYTES, column.view(BYTES.arrow), pieces)


def _encode_fixed(shape: Fixed, column: pa.Array, pieces: Pieces) -> None:
    data = column.buffers()[1].slice(column.offset * shape.size, len(column) * shape.size)
    bounds = np.arange(len(column) + 1, dtype=np.int32) * np.int32(shape.size)
    pieces.add_blobs(binary_of(bounds, data))


def _encode_enum(shape: Enum, column: pa.Array, pieces: Pieces) -> None:
    places = pc.index_in(column, value_set=pa.array(shape.symbols, pa.utf8()))
    if places.null_count:
        pieces.refuse(validity_of(places) == 0, "an enum has no such symbol")
    pieces.add_numbers(values_of(places, np.int32).astype(np.int64))


def _encode_decimal(shape: Decimal, column: pa.Array, pieces: Pieces) -> None:
    width = shape.arrow.byte_width // LIMB_BYTES
    table = values_of(column, np.dtype((np.uint64, width)))
    limbs = [np.ascontiguousarray(table[:, place]) for place in range(width)]
    while len(limbs) > 1 and (limbs[-1] == decimals.sign_of(limbs[-2])).all():
        limbs.pop()  # what the limbs below say already
    sign = decimals.sign_of(limbs[-1])
    absolute = decimals.magnitude(limbs, sign)
    wide = decimals.too_wide(absolute, shape.precision)
    pieces.refuse(wide, "a decimal is wider than its precision")
    if shape.size is not None:
        _add_fixed_decimal(limbs, sign, shape.size, pieces)
        return
    sizes = (decimals.bit_lengths(absolute) + 8) >> 3
    if int(sizes.max()) > len(limbs) * LIMB_BYTES:  # 2^63 takes nine bytes
        limbs.append(sign)
    pieces.add((sizes << 1).view(np.uint64), 1, 1)
    for place in reversed(range(len(limbs))):
        part = decimals.limb_sizes(sizes, place).view(np.uint64)
        pieces.add(decimals.big_endian(limbs[place], part), part, int(part.max()))


def _add_fixed_decimal(limbs: list[Words], sign: Words, size: int, pieces: Pieces) -> None:
    bare = [limb ^ sign for limb in limbs]
    beyond = decimals.bit_lengths(bare) >= max(size, 1) * 8
    pieces.refuse(beyond, "a decimal is wider than its fixed size")
    for place in reversed(range(-(-size // LIMB_BYTES))):
        part = min(size - LIMB_BYTES * place, LIMB_BYTES)
        limb = limbs[place] if place < len(limbs) else sign
        pieces.add(decimals.big_endian(limb, part), part, part)


def _encode_list(items: Shape, column: pa.Array, pieces: Pieces) -> None:
    """One block: its count, its items as the one run of bytes that they are, and the end."""
    if column.null_count:
        column = column.take(pa.array(np.arange(len(column))))  # no items below a null
    bounds = values_of(column.offsets, np.int32).astype(np.int64)
    first, last = int(bounds[0]), int(bounds[-1])
    counts = bounds[1:] - bounds[:-1]
    pieces.add_numbers(counts)
    if first < last:
        children = column.values.slice(first, last - first)
        _, ends, data = _item_runs(items, children, pieces.slow).buffers()
        pieces.add_blobs(binary_of(np.frombuffer(ends, np.int32)[bounds - first], data))
    pieces.add(0, (counts > 0).astype(np.uint64), 1)  # a count of 0 is an end already


def _item_runs(items: Shape, children: pa.Array, slow: Fallbacks) -> pa.BinaryArray:
    """Each item's bytes."""
    runs = []
    for first in range(0, len(children), ITEMS_AT_ONCE):
        some = children.slice(first, ITEMS_AT_ONCE)
        pieces = Pieces(len(some), slow)
        encode(items, some, pieces)
        runs.append(pieces.blobs())
    return runs[0] if len(runs) == 1 else pa.concat_arrays(runs)


def encode_fields(shape: Record, columns: Sequence[pa.Array], pieces: Pieces) -> None:
    """Add a record's columns one after the other. Raises UnwritableError with the column's name."""
    for name, field, column in zip(shape.names, shape.fields, columns, strict=True):
        encode_field(name, field, column, pieces)


def encode_field(name: str, shape: Shape, column: pa.Array, pieces: Pieces) -> None:
    """Add one of a record's columns. Raises UnwritableError with its name."""
    try:
        encode(shape, column, pieces)
    except UnwritableError as odd:
        raise UnwritableError(f"column {name!r}: {odd}") from odd


def _encode_record(shape: Record, column: pa.StructArray, pieces: Pieces) -> None:
    encode_fields(shape, [column.field(place) for place in range(len(shape.fields))], pieces)


def _encode_union(shape: Union, column: pa.Array, pieces: Pieces) -> None:
    """Value by value: which branch it is stands in the text."""
    write = writer(shape)
    pieces.slow.note("union", len(column))
    blobs = []
    taking_part = [True] * len(column) if pieces.mask is None else (pieces.mask != 0).tolist()
    for text, is_written in zip(column.to_pylist(), taking_part, strict=True):
        out = bytearray()
        if is_written:
            write(out, text)
        blobs.append(bytes(out))
    pieces.add_blobs(pa.array(blobs, pa.binary()))


Encoder = Callable[[Any, pa.Array, Pieces], None]
ENCODERS: Final[dict[type[Shape], Encoder]] = {
    Null: lambda _shape, _column, _pieces: None,
    Boolean: _encode_boolean,
    Varint: _encode_varint,
    Float: _encode_float,
    Text: _encode_text,
    Bytes: _encode_bytes,
    Fixed: _encode_fixed,
    Enum: _encode_enum,
    Decimal: _encode_decimal,
    Array: lambda shape, column, pieces: _encode_list(shape.items, column, pieces),
    Map: lambda shape, column, pieces: _encode_list(shape.entries, column, pieces),
    Record: _encode_record,
    Optional: _encode_optional,
    Union: _encode_union,
}
