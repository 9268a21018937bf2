"""COPY … TO STDOUT (FORMAT binary) → columns; few rows go another way, see copy_few.

The format is PostgreSQL's "Binary Format" of COPY: a signature, flags and a header extension;
rows of a field count and length-prefixed fields; a field count of -1 as trailer.
"""

import struct
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa

from rowferry.kernel.copy_cells import (
    NULL_LENGTH,
    Cells,
    Ints,
    Octets,
    TooMuchText,
    is_too_much,
    padded,
    read_at,
)
from rowferry.kernel.copy_few import FewReader
from rowferry.kernel.copy_fields import read_cells
from rowferry.types import Wire

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_FIXED_HEADER = len(_SIGNATURE) + 8  # flags, length of the extension
_CRITICAL_FLAGS = 0xFFFF_0000
TRAILER = b"\xff\xff"  # a chunk of its own, but of no row at all


class CopyReader:
    """Turns what COPY sends into record batches of the wires' columns."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._wires = tuple(wires)
        self._few = FewReader(self._wires)

    def read(
        self, chunks: Sequence[bytes], *, only: Collection[str] | None = None
    ) -> pa.RecordBatch:
        """One batch of a whole COPY's output, less than 2 GiB of it.

        chunks: as copy_expert() hands them to write(), a row each; cut elsewhere, they cost more.
        only: the columns to read, as where the key of an uncarriable row is to be named.
        Raises ValueError where the bytes are not a complete COPY of these columns, Uncarriable
        where the mapping cannot hold values; its rows count from the first row. TooMuchText is one
        that may be for their number only.
        """
        return self.read_rows(without_frame(chunks), only=only)

    def read_rows(
        self, rows: Sequence[bytes], *, only: Collection[str] | None = None
    ) -> pa.RecordBatch:
        """As read(), of rows without the frame around them."""
        few = self._few.read(rows) if only is None else None
        return self._by_columns(rows, only) if few is None else few

    def _by_columns(self, rows: Sequence[bytes], only: Collection[str] | None) -> pa.RecordBatch:
        buffer = padded(rows)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        try:
            cells = self._cells(buffer, bounds)
        except _NotARowEach:
            cells = self._cells(buffer, np.fromiter(_scan(buffer, int(bounds[-1])), np.int64))
        count = len(cells[0]) if cells else len(rows)
        columns, size = [], 0
        for wire, own in zip(self._wires, cells, strict=True):
            if only is None or wire.name in only:
                column = read_cells(wire, own)
                columns.append((wire, column))
                size += column.nbytes
            if count > 1 and is_too_much(size, len(buffer)):
                raise TooMuchText(wire.name, np.arange(count))
        return _batch(columns, count)

    def _cells(self, buffer: Octets, bounds: Ints) -> list[Cells]:
        """One position a row, moved on field by field.

        It never goes back, so that one which leaves its row does not end where the row does.
        """
        starts, ends = bounds[:-1], bounds[1:]
        if ((ends - starts < 2) | (read_at(buffer, ">i2", starts) != len(self._wires))).any():  # noqa: PLR2004
            raise _NotARowEach
        cells, position = [], starts + 2
        for wire in self._wires:
            try:
                lengths = read_at(buffer, ">i4", position, np.int64)
            except IndexError:
                raise _NotARowEach from None
            start, least = position + 4, lengths.min(initial=0)
            if least < NULL_LENGTH:
                raise _NotARowEach
            position = start + (lengths if least == 0 else np.maximum(lengths, 0))
            cells.append(Cells(wire.name, buffer, start, lengths))
        if (position != ends).any():
            raise _NotARowEach
        return cells


def _batch(columns: Sequence[tuple[Wire, pa.Array]], count: int) -> pa.RecordBatch:
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))
    return pa.RecordBatch.from_arrays(
        [array for _, array in columns], names=[wire.name for wire, _ in columns]
    )


class _NotARowEach(ValueError):
    """The bounds are not those of whole rows."""

    def __str__(self) -> str:
        return "not the rows of a binary COPY of these columns"


def without_frame(chunks: Sequence[bytes]) -> list[bytes]:
    """The chunks between the header, which shares a chunk with the first row, and the trailer."""
    rows = list(chunks)
    while len(rows) > 1 and len(rows[0]) < _FIXED_HEADER:
        rows[:2] = [rows[0] + rows[1]]
    if not rows or not rows[0].startswith(_SIGNATURE) or len(rows[0]) < _FIXED_HEADER:
        raise ValueError("not a binary COPY: no signature")
    flags, extension = struct.unpack_from(">Ii", rows[0], len(_SIGNATURE))
    if flags & _CRITICAL_FLAGS or extension < 0:
        raise ValueError(f"a binary COPY with flags {flags:#x}, which nobody has defined")
    if extension > len(rows[0]) - _FIXED_HEADER:
        raise ValueError("a binary COPY with a header extension, cut into several chunks")
    rows[0] = rows[0][_FIXED_HEADER + extension :]
    while len(rows) > 1 and len(rows[-1]) < len(TRAILER):
        rows[-2:] = [rows[-2] + rows[-1]]
    if not rows[-1].endswith(TRAILER):
        raise ValueError("an incomplete binary COPY: no trailer")
    rows[-1] = rows[-1][: -len(TRAILER)]
    return rows[not rows[0] : len(rows) - (not rows[-1])]


def _scan(buffer: Octets, end: int) -> Iterator[int]:
    """The bounds of rows that are cut into chunks elsewhere: field by field, the slow way."""
    octets, position = buffer.tobytes(), 0
    while position < end:
        yield position
        (count,) = struct.unpack_from(">h", octets, position)
        position += 2
        for _ in range(max(count, 0)):
            (length,) = struct.unpack_from(">i", octets, position)
            position += 4 + max(length, 0)
            if position > end:
                raise _NotARowEach
    yield position
