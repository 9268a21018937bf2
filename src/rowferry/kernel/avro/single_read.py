"""Reads one value at a time in plain Python: for tiny batches, unions and very long arrays.

Values are raw, as pyarrow.array takes them: numbers of days and microseconds, tuples for records,
lists of (key, value) for maps, Avro-JSON text for unions.
"""

import decimal
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from rowferry.kernel.avro import avro_json
from rowferry.kernel.avro.reasons import MalformedError, Reason
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
from rowferry.kernel.avro.single_write import EXACT
from rowferry.kernel.avro.weights import Tally

Read = Callable[[bytes, int], tuple[Any, int]]  # message, position → value, position behind it

MOST_SHIFT: Final = 63
INT_LOW: Final = -(1 << 31)
INT_HIGH: Final = (1 << 31) - 1


def read_whole(read: Read, message: bytes, start: int) -> Any:
    """The one value in message[start:]. Raises MalformedError, also for trailing bytes."""
    try:
        value, position = read(message, start)
    except IndexError as beyond:
        raise MalformedError(Reason.TRUNCATED) from beyond
    check_end(message, position)
    return value


def check_end(message: bytes, position: int) -> None:
    """See that the position is the message's end. Raises MalformedError."""
    if position != len(message):
        raise MalformedError(Reason.TRAILING if position < len(message) else Reason.TRUNCATED)


def read_long(message: bytes, position: int) -> tuple[int, int]:
    """A zig-zag varint. Raises IndexError at the message's end, MalformedError beyond 64 bits."""
    byte = message[position]
    position += 1
    if byte < 0x80:  # noqa: PLR2004 - the continuation bit
        return (byte >> 1) ^ -(byte & 1), position
    number, shift = byte & 0x7F, 7
    while True:
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            break
        shift += 7
        if shift > MOST_SHIFT:
            raise MalformedError(Reason.VARINT)
    if number >> 64:
        raise MalformedError(Reason.VARINT)
    return (number >> 1) ^ -(number & 1), position


def _read_int(message: bytes, position: int) -> tuple[int, int]:
    number, position = read_long(message, position)
    if not INT_LOW <= number <= INT_HIGH:
        raise MalformedError(Reason.INT)
    return number, position


def _read_boolean(message: bytes, position: int) -> tuple[bool, int]:
    byte = message[position]
    if byte > 1:
        raise MalformedError(Reason.BOOLEAN)
    return byte == 1, position + 1


def _read_bytes(message: bytes, position: int) -> tuple[bytes, int]:
    byte = message[position]
    if byte < 0x80:  # noqa: PLR2004 - here for speed: most lengths are one byte
        length, start = (byte >> 1) ^ -(byte & 1), position + 1
    else:
        length, start = read_long(message, position)
    behind = start + length
    if not start <= behind <= len(message):
        raise MalformedError(Reason.LENGTH)
    return message[start:behind], behind


def _read_text(message: bytes, position: int) -> tuple[str, int]:
    data, behind = _read_bytes(message, position)
    try:
        return data.decode(), behind
    except UnicodeDecodeError as odd:
        raise MalformedError(Reason.UTF8) from odd


def _fixed(size: int) -> Read:
    def read(message: bytes, position: int) -> tuple[bytes, int]:
        behind = position + size
        if behind > len(message):
            raise MalformedError(Reason.TRUNCATED)
        return message[position:behind], behind

    return read


def _float(size: int) -> Read:
    unpack = Struct("<f" if size == Struct("<f").size else "<d").unpack_from

    def read(message: bytes, position: int) -> tuple[float, int]:
        behind = position + size
        if behind > len(message):
            raise MalformedError(Reason.TRUNCATED)
        return unpack(message, position)[0], behind

    return read


def _enum(shape: Enum) -> Read:
    symbols = shape.symbols

    def read(message: bytes, position: int) -> tuple[str, int]:
        index, position = read_long(message, position)
        if not 0 <= index < len(symbols):
            raise MalformedError(Reason.SYMBOL)
        return symbols[index], position

    return read


def digits_reader(shape: Decimal) -> Read:
    """A reader of a decimal without its point, as a whole number."""
    limit = 10**shape.precision
    read_octets = _read_bytes if shape.size is None else _fixed(shape.size)

    def read(message: bytes, position: int) -> tuple[int, int]:
        octets, position = read_octets(message, position)
        digits = int.from_bytes(octets, signed=True)
        if not -limit < digits < limit:
            raise MalformedError(Reason.DECIMAL)
        return digits, position

    return read


