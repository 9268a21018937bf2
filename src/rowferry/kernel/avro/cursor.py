"""A position in each of many messages, which all advance together.

The messages lie end to end in one buffer, with zeros behind the last. A row that cannot be read
is noted with its reason and goes to those zeros, where every shape reads as empty, so that the
other rows' work needs no special case; its row of the result is dropped in the end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.reasons import Reason
from rowferry.kernel.avro.varints import (
    WORD_BITS,
    Numbers,
    Words,
    compact,
    unzigzag,
    words_at_each_byte,
)
from rowferry.kernel.avro.weights import Tally

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

REASONS: Final = (None, *Reason)
WORD_BYTES: Final = 8
ONE_BYTE: Final = 0x80
# What parked and failed rows may read: the longest value of a simple shape, twice.
ZEROS: Final = bytes(64)


@dataclass(frozen=True, slots=True)
class Block:
    """The bytes of the messages and then ZEROS; why some cannot be read, a code a message.

    words: the 8 bytes from each position on. grave: where failed rows go. slow: counts the values
    that went through Python one by one, by cause. tally: of the memory that lists and unions take.
    """

    data: Bytes
    words: Words
    grave: int
    failures: NDArray[np.uint8]
    slow: Fallbacks
    tally: Tally

    @staticmethod
    def of(data: Bytes, messages: int, slow: Fallbacks, tally: Tally) -> "Block":
        """A block of messages; the data ends in ZEROS."""
        words = words_at_each_byte(data)
        grave = len(data) - len(ZEROS) + 1  # no message ends there, so who is there has failed
        return Block(data, words, grave, np.zeros(messages, np.uint8), slow, tally)


class Cursor:
    """Positions and ends of `rows`, the messages' places in the block; one a row, ascending."""

    __slots__ = ("block", "ends", "positions", "rows")

    def __init__(self, block: Block, rows: Numbers, positions: Numbers, ends: Numbers) -> None:
        self.block, self.rows, self.positions, self.ends = block, rows, positions, ends

    def __len__(self) -> int:
        return len(self.positions)

    def fail(self, where: Mask, reason: Reason) -> None:
        """Take note of rows that cannot be read; a row's first reason stays."""
        failures, rows = self.block.failures, self.rows[where]
        rows = rows[failures[rows] == 0]
        failures[rows] = REASONS.index(reason)
        self.positions = np.where(where, self.block.grave, self.positions)
        self.ends = np.where(where, self.block.grave, self.ends)

    def advance(self, sizes: Numbers | NDArray[np.uint8] | int) -> None:
        """Step over what was read; rows that were read past their end fail."""
        self.positions = self.positions + sizes
        beyond = self.positions > self.ends
        if np.count_nonzero(beyond):
            self.fail(beyond, Reason.TRUNCATED)

    def alive(self) -> Mask:
        """Which rows have not failed."""
        return self.positions < self.block.grave

    def part(self, where: Mask | Numbers) -> "Cursor":
        """A cursor of some of the rows."""
        return Cursor(self.block, self.rows[where], self.positions[where], self.ends[where])

    def join(self, where: Mask | Numbers, part: "Cursor") -> None:
        """Take over where that part has come to."""
        self.positions, self.ends = self.positions.copy(), self.ends.copy()
        self.positions[where], self.ends[where] = part.positions, part.ends

    def bytes(self) -> Bytes:
        """The byte at each position; the cursor stays."""
        return self.block.data[self.positions]

    def read_words(self) -> Words:
        """The 8 bytes at each position; the cursor stays."""
        return self.block.words[self.positions]

    def read_numbers(self) -> Numbers:
        """A zig-zag varint a row."""
        first = self.bytes()
        if first.max(initial=0) < ONE_BYTE:
            numbers = ((first >> 1) ^ (0 - (first & 1))).view(np.int8).astype(np.int64)
            self.advance(1)
            return numbers
        words, sizes = compact(self.read_words())
        if sizes.max() > WORD_BYTES:
            words, sizes = self._read_far(words, sizes)
        self.advance(sizes)
        return unzigzag(words)

    def _read_far(self, words: Words, sizes: Bytes) -> tuple[Words, Bytes]:
        """The ninth and tenth byte of those varints that have them."""
        far = np.flatnonzero(sizes > WORD_BYTES)
        ninth = self.block.data[self.positions[far] + WORD_BYTES]
        goes_on = ninth >= ONE_BYTE
        tenth = np.where(goes_on, self.block.data[self.positions[far] + WORD_BYTES + 1], 0)
        words[far] |= (ninth & np.uint64(0x7F)) << np.uint64(WORD_BITS)
        words[far] |= tenth.astype(np.uint64) << np.uint64(WORD_BITS + 7)
        sizes[far] += goes_on
        if np.count_nonzero(tenth > 1):
            too_long = np.zeros(len(self), np.bool_)
            too_long[far] = tenth > 1
            self.fail(too_long, Reason.VARINT)
            sizes = np.where(too_long, 0, sizes)
        return words, sizes

    def read_lengths(self) -> tuple[Numbers, Numbers]:
        """A length a row, and where the bytes begin; steps over them."""
        lengths = self.read_numbers()
        beyond = lengths.view(np.uint64) > (self.ends - self.positions).view(np.uint64)
        if np.count_nonzero(beyond):
            self.fail(beyond, Reason.LENGTH)
            lengths = np.where(beyond, 0, lengths)
        starts = self.positions
        self.positions = starts + lengths
        return starts, lengths
