"""The reader of numerics that no decimal holds: base-10000 digits → numeric_out()'s text."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowferry.kernel.copy_cells import (
    Cells,
    Ints,
    TooMuchText,
    is_too_much,
    text_array,
    validity,
)
from rowferry.kernel.copy_numeric import (
    BASE,
    BASE_DIGITS,
    INFINITY,
    MINUS_INFINITY,
    NAN,
    Numerics,
    numerics_of,
)

GROUPS_AT_ONCE = 1 << 19  # of four digits; each takes some 50 bytes while it is read
_LETTERS = np.array([f"{digit:0{BASE_DIGITS}d}".encode() for digit in range(BASE)]).view(np.uint32)
_WORDS = {NAN: b"NaN", INFINITY: b"Infinity", MINUS_INFINITY: b"-Infinity"}


def read_numeric_text(cells: Cells) -> pa.Array:
    """All digits, those after the point as many as the value displays; NaN and ±Infinity too.

    Raises TooMuchText.
    """
    numerics = numerics_of(cells)
    groups = np.cumsum(sum(_groups(numerics)))
    total = int(groups[-1]) if len(groups) else 0
    if total <= GROUPS_AT_ONCE:
        return _read(numerics)
    if is_too_much(BASE_DIGITS * total, cells.size):
        raise TooMuchText(cells.column, np.flatnonzero(cells.valid))
    return pa.concat_arrays(
        [_read(numerics_of(cells.part(first, end))) for first, end in _pieces(groups)]
    )


def _pieces(groups: Ints) -> list[tuple[int, int]]:
    """Rows that are read together; groups: how many there are up to the end of each row."""
    ends = [*(np.flatnonzero(np.diff(groups // GROUPS_AT_ONCE)) + 1).tolist(), len(groups)]
    return list(pairwise([0, *ends]))


def _read(numerics: Numerics) -> pa.Array:
    cells = numerics.cells
    scales = _scales(numerics)
    whole, fraction = _parts(numerics, scales)
    sign = _either(numerics.negative, b"-", b"")
    point = _either(scales > 0, b".", b"")
    text = pc.binary_join_element_wise(sign, whole, point, fraction, _scalar(b""))
    for code, word in _WORDS.items():
        if (special := numerics.signs == code).any():
            text = pc.if_else(pa.array(special), _scalar(word), text)
    buffers = [validity(cells.valid), *text.buffers()[1:]]
    return pa.Array.from_buffers(pa.utf8(), len(cells), buffers)


def _scales(numerics: Numerics) -> Ints:
    cells = numerics.cells
    return np.where(cells.valid, cells.fixed(">u2", 6), 0).astype(np.int64)


def _groups(numerics: Numerics) -> tuple[Ints, Ints]:
    """How many groups of four digits are before the point, and behind it."""
    before = np.maximum(numerics.weights + 1, 1)
    return before, (_scales(numerics) + BASE_DIGITS - 1) // BASE_DIGITS


def _parts(numerics: Numerics, scales: Ints) -> tuple[pa.Array, pa.Array]:
    """The digits before and after the point; both lie side by side in one buffer of letters."""
    before, after = _groups(numerics)
    groups = before + after
    first = np.cumsum(groups) - groups
    row = np.repeat(np.arange(len(groups)), groups)
    power = (before - 1)[row] - (np.arange(len(row)) - first[row])
    digits = numerics.digits_at(row, numerics.weights[row] - power)
    letters: npt.NDArray[np.uint8] = _LETTERS[digits].view(np.uint8)
    lead = digits[first] if len(first) else first
    zeros = (lead < 10).astype(np.int64) + (lead < 100) + (lead < 1000)  # noqa: PLR2004
    point = BASE_DIGITS * (first + before)
    column, start = numerics.cells.column, BASE_DIGITS * first + zeros
    whole = Cells(column, letters, start, point - start)
    return text_array(pa.binary(), whole), text_array(
        pa.binary(), Cells(column, letters, point, scales)
    )


def _either(where: npt.NDArray[np.bool_], yes: bytes, no: bytes) -> pa.Array:
    return pc.if_else(pa.array(where), _scalar(yes), _scalar(no))


def _scalar(octets: bytes) -> pa.Scalar:
    return pa.scalar(octets, pa.binary())
