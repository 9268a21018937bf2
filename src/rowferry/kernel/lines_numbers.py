"""Numbers as JSON: exact digits, and the shortest digits of floats."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowferry.kernel.lines_pieces import Block, Piece, either

_GROUP = 10_000
_UINT32_DIGITS = 9
_GROUPS = np.array([f"{group:04d}".encode() for group in range(_GROUP)]).view(np.uint32)
_INT64_DIGITS = 18


def digits_of(values: npt.NDArray[Any], width: int) -> Block:
    """Numbers of up to `width` digits, zeros in front."""
    groups = -(-width // 4)
    letters = np.empty((len(values), groups), np.uint32)
    if width <= _UINT32_DIGITS:
        values = values.astype(np.uint32)  # quicker to divide
    for place in range(groups - 1, 0, -1):
        values, group = divided(values, _GROUP)
        letters[:, place] = _GROUPS[group]
    letters[:, 0] = _GROUPS[values]
    return letters.view(np.uint8)[:, 4 * groups - width :]


def divided(values: npt.NDArray[Any], by: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Quotients, rounded down, and remainders: np.divmod() takes twice as long."""
    quotients = values // by
    return quotients, values - quotients * by


def without_nulls(values: pa.Array, instead: Any) -> pa.Array:
    """The values, others where they are null: those are overwritten later."""
    return values.fill_null(instead) if values.null_count else values


def integers_of(values: pa.Array) -> list[Piece]:
    """Integers; a column of one value is a literal."""
    bounds = pc.min_max(values)
    least, greatest = bounds["min"].as_py(), bounds["max"].as_py()
    if least == greatest:
        return [str(least).encode()]
    if least >= 0 and len(str(least)) == len(str(greatest)) and not values.null_count:
        return [digits_of(values.to_numpy(), len(str(least)))]
    return [_text(without_nulls(values, 0))]


def floats_of(values: pa.Array) -> list[Piece]:
    """Floats as the shortest digits that give them again; NaN and ±Infinity as strings."""
    values = without_nulls(values, 0)
    text: pa.Array = _text(values)
    finite = pc.is_finite(values)
    if not pc.all(finite).as_py():
        infinite = either(pc.greater(values, 0), b'"Infinity"', b'"-Infinity"', len(values))
        special = either(pc.is_nan(values), b'"NaN"', infinite, len(values))
        text = either(finite, text, special, len(values))
    return [text]


def decimals_of(values: pa.Array) -> list[Piece]:
    """Decimals with all digits of their scale."""
    scale = values.type.scale
    width = values.type.byte_width // 8
    start = width * values.offset
    words = np.frombuffer(values.buffers()[1], np.int64)[start : start + width * len(values)]
    least = words.reshape(len(values), width)[:, 0]
    if values.null_count:
        least = np.where(values.is_valid().to_numpy(zero_copy_only=False), least, 0)
    if values.type.precision > _INT64_DIGITS:
        return _wide_decimals(values, scale)
    negative = least < 0
    whole, fraction = divided(np.abs(least), 10**scale)
    signed = [either(pa.array(negative), b"-", b"", len(values))] if negative.any() else []
    point = [b".", digits_of(fraction, scale)] if scale else []
    return [*signed, *integers_of(pa.array(whole)), *point]


def _wide_decimals(values: pa.Array, scale: int) -> list[Piece]:
    """Decimals of many digits: Arrow's digits of the unscaled integer, the point put in."""
    kind = pa.decimal256(76, 0) if values.type.bit_width == 256 else pa.decimal128(38, 0)  # noqa: PLR2004
    buffers = [None, values.buffers()[1]]
    unscaled = pa.Array.from_buffers(kind, len(values), buffers, offset=values.offset)
    text = unscaled.cast(pa.utf8())
    negative = pc.starts_with(text, "-")
    digits = pc.utf8_lpad(pc.utf8_ltrim(text, "-"), scale + 1, "0").cast(pa.binary())
    signed = [either(negative, b"-", b"", len(values))] if pc.any(negative).as_py() else []
    if not scale:
        return [*signed, digits]
    whole, fraction = pc.binary_slice(digits, 0, -scale), pc.binary_slice(digits, -scale)
    return [*signed, whole, b".", fraction]


def _text(values: pa.Array) -> pa.Array:
    return values.cast(pa.utf8()).cast(pa.binary())
