"""Decimals of more digits than Arrow has: big-endian two's complement → all their digits.

What these take is known before they are written: a byte may stand for 200,000 of them.
"""

import decimal
from typing import Final

import pyarrow as pa
import pyarrow.types as pt

_PLAIN: Final = 10**4000  # Python refuses to write more than 4300 digits at once
# Python's division takes a minute for a decimal of a megabyte, libmpdec's multiplication a second.
_PIECE_BITS: Final = 8192
_EXACT: Final = decimal.Context(decimal.MAX_PREC, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
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


def zeros_in(batch: pa.RecordBatch) -> int:
    """How many bytes the texts of such decimals may have beyond their digits.

    A zero of a decimal(150000,149999) is a byte in a message, and 150,001 in a line.
    """
    places = enumerate(batch.schema)
    concerned = [n for n, field in places if field.metadata or pt.is_nested(field.type)]
    return sum(_zeros_in(batch.schema.field(n), batch.column(n)) for n in concerned)


def _zeros_in(field: pa.Field, values: pa.Array) -> int:
    told, kind = field.metadata or {}, field.type  # the array's own may have lost what is inside
    if told.get(b"logicalType") == b"decimal":
        scale = int(told[b"scale"])
        present: int = len(values) - values.null_count
        return present * scale if scale <= _MOST_ZEROS else 0
    if pt.is_struct(kind):
        return sum(_zeros_in(kind.field(n), values.field(n)) for n in range(kind.num_fields))
    if pt.is_list(kind):
        return _zeros_in(kind.value_field, values.values)
    return _zeros_in(kind.item_field, values.items) if pt.is_map(kind) else 0


def _decimal_text(number: int) -> str:
    """The digits of a number that is not negative."""
    return str(number if number < _PLAIN else _exact(number, number.bit_length(), {}))


def _exact(number: int, bits: int, powers: dict[int, decimal.Decimal]) -> decimal.Decimal:
    """The number of so many bits; powers: those of two that its halves share."""
    if bits <= _PIECE_BITS:
        return decimal.Decimal(number)
    half = bits >> 1
    high = number >> half
    low = number - (high << half)
    above = _exact(high, bits - half, powers)
    return _EXACT.fma(above, _power(half, powers), _exact(low, half, powers))


def _power(bits: int, powers: dict[int, decimal.Decimal]) -> decimal.Decimal:
    if bits not in powers:
        half = bits >> 1
        powers[bits] = (
            decimal.Decimal(1 << bits)
            if bits <= _PIECE_BITS
            else _EXACT.multiply(_power(half, powers), _power(bits - half, powers))
        )
    return powers[bits]
