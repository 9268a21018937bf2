"""Decimals ↔ big-endian two's complement, all rows at once, in 64-bit limbs, lowest first."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rowferry.kernel.avro.varints import SIGN_BIT, Numbers, Words, top_bits

LIMB_BITS: Final = 64
LIMB_BYTES: Final = 8
LIMB_MASK: Final = (1 << LIMB_BITS) - 1
Mask = NDArray[np.bool_]


def sign_of(top: Words) -> Words:
    """All ones for a negative number, 0 for others, from its top limb."""
    sign: Words = (top.view(np.int64) >> SIGN_BIT).view(np.uint64)
    return sign


def magnitude(limbs: Sequence[Words], sign: Words) -> list[Words]:
    """The absolute value's limbs."""
    carry = sign & 1
    result = []
    for limb in limbs:
        added = (limb ^ sign) + carry
        carry = carry & (added == 0)
        result.append(added)
    return result


def bit_lengths(limbs: Sequence[Words]) -> Numbers:
    """How many bits each number has, for limbs without a sign; at least 1."""
    bits = top_bits(limbs[0]) + 1
    for place, limb in enumerate(limbs[1:], 1):
        bits = np.where(limb > 0, top_bits(limb) + (LIMB_BITS * place + 1), bits)
    return bits


def too_wide(limbs: Sequence[Words], precision: int) -> Mask:
    """Which magnitudes have more digits than the precision."""
    limit = 10**precision
    if limit >> (LIMB_BITS * len(limbs)):
        return np.zeros(len(limbs[0]), np.bool_)  # so many limbs cannot hold so many digits
    wide: Mask = limbs[0] >= (limit & LIMB_MASK)
    for place, limb in enumerate(limbs[1:], 1):  # a higher limb overrules
        part = (limit >> (LIMB_BITS * place)) & LIMB_MASK
        wide = (limb > part) | ((limb == part) & wide)
    return wide


def big_endian(limb: Words, sizes: Words | int) -> Words:
    """The lowest `sizes` bytes of a limb as a word whose first byte is the most significant."""
    return (limb << (LIMB_BITS - (sizes << 3))).byteswap()


def limb_sizes(sizes: Numbers, place: int) -> Numbers:
    """How many of a number's bytes lie in the limb at this place."""
    sizes_here: Numbers = np.minimum(np.maximum(sizes - LIMB_BYTES * place, 0), LIMB_BYTES)
    return sizes_here
