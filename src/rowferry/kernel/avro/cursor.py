"""A position in each of many messages, which all advance together.

The messages lie end to end in one buffer, with zeros behind the last. A row that cannot be read
is noted with its reason and goes to those zeros, where every shape reads as empty, so that the
other rows' work needs no special case; its row of the result is dropped in the end.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.reasons import Reason
from rowferry.kernel.avro.shapes import Shape
from rowferry.kernel.avro.single_read import Read, reader
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
# By which a block's rounds may fall short of the rows that are worth one: 256 rounds of one row.
# Lists inside of lists would have as many of these as there are innermost ones.
MOST_ROWS_SHORT: Final = 1 << 14


class ShortRounds:
    """By how many rows the rounds of a block may still fall short, before it is one by one."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, rows: int) -> bool:
        """Whether there may be one that is short by so many."""
        self.left = max(self.left - rows, 0)
        return self.left > 0


@dataclass(frozen=True, slots=True)
class Block:
    """The bytes of the messages and then ZEROS; why some cannot be read, a code a message.

    words: the 8 bytes from each position on. grave: where failed rows go. slow: counts the values
    that went through Python one by one, by cause. tally: of the memory that lists and unions take.
    short_rounds: what its lists may have of them.
    """

    data: Bytes
    words: Words
    grave: int
    failures: NDArray[np.uint8]
    slow: Fallbacks
    tally: Tally
    short_rounds: ShortRounds
    _octets: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _readers: dict[int, Read] = field(default_factory=dict)

    @staticmethod
    def of(data: Bytes, messages: int, slow: Fallbacks, tally: Tally) -> "Block":
        """A block of messages; the data ends in ZEROS."""
        words = words_at_each_byte(data)
        grave = len(data) - len(ZEROS) + 1  # no message ends there, so who is there has failed
        failures, rounds = np.zeros(messages, np.uint8), ShortRounds(MOST_ROWS_SHORT)
        return Block(data, words, grave, failures, slow, tally, rounds)

    def octets(self, message: int, start: int, end: int) -> tuple[bytes, int]:
        """A message's bytes for plain Python, from `start` or before, and where `start` is in them.

        One reads on in a message, never back: so each is copied once, in however many parts it is
        asked for.
        """
        found = self._octets.get(message)
        if found is None or start < found[0]:
            found = self._octets[message] = start, self.data[start:end].tobytes()
        return found[1], start - found[0]

    def reader(self, shape: Shape) -> Read:
        """A reader of one value in plain Python, compiled once for the block."""
        if id(shape) not in self._readers:
            self._readers[id(shape)] = reader(shape, self.tally)
        return self._readers[id(shape)]


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
