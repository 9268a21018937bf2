"""A few small rows of a binary COPY → columns, value by value in plain Python.

NumPy's calls cost a column a fixed time, which twenty rows do not earn back. What is unusual, be it
malformed, uncarriable or only rare, is left to the columns' reader, which alone tells errors.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from struct import Struct, error, pack, unpack
from typing import Any

import numpy as np
import pyarrow as pa

from rowferry.kernel.copy_cells import NULL_LENGTH, Cells, padded, validity
from rowferry.kernel.copy_fields import read_cells
from rowferry.types import Kind, Wire

MOST_ROWS = 64  # with more of them columns are as quick
MOST_BYTES = 65_536  # so that values may be copied a few times

Values = list[bytes | None]
Made = tuple[pa.Buffer, ...]
Make = Callable[[Sequence[bytes]], Made]  # the buffers behind the validity; None: it cannot
Take = Callable[[Values], pa.Array]

_length_at = Struct(">i").unpack_from
_NUMERIC_HEAD = 8
_NUMERICS = [Struct(f">HhHH{digits}H").unpack for digits in range(64)]
_NEGATIVE = 0x4000
_BASE, _BASE_DIGITS = 10_000, 4
_DAYS, _MICROS = 10_957, 10_957 * 86_400_000_000  # from 1970 to 2000
_UUID_OCTETS = 16


class Unusual(ValueError):
    """It is for the columns' reader."""


class FewReader:
    """Compiled from the wires once."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._head = len(wires).to_bytes(2)
        self._takes = [_taker(wire) for wire in wires]
        self._schema = pa.schema([(wire.name, wire.arrow_type) for wire in wires])

    def read(self, rows: Sequence[bytes]) -> pa.RecordBatch | None:
        """The batch that CopyReader makes of these rows; None where it is for the columns."""
        if not 0 < len(rows) <= MOST_ROWS or not self._takes or sum(map(len, rows)) > MOST_BYTES:
            return None
        try:
            cells = self._split(rows)
            arrays = [take(own) for take, own in zip(self._takes, cells, strict=True)]
        except (ValueError, error):
            return None
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _split(self, rows: Sequence[bytes]) -> list[Values]:
        """The values of each column."""
        head = self._head
        columns: list[Values] = [[] for _ in self._takes]
        appends = [column.append for column in columns]
        for row in rows:
            if not row.startswith(head):
                raise Unusual
            at = 2
            for append in appends:
                (size,) = _length_at(row, at)
                at += 4
                if size >= 0:
                    append(row[at : at + size])
                    at += size
                elif size == NULL_LENGTH:
                    append(None)
                else:
                    raise Unusual
            if at != len(row):
                raise Unusual
        return columns


def _taker(wire: Wire) -> Take:
    """What makes a column of this wire's values."""
    if wire.kind is Kind.NUMERIC:
        is_decimal = pa.types.is_decimal(wire.arrow_type)
        make, nothing = _decimals(wire.arrow_type) if is_decimal else (_numeric_texts, _ZERO)
    elif wire.element is None and wire.kind in _MAKERS:
        make, nothing = _MAKERS[wire.kind]
        if wire.kind is Kind.TIMESTAMP and wire.arrow_type.unit == "ms":
            make = _milliseconds
    else:
        return lambda values: read_cells(wire, _cells(wire.name, values))
    arrow_type = wire.arrow_type

    def take(values: Values) -> pa.Array:
        bitmap = None
        if None in values:
            bitmap = validity(np.array([value is not None for value in values]))
        present = [nothing if value is None else value for value in values]
        return pa.Array.from_buffers(arrow_type, len(values), [bitmap, *make(present)])

    return take


def _cells(column: str, values: Values) -> Cells:
    """The values as the columns' readers take them, one behind the other."""
    sizes = [NULL_LENGTH if value is None else len(value) for value in values]
    buffer = padded([value for value in values if value])
    lengths = np.array(sizes, np.int64)
    present = np.maximum(lengths, 0)
    return Cells(column, buffer, np.cumsum(present) - present, lengths)


def _joined(values: Sequence[bytes], width: int) -> bytes:
    if any(len(value) != width for value in values):
        raise Unusual
    return b"".join(values)


def _swapped(there: str, here: str) -> tuple[Make, bytes]:
    """Numbers in the machine's byte order, of the width that they have in Arrow."""
    width = Struct(f">{there}").size

    def make(values: Sequence[bytes]) -> Made:
        count = len(values)
        numbers = unpack(f">{count}{there}", _joined(values, width))
        return (pa.py_buffer(pack(f"={count}{here}", *numbers)),)

    return make, bytes(width)


