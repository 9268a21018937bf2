"""The shapes of Avro values: what a schema is once its names and logical types are resolved."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Shape:
    """A value's form in Arrow and on the wire.

    arrow: the column's type. least: the fewest bytes a value takes on the wire.
    """

    arrow: pa.DataType
    least: int


@dataclass(frozen=True, slots=True)
class Null(Shape):
    """Takes no bytes."""


@dataclass(frozen=True, slots=True)
class Boolean(Shape):
    """One byte, 0 or 1."""


@dataclass(frozen=True, slots=True)
class Varint(Shape):
    """int or long, zig-zag and variable in length; dates, times and timestamps are those too."""

    bits: int


@dataclass(frozen=True, slots=True)
class Float(Shape):
    """IEEE 754, little-endian; `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Text(Shape):
    """UTF-8 behind its length; JSON, if the schema says so."""

    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Bytes(Shape):
    """Bytes behind their length.

    digits: precision and scale if they are a decimal too long for Arrow, two's complement,
    big-endian.
    """

    digits: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Fixed(Shape):
    """Exactly `size` bytes; digits as those of Bytes."""

    size: int
    digits: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Enum(Shape):
    """The index of a symbol; in Arrow the symbol's text. texts: the symbols, to take from."""

    symbols: tuple[str, ...]
    texts: pa.StringArray


@dataclass(frozen=True, slots=True)
class Decimal(Shape):
    """Unscaled two's complement, big-endian, behind its length, or in `size` bytes if fixed."""

    precision: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Array(Shape):
    """Blocks of items, ended by an empty one. weight: what an item takes in memory, see weights."""

    items: Shape
    weight: int


@dataclass(frozen=True, slots=True)
class Map(Shape):
    """Blocks of keys and values: on the wire an array of `entries`."""

    entries: "Record"
    weight: int


@dataclass(frozen=True, slots=True)
class Record(Shape):
    """The fields one after the other."""

    names: tuple[str, ...]
    fields: tuple[Shape, ...]
    schema: pa.Schema  # of batches whose rows it is


@dataclass(frozen=True, slots=True)
class Optional(Shape):
    """A union of null and one other: the branch, then the value if there is one."""

    inner: Shape
    null_branch: int


@dataclass(frozen=True, slots=True)
class Union(Shape):
    """Any other union; in Arrow the text of its Avro-JSON form, null for the null branch."""

    branches: tuple[Shape, ...]
    names: tuple[str, ...]


def field_of(name: str, shape: Shape) -> pa.Field:
    """The Arrow field that carries this shape; its metadata says what the type cannot."""
    nullable = isinstance(shape, Optional | Null) or (
        isinstance(shape, Union) and "null" in shape.names
    )
    return pa.field(name, shape.arrow, nullable=nullable, metadata=_metadata_of(shape))


def _metadata_of(shape: Shape) -> dict[str, str] | None:
    match shape:
        case Optional(inner=inner):
            return _metadata_of(inner)
        case Text(is_json=True):
            return {"logicalType": "json"}
        case Union():
            return {"logicalType": "avro-json"}
        case Bytes(digits=(precision, scale)) | Fixed(digits=(precision, scale)):
            return {"logicalType": "decimal", "precision": str(precision), "scale": str(scale)}
    return None
