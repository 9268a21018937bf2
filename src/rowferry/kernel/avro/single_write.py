"""Writes one value at a time in plain Python: for tiny batches and for unions."""

import decimal
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from rowferry.kernel.avro import avro_json
from rowferry.kernel.avro.reasons import UnwritableError
from rowferry.kernel.avro.shapes import (
    Array,
    Boolean,
    Bytes,
    Decimal,
    Enum,
    Fixed,
    Float,
    Map,
    Null,
    Optional,
    Record,
    Shape,
    Text,
    Union,
    Varint,
)

Write = Callable[[bytearray, Any], None]  # appends a raw value (see single_read) to the message

EXACT: Final = decimal.Context(prec=200)  # more digits than any Arrow decimal and its scale


def write_long(out: bytearray, number: int) -> None:
    """Append a zig-zag varint."""
    rest = number << 1 if number >= 0 else (~number << 1) | 1
    while rest > 0x7F:  # noqa: PLR2004 - the continuation bit
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)


def decimal_bytes(unscaled: int) -> bytes:
    """Two's complement as fastavro cuts it: room for a sign bit beside the magnitude's bits."""
    return unscaled.to_bytes((unscaled.bit_length() + 8) // 8, signed=True)


def _write_bytes(out: bytearray, data: bytes) -> None:
    length = len(data)
    if length < 64:  # noqa: PLR2004 - here for speed: most lengths are one byte
        out.append(length << 1)
    else:
        write_long(out, length)
    out += data


def _write_text(out: bytearray, text: str) -> None:
    _write_bytes(out, text.encode())


def _write_boolean(out: bytearray, flag: bool) -> None:
    out.append(1 if flag else 0)


def _float(size: int) -> Write:
    pack = Struct("<f" if size == Struct("<f").size else "<d").pack

    def write(out: bytearray, number: float) -> None:
        out += pack(number)

    return write


def _enum(shape: Enum) -> Write:
    places = {symbol: place for place, symbol in enumerate(shape.symbols)}

    def write(out: bytearray, symbol: str) -> None:
        place = places.get(symbol)
        if place is None:
            raise UnwritableError("an enum has no such symbol")
        write_long(out, place)

    return write


def _decimal(shape: Decimal) -> Write:
    limit, size, scale = 10**shape.precision, shape.size, shape.arrow.scale

    def write(out: bytearray, number: decimal.Decimal | int) -> None:
        unscaled = number if isinstance(number, int) else int(number.scaleb(scale, EXACT))
        if not -limit < unscaled < limit:
            raise UnwritableError("a decimal is wider than its precision")
        if size is None:
            _write_bytes(out, decimal_bytes(unscaled))
            return
        try:
            out += unscaled.to_bytes(size, signed=True)
        except OverflowError as wide:
            raise UnwritableError("a decimal is wider than its fixed size") from wide

    return write


def _optional(shape: Optional) -> Write:
    write_inner = writer(shape.inner)
    null_byte, value_byte = shape.null_branch * 2, (1 - shape.null_branch) * 2

    def write(out: bytearray, value: Any) -> None:
        if value is None:
            out.append(null_byte)
        else:
            out.append(value_byte)
            write_inner(out, value)

    return write


def _record(shape: Record) -> Write:
    writers = tuple(writer(field) for field in shape.fields)

    def write(out: bytearray, values: tuple[Any, ...]) -> None:
        place = 0
        try:
            for place, value in enumerate(values):
                writers[place](out, value)
        except UnwritableError as odd:
            raise UnwritableError(f"column {shape.names[place]!r}: {odd}") from odd

    return write


def _array(items: Shape) -> Write:
    write_item = writer(items)

    def write(out: bytearray, values: list[Any]) -> None:
        if values:
            write_long(out, len(values))
            for value in values:
                write_item(out, value)
        out.append(0)

    return write


def _union(shape: Union) -> Write:
    writers = tuple(writer(branch) for branch in shape.branches)

    def write(out: bytearray, text: str | None) -> None:
        branch, value = avro_json.value_of(shape, text)
        write_long(out, branch)
        try:
            writers[branch](out, value)
        except OverflowError as wide:
            raise UnwritableError("a union's number is too large for its branch") from wide

    return write


def _required(write: Write) -> Write:
    def write_required(out: bytearray, value: Any) -> None:
        if value is None:
            raise UnwritableError("a null where the schema has no null")
        write(out, value)

    return write_required


def _write_raw(out: bytearray, data: bytes) -> None:
    out += data


MAKERS: Final[dict[type[Shape], Callable[[Any], Write]]] = {
    Null: lambda _: lambda _out, _value: None,
    Boolean: lambda _: _required(_write_boolean),
    Varint: lambda _: _required(write_long),
    Float: lambda shape: _required(_float(shape.size)),
    Text: lambda _: _required(_write_text),
    Bytes: lambda _: _required(_write_bytes),
    Fixed: lambda _: _required(_write_raw),
    Enum: _enum,
    Decimal: lambda shape: _required(_decimal(shape)),
    Array: lambda shape: _required(_array(shape.items)),
    Map: lambda shape: _required(_array(shape.entries)),
    Record: lambda shape: _required(_record(shape)),
    Optional: _optional,
    Union: _union,
}


def writer(shape: Shape) -> Write:
    """Compile a shape into a writer of one value. The writer raises UnwritableError."""
    return MAKERS[type(shape)](shape)
