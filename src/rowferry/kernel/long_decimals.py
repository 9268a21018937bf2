"""Decimals of more digits than Arrow has: big-endian two's complement → all their digits."""

from typing import Final

_PIECE_DIGITS: Final = 4000  # Python refuses to write more than 4300 at once
_PIECE: Final = 10**_PIECE_DIGITS
_MOST_ZEROS: Final = 200_000  # written out; PostgreSQL's numeric has 131,072 digits and 16,383 more


def digits_text(raw: bytes, scale: int) -> str:
    """All digits, whatever Python's limit on those of an integer's text.

    A scale that would only write zeros for megabytes is told as an exponent: 5E-1000000.
    """
    unscaled = int.from_bytes(raw, "big", signed=True)
    digits = _decimal_text(abs(unscaled))
    sign = "-" if unscaled < 0 else ""
    if abs(scale) > _MOST_ZEROS:
        return f"{sign}{digits}E{-scale}"
    if scale <= 0:
        return sign + digits + "0" * (-scale if unscaled else 0)
    digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def _decimal_text(number: int) -> str:
    """The digits of a number, in pieces that Python turns into text."""
    pieces = []
    while number >= _PIECE:
        number, low = divmod(number, _PIECE)
        pieces.append(str(low).rjust(_PIECE_DIGITS, "0"))
    return "".join([str(number), *reversed(pieces)])
