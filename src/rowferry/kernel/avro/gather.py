"""Scattered bytes → Arrow columns."""

from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowferry.kernel.avro.cursor import Bytes, Cursor, Mask
from rowferry.kernel.avro.reasons import Reason
from rowferry.kernel.avro.varints import CONTINUED, Numbers

WITHIN_BOUNDS: Final = pc.TakeOptions(boundscheck=False)


def gather(data: Bytes, starts: Numbers, lengths: Numbers) -> pa.BinaryArray:
    """Copy data[start:start + length] for all rows, end to end.

    The buffer is seen as a binary array of which every second entry is wanted, and Arrow's take
    copies those. (The entries between have no meaning, where rows do not ascend not even a
    length of 0 or more; take does not look at them.)
    """
    rows = len(starts)
    bounds = np.empty(2 * rows + 1, np.int32)
    bounds[0:-1:2] = starts
    bounds[1::2] = starts + lengths
    bounds[-1] = len(data)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    cut = pa.Array.from_buffers(pa.binary(), 2 * rows, buffers)
    return pc.call_function("take", [cut, _every_second(rows)], WITHIN_BOUNDS)


@lru_cache(maxsize=8)
def _every_second(rows: int) -> pa.Int32Array:
    return pa.array(np.arange(0, 2 * rows, 2, dtype=np.int32))


def gather_texts(cursor: Cursor, starts: Numbers, lengths: Numbers) -> pa.StringArray:
    """The same as text; rows that are not UTF-8 fail."""
    blobs = gather(cursor.block.data, starts, lengths)
    if not _is_ascii(blobs):
        try:
            blobs.cast(pa.utf8())
        except pa.ArrowInvalid:
            odd = np.array([not _is_utf8(blob) for blob in blobs.to_pylist()], np.bool_)
            cursor.fail(odd, Reason.UTF8)
            blobs = gather(cursor.block.data, starts, np.where(odd, 0, lengths))
    return blobs.view(pa.utf8())


def _is_ascii(blobs: pa.BinaryArray) -> bool:
    """Whether no byte of a freshly gathered array has its high bit set."""
    data = blobs.buffers()[2]
    if data is None:
        return True
    octets = np.frombuffer(data, np.uint8)
    whole = len(octets) // 8 * 8
    words = octets[:whole].view(np.uint64)
    tail: int = int(octets[whole:].max(initial=0))
    return tail < 0x80 and np.count_nonzero(words & CONTINUED) == 0  # noqa: PLR2004 - the high bit


def _is_utf8(blob: bytes) -> bool:
    try:
        blob.decode()
    except UnicodeDecodeError:
        return False
    return True


def mask_buffer(mask: Mask) -> pa.Buffer:
    """An Arrow bitmap."""
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def with_nulls(column: pa.Array, present: Mask) -> pa.Array:
    """The column's values where present, in order; null elsewhere."""
    places = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return column.take(pa.array(places, mask=~present))
