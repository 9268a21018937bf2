"""Zig-zag varints, all rows at once, eight bytes in a 64-bit word.

A varint's groups of 7 bits lie in bytes of their own; three shifts bring 8 of them together or
apart (the halves of each pair of fields move toward or from each other), so that no loop over
bytes is needed. Words are little-endian: the first byte of the message is the lowest.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# uint64 and int64: NumPy's stubs lose the width where a Python int takes part.
Words = NDArray[Any]
Numbers = NDArray[Any]

WORD_BITS: Final = 56  # what 8 groups carry
EXPONENT_BIAS: Final = 1023


def constant(number: int) -> Words:
    """A word to reckon with; NumPy is twice as quick with it as with a Python int."""
    return np.array(number, np.uint64)


def signed_constant(number: int) -> Numbers:
    """The same for numbers with a sign."""
    return np.array(number, np.int64)


CONTINUED: Final = constant(0x8080808080808080)
GROUPS: Final = constant(0x7F7F7F7F7F7F7F7F)
ONE: Final = constant(1)
SIGN_BIT, EXPONENT_BIT, ONE_SIGNED = (signed_constant(number) for number in (63, 52, 1))
# Where the fields lie that each shift brings together, and by how much.
EVEN_GROUPS, ODD_GROUPS = constant(0x007F007F007F007F), constant(0x7F007F007F007F00)
EVEN_PAIRS, ODD_PAIRS = constant(0x00003FFF00003FFF), constant(0x3FFF00003FFF0000)
LOW_FOUR, HIGH_FOUR = constant(0x000000000FFFFFFF), constant(0x0FFFFFFF00000000)
TWO, THREE, FOUR = constant(2), constant(3), constant(4)


def words_at_each_byte(data: NDArray[np.uint8]) -> Words:
    """The 8 bytes from each place on, as far as there are 8."""
    return np.ndarray((len(data) - 7,), "<u8", data.data, strides=(1,))


def zigzag(numbers: Numbers) -> Words:
    """Signs to the lowest bit: 0, -1, 1, -2 → 0, 1, 2, 3."""
    return ((numbers << ONE_SIGNED) ^ (numbers >> SIGN_BIT)).view(np.uint64)


def unzigzag(words: Words) -> Numbers:
    """The signed numbers again."""
    numbers: Numbers = ((words >> ONE) ^ np.negative(words & ONE)).view(np.int64)
    return numbers


def top_bits(words: Words) -> Numbers:
    """The place of the highest bit set, 0 for a word of 0.

    It is the exponent of the word as a float; the bit behind the highest is cleared first, so
    that rounding to 53 bits cannot carry into the next power of two.
    """
    rounded = ((words & ~(words >> ONE)) | ONE).astype(np.float64)
    places: Numbers = (rounded.view(np.int64) >> EXPONENT_BIT) - EXPONENT_BIAS
    return places


def spread(words: Words) -> tuple[Words, Words]:
    """Numbers below 2^56 → the varints' bytes and how many of them there are."""
    apart: Words = (words & LOW_FOUR) | ((words << FOUR) & HIGH_FOUR)
    apart = (apart & EVEN_PAIRS) | ((apart << TWO) & ODD_PAIRS)
    apart = (apart & EVEN_GROUPS) | ((apart << ONE) & ODD_GROUPS)
    last = top_bits(apart).view(np.uint64) >> THREE
    below = (ONE << (last << THREE)) - ONE
    return apart | (below & CONTINUED), last + ONE


def compact(words: Words) -> tuple[Words, Numbers]:
    """Eight bytes that begin with a varint → its number and its length in bytes.

    A length of 9 says that the varint goes on behind the eight bytes; the number then is its
    lowest 56 bits.
    """
    stops = ~words & CONTINUED
    below: Words = (stops & np.negative(stops)) - ONE  # the bits before the first stop, or all
    sizes: Numbers = (np.bitwise_count(below) >> 3) + np.uint8(1)  # as bytes
    near: Words = words & below & GROUPS
    near = (near & EVEN_GROUPS) | ((near & ODD_GROUPS) >> ONE)
    near = (near & EVEN_PAIRS) | ((near & ODD_PAIRS) >> TWO)
    near = (near & LOW_FOUR) | ((near & HIGH_FOUR) >> FOUR)
    return near, sizes
