"""Pieces of rows and how they are put together: what has one width is laid out as a block.

A row of text is a sequence of pieces. Literals and blocks that follow each other become one
block, so that Arrow's join, which costs by the piece, has few of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Block: TypeAlias = npt.NDArray[np.uint8]  # a row of octets a row
Piece: TypeAlias = bytes | Block | pa.Array  # of all rows; of one width; binary without nulls

_WIDEST = 64  # octets that are copied into a block rather than joined


@dataclass(frozen=True, slots=True)
class Unjoined:
    """Rows of text, joined where they are taken: one call in C, without Python's lock.

    bounds: where each row begins, and the end; int64.
    """

    pieces: tuple[bytes | pa.Array, ...]
    bounds: npt.NDArray[np.int64]

    @property
    def whole(self) -> memoryview:
        """The bytes of all rows; in any thread."""
        return self.between(0, len(self.bounds) - 1)

    def between(self, first: int, last: int) -> memoryview:
        """The bytes of the rows first <= index < last; in any thread."""
        some = [p if isinstance(p, bytes) else p[first:last] for p in self.pieces]
        _, offsets, octets = _joined(some, last - first).buffers()
        ends = np.frombuffer(offsets, np.int32, last - first + 1)
        return memoryview(octets or b"").cast("B")[ends[0] : ends[-1]]


def joined_already(array: pa.Array) -> Unjoined:
    """Whole rows, which are a binary array without nulls."""
    return Unjoined((array,), _bounds_of(array).astype(np.int64) - _bounds_of(array)[0])


def unjoined(pieces: Sequence[Piece], count: int) -> Unjoined:
    """The pieces of rows, as few as can be."""
    merged = _merged(pieces, count)
    lengths = np.full(count, sum(len(p) for p in merged if isinstance(p, bytes)), np.int64)
    for piece in merged:
        if isinstance(piece, pa.Array):
            lengths += np.diff(_bounds_of(piece))
    bounds = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return Unjoined(tuple(merged), bounds)


def rows_of(pieces: Sequence[Piece], count: int) -> pa.Array:
    """The pieces joined row by row, as an Arrow binary array without nulls and without offset."""
    return _joined(_merged(pieces, count), count)


def _joined(merged: Sequence[bytes | pa.Array], count: int) -> pa.Array:
    if not count:
        return array_of(np.empty((0, 0), np.uint8))
    if all(isinstance(piece, bytes) for piece in merged):
        literal = np.frombuffer(b"".join(merged), np.uint8)
        return array_of(np.broadcast_to(literal, (count, len(literal))))
    if len(merged) == 1 and isinstance(merged[0], pa.Array) and not merged[0].offset:
        return merged[0]
    operands = [
        pa.scalar(piece, pa.binary()) if isinstance(piece, bytes) else piece for piece in merged
    ]
    return pc.binary_join_element_wise(*operands, pa.scalar(b"", pa.binary()))


def _bounds_of(array: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, 4 * array.offset)


def array_of(block: Block) -> pa.Array:
    """A block as an Arrow binary array, without a copy where it is contiguous."""
    count, width = block.shape
    bounds = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(np.ascontiguousarray(block))]
    return pa.Array.from_buffers(pa.binary(), count, buffers)


def either(where: pa.Array, yes: Piece, no: Piece, count: int) -> pa.Array:
    """One piece or the other, by row."""
    first, second = (
        pa.scalar(piece, pa.binary()) if isinstance(piece, bytes) else rows_of([piece], count)
        for piece in (yes, no)
    )
    return pc.if_else(where, first, second)


def _merged(pieces: Sequence[Piece], count: int) -> list[bytes | pa.Array]:
    merged: list[bytes | pa.Array] = []
    run: list[bytes | Block] = []
    for piece in pieces if count else ():
        narrow = _block_of(piece) if isinstance(piece, pa.Array) else piece
        if isinstance(narrow, pa.Array):
            merged.extend(_laid_out(run, count))
            merged.append(narrow)
            run = []
        else:
            run.append(narrow)
    merged.extend(_laid_out(run, count))
    return merged


def _laid_out(run: Sequence[bytes | Block], count: int) -> list[bytes | pa.Array]:
    """Literals and blocks side by side: a literal, a block, or nothing."""
    literals = [part for part in run if isinstance(part, bytes)]
    if len(literals) == len(run):
        return [b"".join(literals)] if any(literals) else []
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in run]
    row = b"".join(
        part if isinstance(part, bytes) else bytes(width)
        for part, width in zip(run, widths, strict=True)
    )
    block = np.frombuffer(bytearray(row) * count, np.uint8).reshape(count, len(row))
    start = 0
    for part, width in zip(run, widths, strict=True):
        if width and not isinstance(part, bytes):
            cells_of(block[:, start : start + width])[:] = cells_of(part)
        start += width
    return [array_of(block)]


def cells_of(block: Block) -> npt.NDArray[np.void]:
    """A block's rows as single items, which NumPy copies and looks up faster than rows."""
    return block.view(f"V{block.shape[1]}")[:, 0]


def _block_of(piece: pa.Array) -> pa.Array | Block:
    """The array as a block if all its values have the same, small width."""
    count, bounds, octets = len(piece), _bounds_of(piece), piece.buffers()[2]
    width = int(bounds[1] - bounds[0])
    if (
        width > _WIDEST
        or bounds[-1] - bounds[0] != width * count
        or (np.diff(bounds) != width).any()
    ):
        return piece
    if octets is None or not width:
        return np.empty((count, 0), np.uint8)
    return np.frombuffer(octets, np.uint8, width * count, int(bounds[0])).reshape(count, width)
