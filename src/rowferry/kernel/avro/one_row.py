"""One row → a batch: its bytes laid out as Arrow's IPC format has them, and taken in by one call.

pyarrow.array takes 4 µs before it looks at a value, and half as much for the batch around it.
Only for records without lists, maps and records in them.
"""

from collections.abc import Callable
from struct import Struct, calcsize
from typing import Any, Final

import pyarrow as pa

from rowferry.kernel.avro.shapes import (
    Boolean,
    Bytes,
    Decimal,
    Enum,
    Fixed,
    Float,
    Optional,
    Record,
    Shape,
    Text,
    Union,
    Varint,
)
from rowferry.kernel.avro.single_read import check_end, digits_reader, optional_reader, reader
from rowferry.kernel.avro.weights import Tally

Octets = Callable[[Any], bytes]

ALIGNMENT: Final = 8
PADDING: Final = tuple(bytes(-size % ALIGNMENT) for size in range(ALIGNMENT))
ENDS: Final = Struct("<ii").pack
NO_VALUE: Final = bytes(ALIGNMENT)  # the bits that say which rows have a value
ONE_VALUE: Final = (1, 0)
ONE_NULL: Final = (1, 1)
# A message's header is a flatbuffer of two tables, followed by two lists of pairs. Here is where
# the tables have their fields: message (of version 5: a batch, its body's size), and batch (rows,
# columns, buffers); as Arrow writes them.
MESSAGE_TABLE: Final = bytes.fromhex(
    "14000000000000000c0016000600050008000c000c0000000003040018000000"
)
BATCH_TABLE: Final = bytes.fromhex("00000a0018000c00040008000a000000")
TABLES: Final = 80
TO_BUFFERS: Final = 16  # from where it is told
TO_COLUMNS: Final = 28  # and the size of the list of buffers


def _number(letter: str) -> Octets:
    return Struct(f"<{letter}{-calcsize(letter) % ALIGNMENT}x").pack


def _decimal(shape: Decimal) -> Octets:
    width = shape.arrow.byte_width
    return lambda digits: digits.to_bytes(width, "little", signed=True)


def _fixed(shape: Fixed) -> Octets:
    width = shape.size + -shape.size % ALIGNMENT
    return lambda value: value.ljust(width, b"\0")


def _text(value: str) -> bytes:
    return value.encode()


MAKERS: Final[dict[type[Shape], Callable[[Any], Octets]]] = {
    Boolean: lambda _: _number("?"),
    Varint: lambda shape: _number("i" if shape.bits == 32 else "q"),  # noqa: PLR2004
    Float: lambda shape: _number("f" if shape.size == 4 else "d"),  # noqa: PLR2004
    Text: lambda _: _text,
    Bytes: lambda _: bytes,
    Fixed: _fixed,
    Enum: lambda _: _text,
    Decimal: _decimal,
    Union: lambda _: _text,
}
ENDED: Final = (Text, Bytes, Enum, Union)  # their values have any length


class Column:
    """What reads a field, and what lays out its value."""

    def __init__(self, shape: Shape, tally: Tally) -> None:
        inner = shape.inner if isinstance(shape, Optional) else shape
        read = digits_reader(inner) if isinstance(inner, Decimal) else reader(inner, tally)
        self.read = optional_reader(shape, read) if isinstance(shape, Optional) else read
        self.octets_of = MAKERS[type(inner)](inner)
        self.is_ended = isinstance(inner, ENDED)
        self.nothing = (
            b"" if self.is_ended else bytes(_width_of(inner) + ALIGNMENT - 1 & -ALIGNMENT)
        )


class OneRow:
    """Compiled from a record once."""

    def __init__(self, record: Record, tally: Tally) -> None:
        columns = [Column(field, tally) for field in record.fields]
        self._columns = [(c.read, c.octets_of, c.is_ended, c.nothing) for c in columns]
        self._schema = record.schema
        buffers = sum(3 if column.is_ended else 2 for column in columns)
        self._pack = Struct(f"<ii32sq16sIIq4xI{2 * buffers}q4xI{2 * len(columns)}q").pack
        self._size = TABLES + 2 * ALIGNMENT * (buffers + len(columns)) + ALIGNMENT
        self._to_columns = TO_COLUMNS + 2 * ALIGNMENT * buffers

    def decode(self, message: bytes, position: int) -> pa.RecordBatch:
        """The row of message[position:]. Raises MalformedError, and IndexError at its end."""
        ipc = pa.py_buffer(self.message_of(message, position))
        return pa.ipc.read_record_batch(ipc, self._schema)

    def message_of(self, message: bytes, position: int) -> bytes:
        """The row as a message of Arrow's IPC format. Raises what decode() raises."""
        columns: list[int] = []  # of each: rows, nulls
        buffers: list[int] = []  # of each: where, how many bytes
        parts: list[bytes] = []
        at = 0
        for read, octets_of, is_ended, nothing in self._columns:
            value, position = read(message, position)
            if value is None:
                columns += ONE_NULL
                parts.append(NO_VALUE)
                buffers += (at, ALIGNMENT)
                at += ALIGNMENT
                octets = nothing
            else:
                columns += ONE_VALUE
                buffers += (at, 0)
                octets = octets_of(value)
            size = len(octets)
            if is_ended:
                parts.append(ENDS(0, size))
                buffers += (at, ALIGNMENT)
                at += ALIGNMENT
                octets += PADDING[size & 7]
            parts.append(octets)
            buffers += (at, size)
            at += len(octets)
        check_end(message, position)
        header = self._pack(
            *(-1, self._size, MESSAGE_TABLE, at, BATCH_TABLE, self._to_columns, TO_BUFFERS, 1),
            *(len(buffers) // 2, *buffers, len(columns) // 2, *columns),
        )
        return header + b"".join(parts)


def _width_of(shape: Shape) -> int:
    return int(shape.arrow.byte_width) if not isinstance(shape, Boolean) else 1


def one_row(record: Record, tally: Tally) -> OneRow | None:
    """A decoder of single rows; None where the record has lists, maps or records in it."""
    shapes = [f.inner if isinstance(f, Optional) else f for f in record.fields]
    return OneRow(record, tally) if all(type(shape) in MAKERS for shape in shapes) else None
