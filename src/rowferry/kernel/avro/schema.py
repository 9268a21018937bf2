"""Avro schema → shapes: names, logical types, and the gate for hostile schemas."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from rowferry.kernel.avro.reasons import SchemaRefused
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
    field_of,
)
from rowferry.kernel.avro.weights import bytes_of, weight_of

DEEPEST: Final = 32
MOST_BYTES: Final = 1 << 20
LONGEST_NAME: Final = 1024  # of a field, a symbol, a type: a byte may stand for one in a line
MOST_ROW_BYTES: Final = 1 << 20  # as Arrow has them, also of a row that is nulls
MOST_SHAPES: Final = 10_000  # a kilobyte of named types that use each other twice is 2^32 columns
WIDEST_ARROW_DECIMAL: Final = 76
WIDEST_FIXED_DECIMAL: Final = 48  # bytes; wider ones stay bytes
WIDEST_DECIMAL128: Final = 38

PRIMITIVES: Final[dict[str, Shape]] = {
    "null": Null(pa.null(), 0),
    "boolean": Boolean(pa.bool_(), 1),
    "int": Varint(pa.int32(), 1, 32),
    "long": Varint(pa.int64(), 1, 64),
    "float": Float(pa.float32(), 4, 4),
    "double": Float(pa.float64(), 8, 8),
    "bytes": Bytes(pa.binary(), 1),
    "string": Text(pa.utf8(), 1),
}
LOGICAL: Final[dict[tuple[str, str], Shape]] = {
    ("int", "date"): Varint(pa.date32(), 1, 32),
    ("int", "time-millis"): Varint(pa.time32("ms"), 1, 32),
    ("long", "time-micros"): Varint(pa.time64("us"), 1, 64),
    ("long", "timestamp-millis"): Varint(pa.timestamp("ms", tz="UTC"), 1, 64),
    ("long", "timestamp-micros"): Varint(pa.timestamp("us", tz="UTC"), 1, 64),
    ("long", "timestamp-nanos"): Varint(pa.timestamp("ns", tz="UTC"), 1, 64),
    ("long", "local-timestamp-millis"): Varint(pa.timestamp("ms"), 1, 64),
    ("long", "local-timestamp-micros"): Varint(pa.timestamp("us"), 1, 64),
    ("long", "local-timestamp-nanos"): Varint(pa.timestamp("ns"), 1, 64),
    ("string", "json"): Text(pa.utf8(), 1, is_json=True),
}
NAMED: Final = {"record", "error", "enum", "fixed"}


def shape_of(schema: Mapping[str, Any] | str) -> Shape:
    """Resolve a schema, given as a mapping or as JSON text.

    Raises SchemaRefused for what is not Avro, and for recursive types, nesting deeper than 32,
    array items that take no bytes, more than 10,000 columns, more than 1 MB, names of more than
    1,024 letters, rows that take more than 1 MB of memory also where they are nulls.
    """
    try:
        shape = Resolver().resolve(_parsed(schema), "", 0)
    except RecursionError as deep:
        raise SchemaRefused(f"the schema is nested deeper than {DEEPEST}") from deep
    except SchemaRefused:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, pa.ArrowException) as odd:
        raise SchemaRefused(f"this is not an Avro schema ({type(odd).__name__})") from odd
    if bytes_of(shape) > MOST_ROW_BYTES:
        raise SchemaRefused("the schema's rows take more than 1 MB even if they are nulls")
    return shape


def check_gate(schema: Mapping[str, Any] | str) -> None:
    """Refuse a hostile schema. Raises SchemaRefused."""
    shape_of(schema)


def _parsed(schema: Mapping[str, Any] | str) -> Any:
    """JSON, or the bare name of a primitive."""
    text = schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False)
    if len(text) > MOST_BYTES:
        raise SchemaRefused("the schema is larger than 1 MB")
    if text in PRIMITIVES:
        return text
    parsed = json.loads(text)
    json.dumps(parsed, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return parsed


class Resolver:
    """Walks one schema; knows the names met so far and how many shapes they have become."""

    def __init__(self) -> None:
        self.named: dict[str, tuple[Shape, int]] = {}  # with the number of shapes inside
        self.open: set[str] = set()
        self.shapes = 0

    def resolve(self, schema: Any, namespace: str, depth: int) -> Shape:
        """The shape of a schema inside this namespace, at this depth."""
        if depth > DEEPEST:
            raise SchemaRefused(f"the schema is nested deeper than {DEEPEST}")
        self._count(1)
        if isinstance(schema, str):
            return self._by_name(schema, namespace)
        if isinstance(schema, Sequence):
            return self._union(schema, namespace, depth)
        kind = schema["type"]
        if not isinstance(kind, str):  # {"type": {"type": …}}
            return self.resolve(kind, namespace, depth + 1)
        if kind in PRIMITIVES:
            return _logical(schema, PRIMITIVES[kind])
        return self._composite(kind, schema, namespace, depth)

    def _composite(self, kind: str, schema: Any, namespace: str, depth: int) -> Shape:
        if kind in NAMED:
            return self._definition(kind, schema, namespace, depth)
        if kind == "array":
            return self._array(self.resolve(schema["items"], namespace, depth + 1))
        if kind == "map":
            return self._map(self.resolve(schema["values"], namespace, depth + 1))
        return self._by_name(kind, namespace)

    def _count(self, more: int) -> None:
        self.shapes += more
        if self.shapes > MOST_SHAPES:
            raise SchemaRefused(f"the schema has more than {MOST_SHAPES} columns")

    def _by_name(self, name: str, namespace: str) -> Shape:
        if name in PRIMITIVES:
            return PRIMITIVES[name]
        for full in (name,) if "." in name else (f"{namespace}.{name}".lstrip("."), name):
            if full in self.open:
                raise SchemaRefused("the schema is recursive")
            if full in self.named:
                shape, inside = self.named[full]
                self._count(inside)
                return shape
        raise SchemaRefused(f"the schema uses a type it does not define: {name[:80]!r}")

    def _definition(self, kind: str, schema: Any, namespace: str, depth: int) -> Shape:
        full = _full_name(schema, namespace)
        inner = full.rpartition(".")[0]
        before = self.shapes
        self.open.add(full)
        if kind == "enum":
            symbols = _short(schema["symbols"])
            shape: Shape = Enum(pa.utf8(), 1, symbols, pa.array(symbols, pa.utf8()))
        elif kind == "fixed":
            size = _natural(schema["size"])
            shape = _logical(schema, Fixed(pa.binary(size), size, size))
        else:
            fields = schema["fields"]
            shapes = [self.resolve(field["type"], inner, depth + 1) for field in fields]
            shape = record_of([field["name"] for field in fields], shapes)
        self.open.remove(full)
        self.named[full] = (shape, self.shapes - before)
        return shape

    def _array(self, items: Shape) -> Shape:
        if items.least == 0:
            raise SchemaRefused("the schema has array items that take no bytes")
        return Array(pa.list_(field_of("item", items)), 1, items, weight_of(items))

    def _map(self, values: Shape) -> Shape:
        entries = record_of(["key", "value"], [PRIMITIVES["string"], values])
        return Map(pa.map_(pa.utf8(), field_of("value", values)), 1, entries, weight_of(entries))

    def _union(self, schema: Sequence[Any], namespace: str, depth: int) -> Shape:
        branches = tuple(self.resolve(branch, namespace, depth + 1) for branch in schema)
        is_null = [isinstance(branch, Null) for branch in branches]
        if sorted(is_null) == [False, True]:
            inner = branches[is_null.index(False)]
            if not isinstance(inner, Union | Optional):
                return Optional(inner.arrow, 1, inner, is_null.index(True))
        if not branches:
            raise SchemaRefused("the schema has a union of nothing")
        names = tuple(_branch_name(branch, namespace) for branch in schema)
        return Union(pa.utf8(), 1, branches, names)


def record_of(names: Sequence[str], shapes: Sequence[Shape]) -> Record:
    """A record of these fields. Raises SchemaRefused for names that are odd or come twice."""
    if len(set(_short(names))) < len(names):
        raise SchemaRefused("the schema has a record with two fields of one name")
    fields = [field_of(name, shape) for name, shape in zip(names, shapes, strict=True)]
    least = sum(shape.least for shape in shapes)
    return Record(pa.struct(fields), least, tuple(names), tuple(shapes), pa.schema(fields))


def _full_name(schema: Any, namespace: str) -> str:
    """Aliases are not for use inside a schema, and may be the name of another type in it."""
    [name] = _short([schema["name"]])
    space = schema.get("namespace")
    full = name if "." in name else f"{namespace if space is None else space}.{name}".lstrip(".")
    return _short([full])[0]


def _short(names: Iterable[Any]) -> tuple[str, ...]:
    """The names. Raises SchemaRefused for one that is too long, or no text."""
    told = tuple(names)
    if not all(isinstance(name, str) for name in told):
        raise SchemaRefused("the schema has a name that is no text")
    if max(map(len, told), default=0) > LONGEST_NAME:
        raise SchemaRefused(f"the schema has a name of more than {LONGEST_NAME} letters")
    return told


def _branch_name(schema: Any, namespace: str) -> str:
    """What Avro's JSON form calls a branch."""
    if isinstance(schema, str):
        dotted = f"{namespace}.{schema}".lstrip(".")
        return schema if schema in PRIMITIVES or "." in schema else dotted
    kind = schema["type"]
    return _full_name(schema, namespace) if kind in NAMED else str(kind)


def _logical(schema: Any, plain: Shape) -> Shape:
    """The shape of a logical type; of the plain type where it is unknown or does not fit."""
    logical = schema.get("logicalType")
    if logical == "decimal" and isinstance(plain, Bytes | Fixed):
        return _decimal(schema, plain)
    kind = schema["type"]
    return LOGICAL.get((kind, logical), plain) if isinstance(logical, str) else plain


def _decimal(schema: Any, plain: Bytes | Fixed) -> Shape:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    fits = isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision
    if not fits or precision == 0:
        return plain
    if precision > WIDEST_ARROW_DECIMAL or plain.least > WIDEST_FIXED_DECIMAL:
        return replace(plain, digits=(precision, scale))
    arrow = pa.decimal128 if precision <= WIDEST_DECIMAL128 else pa.decimal256
    size = plain.size if isinstance(plain, Fixed) else None
    return Decimal(arrow(precision, scale), plain.least, precision, size)


def _natural(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 31:
        raise SchemaRefused("the schema has a fixed type without a size")
    return size
