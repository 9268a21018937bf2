"""Messages under construction: each row is a sequence of pieces, laid end to end by Arrow.

A piece is an entry of an Arrow view array: 16 bytes that hold a length and either up to 12 bytes
in place or a reference into a buffer. NumPy fills the entries at a fixed stride, Arrow's cast of
views to plain binary then copies all pieces of all rows one behind the other, so that no row's
start has to be computed and strings are copied once, from where they lie.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.reasons import UnwritableError
from rowferry.kernel.avro.varints import (
    CONTINUED,
    ONE,
    WORD_BITS,
    Numbers,
    Words,
    constant,
    spread,
    zigzag,
)

WORD_BYTES: Final = 8
INLINE_BYTES: Final = 12
ONE_BYTE: Final = 0x80

HALF_WORD: Final = constant(32)
LENGTH: Final = constant(0xFFFFFFFF)
AS_VIEWS: Final = pc.CastOptions(pa.binary_view())  # made once: Array.cast() makes them each time
AS_BINARY: Final = pc.CastOptions(pa.binary())


class Pieces:
    """The pieces of `rows` rows, in wire order.

    Short ones are merged as long as their longest sum fits a word. mask: all ones for the rows
    that take part, 0 for those that stay empty; None if all take part. slow: counts the values
    that went through Python one by one, by cause.
    """

    def __init__(self, rows: int, slow: Fallbacks) -> None:
        self.rows, self.slow = rows, slow
        self.mask: Words | None = None
        self._lows: list[Words | int] = []
        self._highs: list[Words | int] = []
        self._buffers: list[pa.Buffer] = []
        self._word: Words | int = 0
        self._sizes: Words | int = 0
        self._longest = 0

    def refuse(self, bad: NDArray[np.bool_], what: str) -> None:
        """Raise UnwritableError if any of these rows takes part."""
        if np.count_nonzero(bad) and (self.mask is None or (self.mask & bad).any()):
            raise UnwritableError(what)

    def add(self, word: Words | int, sizes: Words | int, longest: int) -> None:
        """Up to 8 bytes a row: the first `sizes` of the word, lowest first, the rest of it zero."""
        if self._longest + longest > WORD_BYTES:
            self._flush()
        if self.mask is not None:
            word, sizes = word & self.mask, sizes & self.mask
        if self._longest:
            self._word = self._word | (word << (self._sizes << 3))
            self._sizes = self._sizes + sizes
        else:
            self._word, self._sizes = word, sizes
        self._longest += longest

    def add_lengths(self, bounds: NDArray[np.int32]) -> None:
        """The lengths between ascending bounds, as varints."""
        lengths = bounds[1:] - bounds[:-1]
        if lengths.max(initial=0) < ONE_BYTE // 2:
            self.add(lengths.astype(np.uint64) << ONE, 1, 1)
        else:
            self.add_numbers(lengths.astype(np.int64))

    def add_numbers(self, numbers: Numbers) -> None:
        """A zig-zag varint a row."""
        words = zigzag(numbers)
        top = int(words.max(initial=0))
        if top < ONE_BYTE:
            self.add(words, 1, 1)
            return
        near, sizes = spread(words)
        if top < 1 << WORD_BITS:
            self.add(near, sizes, (top.bit_length() + 6) // 7)
            return
        self._add_long(words, near, sizes)

    def _add_long(self, words: Words, near: Words, sizes: Words) -> None:
        """Varints of which some have 9 or 10 bytes."""
        far = words >> np.uint64(WORD_BITS)
        is_far = far > 0
        self.add(np.where(is_far, near | CONTINUED, near), np.where(is_far, 8, sizes), 8)
        last = far >> np.uint64(7)
        far_word = far | (last << np.uint64(8))  # bit 7 of far is the 9th byte's continuation
        self.add(far_word, is_far + last, 2)

    def add_blobs(self, blobs: pa.Array) -> None:
        """The bytes of a binary array; its nulls must be masked, or empty."""
        self._flush()
        views = pc.call_function("cast", [blobs], AS_VIEWS)
        _, entries, *buffers = views.buffers()
        table = np.frombuffer(entries, np.uint64).reshape(-1, 2)[views.offset :][: self.rows]
        lows, highs = table[:, 0], table[:, 1]
        base = len(self._buffers)
        if base and buffers:
            outside = (lows & LENGTH) > INLINE_BYTES
            highs = highs + outside * np.uint64(base)
        self._buffers += buffers
        if self.mask is not None:
            lows = lows & self.mask
        self._lows.append(lows)
        self._highs.append(highs)

    def blobs(self) -> pa.BinaryArray:
        """Each row's bytes."""
        self._flush()
        width = len(self._lows)
        if width == 0:
            return pa.array([b""] * self.rows, pa.binary())
        table = np.empty((self.rows, width, 2), np.uint64)
        for place, (low, high) in enumerate(zip(self._lows, self._highs, strict=True)):
            table[:, place, 0] = low
            table[:, place, 1] = high
        buffers = [None, pa.py_buffer(table), *self._buffers]
        views = pa.Array.from_buffers(pa.binary_view(), self.rows * width, buffers)
        _, bounds, data = pc.call_function("cast", [views], AS_BINARY).buffers()
        starts = np.frombuffer(bounds, np.int32)[: self.rows * width + 1 : width]
        return binary_of(np.ascontiguousarray(starts), data)

    def _flush(self) -> None:
        """Close the piece that short ones were merged into."""
        if self._longest == 0:
            return
        word, sizes = self._word, self._sizes
        if isinstance(word, int):
            self._lows.append(sizes | (word & 0xFFFFFFFF) << 32)
            self._highs.append(word >> 32)
        else:
            self._lows.append((word << HALF_WORD) | sizes)
            self._highs.append(word >> HALF_WORD)
        self._word, self._sizes, self._longest = 0, 0, 0


def binary_of(bounds: NDArray[np.int32], data: pa.Buffer | None) -> pa.BinaryArray:
    """A binary array from its offsets and bytes, without nulls."""
    buffers = [None, pa.py_buffer(bounds), data or pa.py_buffer(b"")]
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, buffers)
