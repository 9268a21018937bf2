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

CONTINUED: Final = 0x8080808080808080
GROUPS: Final = 0x7F7F7F7F7F7F7F7F
WORD_BITS: Final = 56  # what 8 groups carry
EXPONENT_BIAS: Final = 1023
EXPONENT_SHIFT: Final = 52


def words_at_each_byte(data: NDArray[np.uint8]) -> Words:
    """The 8 bytes from each place on, as far as there are 8."""
    return np.ndarray((len(data) - 7,), "<u8", data.data, strides=(1,))


def zigzag(numbers: Numbers) -> Words:
    """Signs to the lowest bit: 0, -1, 1, -2 → 0, 1, 2, 3."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def unzigzag(words: Words) -> Numbers:
    """The signed numbers again."""
    numbers: Numbers = ((words >> 1) ^ (0 - (words & 1))).view(np.int64)
    return numbers


def top_bits(words: Words) -> Numbers:
    """The place of the highest bit set, 0 for a word of 0.

    It is the exponent of the word as a float; the bit behind the highest is cleared first, so
    that rounding to 53 bits cannot carry into the next power of two.
    """
    rounded = ((words & ~(words >> 1)) | 1).astype(np.float64)
    places: Numbers = (rounded.view(np.int64) >> EXPONENT_SHIFT) - EXPONENT_BIAS
    return places


def spread(words: Words) -> tuple[Words, Numbers]:
    """Numbers below 2^56 → the varints' bytes and how many of them there are."""
    apart = (words & 0x0FFFFFFF) | ((words & 0x00FFFFFFF0000000) << 4)
    apart = (apart & 0x00003FFF00003FFF) | ((apart & 0x0FFFC0000FFFC000) << 2)
    apart = (apart & 0x007F007F007F007F) | ((apart & 0x3F803F803F803F80) << 1)
    last = top_bits(apart) >> 3
    below = (np.uint64(1) << (last << 3).view(np.uint64)) - 1
    return apart | (below & CONTINUED), last + 1


def compact(words: Words) -> tuple[Words, NDArray[np.uint8]]:
    """Eight bytes that begin with a varint → its number and its length in bytes.

    A length of 9 says that the varint goes on behind the eight bytes; the number then is its
    lowest 56 bits.
    """
    stops = ~words & CONTINUED
    below = (stops & (0 - stops)) - 1  # the bits before the first stop; all if there is none
    sizes = (np.bitwise_count(below) >> 3) + np.uint8(1)
    near = words & below & GROUPS
    near = (near & 0x007F007F007F007F) | ((near & 0x7F007F007F007F00) >> 1)
    near = (near & 0x00003FFF00003FFF) | ((near & 0x3FFF00003FFF0000) >> 2)
    near = (near & 0x000000000FFFFFFF) | ((near & 0x0FFFFFFF00000000) >> 4)
    return near, sizes
