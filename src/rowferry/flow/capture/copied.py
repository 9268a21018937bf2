"""What a COPY hands over as columns, and what a value that they cannot hold means."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from rowferry.errors import Code, Unreadable
from rowferry.flow.capture.xids import Int64s
from rowferry.kernel.copy import TRAILER, without_frame
from rowferry.kernel.copy_blocks import CopyBlocks
from rowferry.kernel.copy_cells import Uncarriable

MOST_NUMBERS = 1 << 20  # that are held at once, 14 bytes each
_ROW, _BEHIND = 14, 6  # of one bigint: field count, length, then the value


class Numbers:
    """The rows of a binary COPY of one bigint that is never null, handed over in parts."""

    def __init__(self, take: Callable[[Int64s], None]) -> None:
        self._take, self._octets, self._is_framed = take, bytearray(), True

    def write(self, chunk: bytes) -> None:
        """Take what copy_expert() hands over: a row, the first behind the header."""
        self._octets += chunk
        if len(self._octets) >= MOST_NUMBERS * _ROW:
            self._hand_over()

    def finish(self) -> None:
        """Hand over the rest, once the COPY is over."""
        del self._octets[-len(TRAILER) :]
        self._hand_over()

    def _hand_over(self) -> None:
        octets, self._octets = bytes(self._octets), bytearray()
        rows = b"".join(without_frame([octets, TRAILER])) if self._is_framed else octets
        self._is_framed = False
        values = np.frombuffer(rows, np.uint8).reshape(-1, _ROW)[:, _BEHIND:].copy()
        self._take(values.view(">i8").reshape(-1).astype(np.int64))


def carried(rows: CopyBlocks, table: str) -> pa.RecordBatch:
    """The columns of a COPY. Raises Unreadable where they cannot hold a value."""
    try:
        return rows.finish()
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