def _decimal(shape: Decimal) -> Read:
    read_digits, exponent = digits_reader(shape), -shape.arrow.scale

    def read(message: bytes, position: int) -> tuple[decimal.Decimal, int]:
        digits, position = read_digits(message, position)
        return decimal.Decimal(digits).scaleb(exponent, EXACT), position

    return read


def optional_reader(shape: Optional, read_inner: Read) -> Read:
    """A reader of a value, or None."""
    null_branch = shape.null_branch

    def read(message: bytes, position: int) -> tuple[Any, int]:
        branch, position = read_long(message, position)
        if branch == null_branch:
            return None, position
        if branch != 1 - null_branch:
            raise MalformedError(Reason.BRANCH)
        return read_inner(message, position)

    return read


def _record(shape: Record, tally: Tally) -> Read:
    readers = tuple(reader(field, tally) for field in shape.fields)

    def read(message: bytes, position: int) -> tuple[tuple[Any, ...], int]:
        values = []
        for read_field in readers:
            value, position = read_field(message, position)
            values.append(value)
        return tuple(values), position

    return read


def items_reader(read_item: Read) -> Callable[[bytes, int, int], tuple[list[Any], int]]:
    """A reader of `count` items in a row, which are known to have room in the message."""

    def read(message: bytes, position: int, count: int) -> tuple[list[Any], int]:
        values = []
        for _ in range(count):
            value, position = read_item(message, position)
            values.append(value)
        return values, position

    return read


def blocks_reader(read_item: Read, least: int, weight: int, tally: Tally) -> Read:
    """A reader of blocks of items of at least so many bytes each, up to the empty one."""
    read_items = items_reader(read_item)

    def read(message: bytes, position: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        while True:
            count, position = read_long(message, position)
            if count == 0:
                return values, position
            size = None
            if count < 0:
                size, position = read_long(message, position)
                if not 0 <= size <= len(message) - position:
                    raise MalformedError(Reason.LENGTH)
            start, count = position, abs(count)
            if count * least > len(message) - position:
                raise MalformedError(Reason.COUNT)
            tally.charge(count * weight)
            block, position = read_items(message, position, count)
            if size is not None and position != start + size:
                raise MalformedError(Reason.BLOCK)
            values += block

    return read


def _list(items: Shape, weight: int, tally: Tally) -> Read:
    return blocks_reader(reader(items, tally), items.least, weight, tally)


def _union(shape: Union, tally: Tally) -> Read:
    readers = tuple(reader(branch, tally) for branch in shape.branches)

    def read(message: bytes, position: int) -> tuple[str | None, int]:
        branch, position = read_long(message, position)
        if not 0 <= branch < len(readers):
            raise MalformedError(Reason.BRANCH)
        value, position = readers[branch](message, position)
        text = avro_json.text_of(shape, branch, value)
        tally.charge(len(text or ""))
        return text, position

    return read


MAKERS: Final[dict[type[Shape], Callable[[Any, Tally], Read]]] = {
    Null: lambda *_: lambda _, position: (None, position),
    Boolean: lambda *_: _read_boolean,
    Varint: lambda shape, _: _read_int if shape.bits == INT_HIGH.bit_length() + 1 else read_long,
    Float: lambda shape, _: _float(shape.size),
    Text: lambda *_: _read_text,
    Bytes: lambda *_: _read_bytes,
    Fixed: lambda shape, _: _fixed(shape.size),
    Enum: lambda shape, _: _enum(shape),
    Decimal: lambda shape, _: _decimal(shape),
    Array: lambda shape, tally: _list(shape.items, shape.weight, tally),
    Map: lambda shape, tally: _list(shape.entries, shape.weight, tally),
    Record: _record,
    Optional: lambda shape, tally: optional_reader(shape, reader(shape.inner, tally)),
    Union: _union,
}


def reader(shape: Shape, tally: Tally) -> Read:
    """Compile a shape into a reader of one value.

    The reader raises IndexError, MalformedError, or the tally's OverBudget; nothing else, whatever
    the bytes are.
    """
    return MAKERS[type(shape)](shape, tally)