def _rebased(letter: str, shift: int, unit: int = 1) -> tuple[Make, bytes]:
    """Since 2000 → since 1970, ±infinity kept, cut to units; the last values do not fit."""
    width = Struct(f">{letter}").size
    most = (1 << (8 * width - 1)) - 1
    least, beyond = -most - 1, most - shift

    def infinite(number: int) -> int:
        if number in (least, most):
            return number
        raise Unusual

    def make(values: Sequence[bytes]) -> Made:
        count = len(values)
        numbers = unpack(f">{count}{letter}", _joined(values, width))
        moved = [
            (number + shift) // unit if least < number < beyond else infinite(number)
            for number in numbers
        ]
        return (pa.py_buffer(pack(f"={count}{letter}", *moved)),)

    return make, bytes(width)


def _booleans(values: Sequence[bytes]) -> Made:
    octets = _joined(values, 1)
    if max(octets) > 1:
        raise Unusual
    bits = np.packbits(np.frombuffer(octets, np.uint8), bitorder="little")
    return (pa.py_buffer(bits),)


def _octets(values: Sequence[bytes]) -> Made:
    bounds = pack(f"={len(values) + 1}i", 0, *accumulate(map(len, values)))
    return pa.py_buffer(bounds), pa.py_buffer(b"".join(values))


def _texts(values: Sequence[bytes]) -> Made:
    for value in values:
        if not value.isascii():
            value.decode()
    return _octets(values)


def _jsonb(values: Sequence[bytes]) -> Made:
    if not all(value.startswith(b"\1") for value in values):
        raise Unusual
    return _texts([value[1:] for value in values])


def _uuids(values: Sequence[bytes]) -> Made:
    if any(len(value) != _UUID_OCTETS for value in values):
        raise Unusual
    digits = [value.hex() for value in values]
    return _octets([f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}".encode() for d in digits])


def _numeric(value: bytes) -> tuple[int, int, int]:
    """Its digits as an integer with the sign, their power of 10, and its displayed scale.

    Digits without zeros at either end, as PostgreSQL sends them.
    """
    count, weight, sign, scale, *digits = _numeric_of(value)
    if count != len(digits) or sign not in (0, _NEGATIVE):
        raise Unusual
    if not count:
        if weight or sign:
            raise Unusual
        return 0, 0, scale
    if not digits[0] or not digits[-1]:
        raise Unusual
    number = 0
    for digit in digits:
        if digit >= _BASE:
            raise Unusual
        number = number * _BASE + digit
    return (-number if sign else number), _BASE_DIGITS * (weight - count + 1), scale


def _numeric_of(value: bytes) -> tuple[int, ...]:
    """The header, then the digits; negative ones are too large so."""
    more = len(value) - _NUMERIC_HEAD
    size = more // 2
    if more == 2 * size and 0 <= size < len(_NUMERICS):
        return _NUMERICS[size](value)
    raise Unusual


def _decimals(arrow_type: Any) -> tuple[Make, bytes]:
    scale: int = arrow_type.scale
    width: int = arrow_type.byte_width
    limit: int = 10**arrow_type.precision

    def unscaled(value: bytes) -> bytes:
        number, power, _ = _numeric(value)
        power += scale
        if power >= 0:
            number *= int(10**power)
        else:
            number, rest = divmod(number, int(10**-power))
            if rest:
                raise Unusual
        if not -limit < number < limit:
            raise Unusual
        return number.to_bytes(width, "little", signed=True)

    def make(values: Sequence[bytes]) -> Made:
        return (pa.py_buffer(b"".join(map(unscaled, values))),)

    return make, _ZERO


def _numeric_texts(values: Sequence[bytes]) -> Made:
    return _octets([_numeric_text(value) for value in values])


def _numeric_text(value: bytes) -> bytes:
    number, power, scale = _numeric(value)
    power += scale
    size = abs(number)  # below 0: zeros of the last group, behind the last digit that is displayed
    digits = str(size * 10**power if power >= 0 else size // 10**-power)
    if scale:
        digits = digits.zfill(scale + 1)
        digits = f"{digits[:-scale]}.{digits[-scale:]}"
    return f"{'-' if number < 0 else ''}{digits}".encode()


_ZERO = bytes(_NUMERIC_HEAD)  # of numeric
_milliseconds, _ = _rebased("q", _MICROS, 1000)
_MAKERS: dict[Kind, tuple[Make, bytes]] = {
    Kind.BOOL: (_booleans, b"\0"),
    Kind.INT16: _swapped("h", "i"),
    Kind.INT32: _swapped("i", "i"),
    Kind.OID: _swapped("I", "q"),
    Kind.INT64: _swapped("q", "q"),
    Kind.FLOAT32: _swapped("I", "I"),  # the bits as they are, of each NaN too
    Kind.FLOAT64: _swapped("Q", "Q"),
    Kind.TEXT: (_texts, b""),
    Kind.JSON: (_texts, b""),
    Kind.JSONB: (_jsonb, b"\1"),
    Kind.BYTES: (_octets, b""),
    Kind.UUID: (_uuids, bytes(_UUID_OCTETS)),
    Kind.DATE: _rebased("i", _DAYS),
    Kind.TIME: _swapped("q", "q"),
    Kind.TIMESTAMP: _rebased("q", _MICROS),
}
