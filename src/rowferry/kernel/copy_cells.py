"""Cells: where a column's binary values lie in a buffer, and how they are gathered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]

PADDING = 32  # bytes behind the last value, so that a fixed-width read at any cell stays inside
NULL_LENGTH = -1  # of a value that is NULL
_MOST_ZEROS = 1 << 25
_OF_A_BYTE = 8  # a NULL is four bytes in a COPY, and up to 32 in a column


class Uncarriable(ValueError):
    """Values that are well-formed, and that the column's mapping cannot hold.

    rows: their indexes in the batch, ascending.
    """

    def __init__(self, column: str, rows: Ints, reason: str) -> None:
        super().__init__(f"{len(rows)} values of column {column!r}: {reason}")
        self.column, self.rows, self.reason = column, rows, reason


class TooMuchText(Uncarriable):
    """Values that take far more bytes as columns than they came as; fewer rows may be read."""

    def __init__(self, column: str, rows: Ints) -> None:
        super().__init__(column, rows, "numbers that come to over 32 MB of zeros")


def is_too_much(size: int, came: int) -> bool:
    """Whether columns of so many bytes are far more than what came for them, such as text is.

    PostgreSQL's 1e131071 is ten bytes, a digit and its power; its text is all of its zeros.
    """
    return size > _MOST_ZEROS + _OF_A_BYTE * came


@dataclass(frozen=True, slots=True)
class Cells:
    """One value a row: buffer[starts[i] : starts[i] + lengths[i]], NULL where the length is -1.

    starts ascend, values do not overlap, and PADDING bytes lie behind the last one.
    """

    column: str
    buffer: Octets
    starts: Ints
    lengths: Ints

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size(self) -> int:
        """How many bytes the values are."""
        return int(np.maximum(self.lengths, 0).sum())

    @property
    def valid(self) -> Flags:
        """Which rows are not NULL."""
        return np.not_equal(self.lengths, NULL_LENGTH)

    def part(self, first: int, end: int) -> "Cells":
        """The cells of some rows."""
        return Cells(self.column, self.buffer, self.starts[first:end], self.lengths[first:end])

    def fixed(self, dtype: str, offset: int = 0) -> npt.NDArray[Any]:
        """A big-endian number of each row, at an offset inside the value; noise where NULL."""
        return read_at(self.buffer, dtype, self.starts + offset if offset else self.starts)

    def require(self, well_formed: Flags, what: str) -> None:
        """Raise ValueError where a value that is not NULL is malformed."""
        if well_formed.all():
            return
        bad = np.flatnonzero(~well_formed & self.valid)
        if len(bad):
            raise ValueError(f"column {self.column!r}, row {bad[0]} of the batch: {what}")

    def refuse(self, rows: Flags, reason: str) -> None:
        """Raise Uncarriable where there are rows that are not NULL and cannot be carried."""
        if not rows.any():
            return
        found = np.flatnonzero(rows & self.valid)
        if len(found):
            raise Uncarriable(self.column, found, reason)


def read_at(
    buffer: Octets, dtype: str, positions: Ints, wanted: npt.DTypeLike | None = None
) -> npt.NDArray[Any]:
    """Numbers of a big-endian dtype at any positions, in the machine's byte order, or as wanted.

    Raises IndexError for positions outside of the buffer.
    """
    kind = np.dtype(dtype)
    every = np.ndarray((len(buffer) - kind.itemsize + 1,), kind, buffer, strides=(1,))
    return every[positions].astype(kind.newbyteorder("=") if wanted is None else wanted)


def padded(chunks: Sequence[bytes]) -> Octets:
    """The chunks as one buffer with PADDING behind it."""
    return np.frombuffer(b"".join([*chunks, bytes(PADDING)]), np.uint8)


def validity(valid: Flags) -> pa.Buffer | None:
    """Arrow's bitmap, or None where nothing is NULL."""
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


def fixed_array(arrow_type: pa.DataType, values: npt.NDArray[Any], valid: Flags) -> pa.Array:
    """An Arrow array over NumPy's memory; what lies at NULLs does not matter."""
    buffers = [validity(valid), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(arrow_type, len(valid), buffers)


def text_array(arrow_type: pa.DataType, cells: Cells) -> pa.Array:
    """The values' bytes, gathered.

    Offsets that alternate between starts and ends make every second element of a zero-copy array
    a value and the others the gaps; Arrow's take then copies the values.
    """
    count = len(cells)
    if not count:
        return pa.array([], arrow_type)
    if len(cells.buffer) > np.iinfo(np.int32).max:
        raise ValueError(f"column {cells.column!r}: more than 2 GiB in a batch")
    bounds = np.empty(2 * count, np.int32)
    bounds[0::2] = cells.starts
    bounds[1::2] = cells.starts + np.maximum(cells.lengths, 0)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(cells.buffer)]
    every = pa.Array.from_buffers(pa.binary(), 2 * count - 1, buffers)
    taken = every.take(pa.array(np.arange(0, 2 * count, 2)))
    _, offsets, octets = taken.buffers()
    gathered = [validity(cells.valid), offsets, octets]
    values = pa.Array.from_buffers(arrow_type, count, gathered)
    if arrow_type == pa.utf8():
        _require_utf8(values, cells)
    return values


def _require_utf8(values: pa.Array, cells: Cells) -> None:
    if not _is_utf8(values):
        raise Uncarriable(cells.column, np.array(_not_utf8(values, 0), np.int64), "not UTF-8")


def _not_utf8(values: pa.Array, first: int) -> list[int]:
    """The rows that are not UTF-8, by halving."""
    if _is_utf8(values):
        return []
    if len(values) == 1:
        return [first]
    half = len(values) // 2
    return _not_utf8(values[:half], first) + _not_utf8(values[half:], first + half)


def _is_utf8(values: pa.Array) -> bool:
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
