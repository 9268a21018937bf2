"""The reader of PostgreSQL's binary numeric: base-10000 digits → Arrow decimals.

The layout is numeric_send()'s: ndigits, weight, sign, dscale, then the digits, each int16; the
value is the sum of digit[i] * 10000 ** (weight - i).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowferry.kernel.copy_cells import NULL_LENGTH, Cells, Flags, Ints, fixed_array, read_at
from rowferry.types import Wire

_HEADER = 8
_NEGATIVE = 0x4000
NAN, INFINITY, MINUS_INFINITY = 0xC000, 0xD000, 0xF000  # signs of values without digits
BASE, BASE_DIGITS = 10_000, 4
_INT64_DIGITS = 18
_LIMB_BITS, _LIMB_MASK = np.uint64(32), np.uint64(0xFFFF_FFFF)

Step = tuple[int, Ints]  # a multiplier for what is there, and what is then added


@dataclass(frozen=True, slots=True)
class Numerics:
    """The headers of every row's numeric; zero digits where it is NULL."""

    cells: Cells
    counts: Ints
    weights: Ints
    signs: npt.NDArray[np.uint16]

    @property
    def negative(self) -> Flags:
        """Which rows are below zero."""
        return np.equal(self.signs, _NEGATIVE) & self.cells.valid

    def digits_at(self, rows: Ints | slice, index: Ints) -> Ints:
        """The rows' digits of these indexes, 0 where a row has none."""
        starts, inside = self.cells.starts[rows], (index >= 0) & (index < self.counts[rows])
        digits = np.zeros(len(index), np.int64)
        if inside.all():
            digits[:] = read_at(self.cells.buffer, ">i2", starts + (_HEADER + 2 * index))
        else:
            at = starts[inside] + (_HEADER + 2 * index[inside])
            digits[inside] = read_at(self.cells.buffer, ">i2", at)
        if ((digits < 0) | (digits >= BASE)).any():
            raise ValueError(f"column {self.cells.column!r}: not the digits of a numeric")
        return digits


def numerics_of(cells: Cells) -> Numerics:
    """Read the headers. Raises ValueError where they are malformed."""
    valid = cells.valid
    counts = np.where(valid, cells.fixed(">i2"), 0).astype(np.int64)
    cells.require(cells.lengths == _HEADER + 2 * counts, "not a numeric")
    weights = np.where(valid, cells.fixed(">i2", 2), 0).astype(np.int64)
    signs = np.where(valid, cells.fixed(">u2", 4), 0)
    known = (signs == 0) | (signs == _NEGATIVE) | (signs == NAN)
    cells.require(known | (signs == INFINITY) | (signs == MINUS_INFINITY), "not a numeric's sign")
    return Numerics(cells, counts, weights, signs)


def read_decimal(wire: Wire, cells: Cells) -> pa.Array:
    """Exact decimals; NaN, ±Infinity and values beyond precision or scale are refused."""
    numerics = numerics_of(cells)
    specials = numerics.signs >= NAN
    if wire.special_is_null and specials.any():
        lengths = np.where(specials, NULL_LENGTH, cells.lengths)
        cells = Cells(cells.column, cells.buffer, cells.starts, lengths)
        numerics = numerics_of(cells)
    cells.refuse(numerics.signs >= NAN, "NaN or Infinity in a decimal")
    steps = _steps(numerics, wire.arrow_type.precision, wire.arrow_type.scale)
    if wire.arrow_type.precision <= _INT64_DIGITS:
        unscaled: npt.NDArray[Any] = _narrow(steps, numerics.negative)
    else:
        unscaled = _wide(steps, numerics.negative, wire.arrow_type.byte_width // 4)
    return fixed_array(wire.arrow_type, unscaled, cells.valid)


def _steps(numerics: Numerics, precision: int, scale: int) -> Iterator[Step]:
    """The unscaled values by Horner's rule, from the greatest power of 10000 to the least."""
    refuse, counts = numerics.cells.refuse, numerics.counts
    top = (precision - scale - 1) // BASE_DIGITS
    bottom = -((scale + BASE_DIGITS - 1) // BASE_DIGITS)
    weights = np.where(counts > 0, numerics.weights, bottom - 1)
    refuse(weights > top, "too large for the column's precision")
    refuse((counts > 0) & (weights - counts + 1 < bottom), "more decimals than the scale")
    for power in range(int(weights.max(initial=bottom - 1)), bottom - 1, -1):
        digits = numerics.digits_at(slice(None), weights - power)
        if power == top:
            most = 10 ** (precision - scale - BASE_DIGITS * top)
            refuse(digits >= most, "too large for the column's precision")
        if power == bottom and scale % BASE_DIGITS:
            kept = 10 ** (scale % BASE_DIGITS)
            refuse(digits % (BASE // kept) != 0, "more decimals than the scale")
            yield kept, digits // (BASE // kept)
        else:
            yield BASE, digits


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
