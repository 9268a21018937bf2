"""Decimals of messages → Arrow decimals."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowferry.kernel.avro import decimals
from rowferry.kernel.avro.cursor import Cursor
from rowferry.kernel.avro.decimals import LIMB_BITS, LIMB_BYTES
from rowferry.kernel.avro.reasons import Reason
from rowferry.kernel.avro.shapes import Decimal
from rowferry.kernel.avro.varints import Numbers, Words


def decode_decimal(shape: Decimal, cursor: Cursor) -> pa.Array:
    """Unscaled numbers of any length up to the type's; longer ones if the rest is sign."""
    width = shape.arrow.byte_width
    starts, sizes = _read_extents(shape, cursor)
    longest = int(sizes.max(initial=0))
    if longest > width:
        _fail_unless_sign(cursor, starts, sizes, width)
        starts = np.where(sizes > width, starts + sizes - width, starts)
        sizes = np.minimum(sizes, width)
        longest = width
    limbs = [_limb(cursor, starts, sizes, 0)]
    for place in range(1, -(-longest // LIMB_BYTES)):
        limb = _limb(cursor, starts, sizes, place)
        is_sign = sizes <= LIMB_BYTES * place
        limbs.append(np.where(is_sign, decimals.sign_of(limbs[-1]), limb))
    sign = decimals.sign_of(limbs[-1])
    wide = decimals.too_wide(decimals.magnitude(limbs, sign), shape.precision)
    if np.count_nonzero(wide):
        cursor.fail(wide, Reason.DECIMAL)
    table = np.empty((len(cursor), width // LIMB_BYTES), np.uint64)
    for place in range(width // LIMB_BYTES):
        table[:, place] = limbs[place] if place < len(limbs) else sign
    return pa.Array.from_buffers(shape.arrow, len(cursor), [None, pa.py_buffer(table)])


def _read_extents(shape: Decimal, cursor: Cursor) -> tuple[Numbers, Numbers]:
    """Where each row's number begins and how long it is; steps over it."""
    if shape.size is None:
        return cursor.read_lengths()
    beyond = cursor.ends - cursor.positions < shape.size
    if np.count_nonzero(beyond):
        cursor.fail(beyond, Reason.TRUNCATED)
    starts = cursor.positions
    sizes = np.where(beyond, 0, shape.size)
    cursor.positions = starts + sizes
    return starts, sizes


def _limb(cursor: Cursor, starts: Numbers, sizes: Numbers, place: int) -> Words:
    """A limb of each number, signed; of no meaning above a number's last byte, but 0 if empty."""
    at = np.maximum(starts + sizes - LIMB_BYTES * (place + 1), starts)
    shift = (LIMB_BYTES - decimals.limb_sizes(sizes, place)) << 3
    words = cursor.block.words[at].byteswap().view(np.int64)
    limb = words >> np.minimum(shift, LIMB_BITS - 1)
    empty = sizes == 0
    return (np.where(empty, 0, limb) if empty.any() else limb).view(np.uint64)


def _fail_unless_sign(cursor: Cursor, starts: Numbers, sizes: Numbers, width: int) -> None:
    """Fail the rows whose number does not fit `width` bytes; one pass for each length met."""
    wide = np.zeros(len(sizes), np.bool_)
    for size in np.unique(sizes[sizes > width]).tolist():
        rows = np.flatnonzero(sizes == size)
        octets = cursor.block.data[starts[rows, None] + np.arange(size - width + 1)]
        wide[rows] = ~_is_sign(octets)
    if np.count_nonzero(wide):
        cursor.fail(wide, Reason.DECIMAL)


def _is_sign(octets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether all but the last byte of each line repeat the last one's highest bit."""
    sign = (octets[:, -1:].view(np.int8) >> 7).view(np.uint8)
    same: NDArray[np.bool_] = (octets[:, :-1] == sign).all(axis=1)
    return same
