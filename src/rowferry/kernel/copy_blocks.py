"""A COPY's rows → columns while they come: only a block of them is held as bytes.

A block stays in the processor's cache, and the next one finds its memory free again: a whole slice
of rows takes its pages from the system and gives them back, which costs 0.1 µs a row.
"""

from collections.abc import Callable, Sequence

import pyarrow as pa

from rowferry.kernel.copy import TRAILER, CopyReader, without_frame
from rowferry.kernel.copy_cells import TooMuchText

BLOCK_BYTES = 1 << 20
EMPTY_BYTES = 21  # of a COPY without rows, which comes as one chunk


class CopyBlocks:
    """The rows of one COPY, as many as are wanted: `limit`, and until they are enough bytes.

    is_complete: whether no row came beyond them. size: about how many bytes they are, as they came
    or as columns, whichever is more.
    """

    def __init__(self, reader: CopyReader, limit: int, most_bytes: int) -> None:
        self.size = 0
        self.is_complete = True
        self._reader, self._left, self._most_bytes = reader, limit, most_bytes
        self._pending: list[bytes] = []
        self._batches: list[pa.RecordBatch] = []
        self._failure: ValueError | None = None
        self._is_framed = True  # by the header, until the first block is read

    def writer(self) -> Callable[[bytes], None]:
        """What takes the chunks as copy_expert() hands them over: a row each.

        It never raises: that would leave the connection in the midst of the COPY. It is a closure,
        because it is called for each row, and attributes cost a third more.
        """
        pending, keep = self._pending, self._pending.append
        taken, full = 0, max(EMPTY_BYTES, min(BLOCK_BYTES, self._most_bytes))

        def write(chunk: bytes) -> None:
            nonlocal taken, full
            keep(chunk)
            taken += len(chunk)
            if taken > full and chunk != TRAILER:
                rows = without_frame([*pending, TRAILER]) if self._is_framed else [*pending]
                self._is_framed = False
                pending.clear()
                self._read(rows, taken)
                taken, full = 0, min(BLOCK_BYTES, self._most_bytes - self.size)

        return write

    def finish(self) -> pa.RecordBatch:
        """All rows, once the COPY is over.

        Raises what CopyReader does; an Uncarriable tells of one block.
        """
        rows = self._pending
        if self._is_framed:
            rows = without_frame(rows)
        elif not rows or rows.pop() != TRAILER:
            raise ValueError("an incomplete binary COPY: no trailer")
        self._read(rows, sum(map(len, rows)))
        if self._failure is not None:
            raise self._failure
        batches = self._batches or [self._reader.read_rows([])]
        return batches[0] if len(batches) == 1 else pa.concat_batches(batches)

    def _read(self, rows: Sequence[bytes], size: int) -> None:
        """Read a block, as far as it is wanted."""
        wanted = rows[: self._left]
        if len(wanted) < len(rows):
            self.is_complete = False
        if not wanted:
            return
        try:
            batch = self._reader.read_rows(wanted)
        except TooMuchText as error:
            self._read_halves(wanted, error)
        except ValueError as error:
            self._failure, self._left = error, 0
        else:
            self._batches.append(batch)
            self.size += max(size, batch.nbytes)
            self._left = self._left - len(wanted) if self.size <= self._most_bytes else 0

    def _read_halves(self, rows: Sequence[bytes], error: TooMuchText) -> None:
        if len(rows) == 1:
            self._failure, self._left = error, 0
            return
        half = len(rows) // 2
        for part in (rows[:half], rows[half:]):
            self._read(part, sum(map(len, part)))
