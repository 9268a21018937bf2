"""Pieces of rows and how they are put together: what has one width is laid out as a block.

A row of text is a sequence of pieces. Literals and blocks that follow each other become one
block, so that Arrow's join, which costs by the piece, has few of them.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Block: TypeAlias = npt.NDArray[np.uint8]  # a row of octets a row
Piece: TypeAlias = bytes | Block | pa.Array  # of all rows; of one width; binary without nulls

_WIDEST = 64  # octets that are copied into a block rather than joined


def rows_of(pieces: Sequence[Piece], count: int) -> pa.Array:
    """The pieces joined row by row, as an Arrow binary array without nulls and without offset."""
    if not count:
        return array_of(np.empty((0, 0), np.uint8))
    merged = _merged(pieces, count)
    if all(isinstance(piece, bytes) for piece in merged):
        literal = np.frombuffer(b"".join(merged), np.uint8)
        return array_of(np.broadcast_to(literal, (count, len(literal))))
    if len(merged) == 1 and isinstance(merged[0], pa.Array) and not merged[0].offset:
        return merged[0]
    operands = [
        pa.scalar(piece, pa.binary()) if isinstance(piece, bytes) else piece for piece in merged
    ]
    return pc.binary_join_element_wise(*operands, pa.scalar(b"", pa.binary()))


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
    for piece in pieces:
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
    count = len(piece)
    _, offsets, octets = piece.buffers()
    bounds = np.frombuffer(offsets, np.int32, count + 1, 4 * piece.offset)
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
