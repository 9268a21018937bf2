"""The reader of PostgreSQL's binary numeric: base-10000 digits → Arrow decimals.

The layout is numeric_send()'s: ndigits, weight, sign, dscale, then the digits, each int16; the
value is the sum of digit[i] * 10000 ** (weight - i).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowferry.kernel.copy_cells import Cells, Ints, fixed_array, read_at
from rowferry.types import Wire

_HEADER = 8
_NEGATIVE = 0x4000
_NAN, _INFINITY, _MINUS_INFINITY = 0xC000, 0xD000, 0xF000
_BASE, _BASE_DIGITS = 10_000, 4
_INT64_DIGITS = 18
_LIMB_BITS, _LIMB_MASK = np.uint64(32), np.uint64(0xFFFF_FFFF)

Step = tuple[int, Ints]  # a multiplier for what is there, and what is then added


def read_numeric(wire: Wire, cells: Cells) -> pa.Array:
    """Exact decimals; NaN, ±Infinity and values beyond precision or scale are refused."""
    counts = np.where(cells.valid, cells.fixed(">i2"), 0).astype(np.int64)
    cells.require(cells.lengths == _HEADER + 2 * counts, "not a numeric")
    sign = cells.fixed(">u2", 4)
    special = (sign == _NAN) | (sign == _INFINITY) | (sign == _MINUS_INFINITY)
    negative = (sign == _NEGATIVE) & cells.valid
    cells.require(special | negative | (sign == 0), "not the sign of a numeric")
    cells.refuse(special, "NaN or Infinity in a decimal")
    steps = _steps(cells, counts, wire.arrow_type.precision, wire.arrow_type.scale)
    if wire.arrow_type.precision <= _INT64_DIGITS:
        unscaled: npt.NDArray[Any] = _narrow(steps, negative)
    else:
        unscaled = _wide(steps, negative, wire.arrow_type.byte_width // 4)
    return fixed_array(wire.arrow_type, unscaled, cells.valid)


def _steps(cells: Cells, counts: Ints, precision: int, scale: int) -> Iterator[Step]:
    """The unscaled values by Horner's rule, from the greatest power of 10000 to the least."""
    top = (precision - scale - 1) // _BASE_DIGITS
    bottom = -((scale + _BASE_DIGITS - 1) // _BASE_DIGITS)
    weights = np.where(counts > 0, cells.fixed(">i2", 2), bottom - 1).astype(np.int64)
    cells.refuse(weights > top, "too large for the column's precision")
    cells.refuse((counts > 0) & (weights - counts + 1 < bottom), "more decimals than the scale")
    greatest = int(weights.max(initial=bottom - 1))
    for power in range(greatest, bottom - 1, -1):
        digits = _digits_at(cells, weights - power, counts)
        if power == top:
            most = 10 ** (precision - scale - _BASE_DIGITS * top)
            cells.refuse(digits >= most, "too large for the column's precision")
        if power == bottom and scale % _BASE_DIGITS:
            kept = 10 ** (scale % _BASE_DIGITS)
            cells.refuse(digits % (_BASE // kept) != 0, "more decimals than the scale")
            yield kept, digits // (_BASE // kept)
        else:
            yield _BASE, digits


def _digits_at(cells: Cells, index: Ints, counts: Ints) -> Ints:
    """Each row's digit of this index, 0 where it has none."""
    inside = (index >= 0) & (index < counts)
    if inside.all():
        digits = read_at(cells.buffer, ">i2", cells.starts + (_HEADER + 2 * index)).astype(np.int64)
    else:
        digits = np.zeros(len(index), np.int64)
        positions = cells.starts[inside] + (_HEADER + 2 * index[inside])
        digits[inside] = read_at(cells.buffer, ">i2", positions)
    cells.require((digits >= 0) & (digits < _BASE), "not a digit of a numeric")
    return digits


def _narrow(steps: Iterator[Step], negative: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """128-bit integers of up to 18 digits, as (low, high) words."""
    total = np.zeros(len(negative), np.int64)
    for multiplier, digits in steps:
        total = total * multiplier + digits
    words = np.empty((len(negative), 2), np.int64)
    words[:, 0] = np.where(negative, -total, total)
    words[:, 1] = words[:, 0] >> 63
    return words


def _wide(
    steps: Iterator[Step], negative: npt.NDArray[np.bool_], count: int
) -> npt.NDArray[np.uint32]:
    """Two's complement integers of `count` limbs of 32 bits, least first."""
    limbs = [np.zeros(len(negative), np.uint64) for _ in range(count)]
    for multiplier, digits in steps:
        _multiply_add(limbs, np.uint64(multiplier), digits.astype(np.uint64))
    words = np.empty((len(negative), count), np.uint32)
    carry: npt.NDArray[Any] = negative.astype(np.uint64)  # -x is ~x + 1
    for place, limb in enumerate(limbs):
        flipped = np.where(negative, limb ^ _LIMB_MASK, limb) + carry
        words[:, place] = flipped & _LIMB_MASK
        carry = flipped >> _LIMB_BITS
    return words


def _multiply_add(
    limbs: list[npt.NDArray[np.uint64]], multiplier: np.uint64, addend: npt.NDArray[np.uint64]
) -> None:
    carry = addend
    for place, limb in enumerate(limbs):
        product = limb * multiplier + carry
        limbs[place] = product & _LIMB_MASK
        carry = product >> _LIMB_BITS
