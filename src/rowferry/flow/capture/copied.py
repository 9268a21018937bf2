"""What a COPY hands over: its rows, as many as may be kept at once, and columns of them."""

import pyarrow as pa

from rowferry.errors import Code, Unreadable
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.copy_cells import Uncarriable

_TRAILER = b"\xff\xff"


class Rows:
    """The rows of a COPY, a chunk each, as many as may be kept at once."""

    def __init__(self, most_bytes: int) -> None:
        self.size = 0
        self.is_cut = False
        self._most = most_bytes
        self._kept: list[bytes] = []

    def append(self, chunk: bytes) -> None:
        """Take a chunk, unless there is enough."""
        if self.size > self._most and chunk != _TRAILER:
            self.is_cut = True
        if not self.is_cut:
            self._kept.append(chunk)
            self.size += len(chunk)

    @property
    def count(self) -> int:
        """How many rows were kept."""
        if len(self._kept) == 1:  # header and trailer, and nothing between them
            return 0 if self._kept[0].endswith(_TRAILER) and not self.is_cut else 1
        return len(self._kept) - (self._kept[-1] == _TRAILER)

    def chunks(self, limit: int) -> list[bytes]:
        """At most limit rows, as a whole COPY."""
        if not self.count:
            return self._kept
        return [*self._kept[: min(limit, self.count)], _TRAILER]


def carried(reader: CopyReader, chunks: list[bytes], table: str) -> pa.RecordBatch:
    """The columns of a COPY. Raises Unreadable where they cannot hold a value."""
    try:
        return reader.read(chunks)
    except Uncarriable as error:
        count = len(error.rows)
        raise Unreadable(
            Code.UNCARRIABLE,
            f"{count} value{'s' if count != 1 else ''} of column {error.column!r} cannot be"
            f" carried: {error.reason}",
            where=table,
            advice="correct the rows, or leave them out with ROWFERRY_FILTER; see ROWFERRY_ARRAYS,"
            " ROWFERRY_NUMERIC_SPECIAL and, for a column of its own form, docs/types.md",
        ) from error
