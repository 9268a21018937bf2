"""What values take in memory once they are decoded, and how much of it messages may ask for.

A null record of a thousand columns is one byte on the wire and eight thousand in Arrow, so the
size of what comes does not bound the size of what is made of it.
"""

from typing import Final

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

# What a block of messages may come to, before it is cut into smaller ones.
BLOCK_BYTES: Final = 1 << 26
# What messages that are decoded together may come to.
TOGETHER_BYTES: Final = 1 << 25
# What a message alone may come to beyond that, for each of its bytes. Values that take a byte each
# come to half as much at most, those that JSON names with 63 letters included.
BYTES_A_BYTE: Final = 128
# Where an item belongs and where it is found, beside the item itself.
BYTES_AN_ITEM: Final = 32
BOUND: Final = 4  # where a value of any length ends


class OverBudget(Exception):
    """What is being decoded would take more memory than it may."""


class TooLargeTogether(ValueError):
    """Messages that have to be decoded in smaller numbers, to keep within memory."""


class Tally:
    """Adds up what is decoded before it is. most: at which it is too much."""

    __slots__ = ("most", "total")

    def __init__(self, most: int) -> None:
        self.most, self.total = most, 0

    def charge(self, more: int) -> None:
        """Add so many bytes. Raises OverBudget."""
        self.total += more
        if self.total > self.most:
            raise OverBudget


def tally_of(messages: int, octets: int) -> Tally:
    """For a block of so many messages, of so many bytes."""
    return Tally(BLOCK_BYTES + BYTES_A_BYTE * octets if messages == 1 else BLOCK_BYTES)


def bytes_of(shape: Shape) -> int:  # noqa: PLR0911 - a line a shape
    """The least that a value takes in Arrow, also one that is null.

    What it takes beyond that, its text or its items, has come with the message, or is charged.
    """
    match shape:
        case Null():
            return 0
        case Boolean():
            return 1
        case Varint(bits=bits):
            return bits // 8
        case Float(size=size) | Fixed(size=size):
            return size
        case Decimal(arrow=arrow):
            return int(arrow.byte_width)
        case Enum(symbols=symbols):
            return BOUND + max(map(len, symbols), default=0)
        case Optional(inner=inner):
            return 1 + bytes_of(inner)
        case Record(names=names, fields=fields):
            return sum(map(_bytes_of_field, names, fields))
        case Text() | Bytes() | Array() | Map() | Union():
            return BOUND
    raise TypeError(shape)


def _bytes_of_field(name: str, shape: Shape) -> int:
    """Fields that take no bytes of a message take at least their names in its line."""
    return bytes_of(shape) + (len(name) if shape.least == 0 else 0)


def weight_of(items: Shape) -> int:
    """What an item of a list takes."""
    return BYTES_AN_ITEM + bytes_of(items)
