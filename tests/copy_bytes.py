"""PostgreSQL's binary COPY, written value by value: what the column reader must meet."""

import struct
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from rowferry.types import Kind, Wire, avro_name

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
DAYS_TO_2000, MICROS_TO_2000 = 10_957, 946_684_800_000_000
INFINITE_DAYS, INFINITE_MICROS = {2**31 - 1, -(2**31)}, {2**63 - 1, -(2**63)}


def copy_of(wires: Sequence[Wire], rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """The chunks that a COPY of these rows hands over."""
    packed = [row_of(wires, row) for row in rows]
    if not packed:
        return [HEADER + TRAILER]
    return [HEADER + packed[0], *packed[1:], TRAILER]


def row_of(wires: Sequence[Wire], row: Sequence[Any]) -> bytes:
    values = (prefixed(octets_of(wire, value)) for wire, value in zip(wires, row, strict=True))
    return struct.pack(">h", len(wires)) + b"".join(values)


def prefixed(octets: bytes | None) -> bytes:
    return struct.pack(">i", -1) if octets is None else struct.pack(">i", len(octets)) + octets


def octets_of(wire: Wire, value: Any) -> bytes | None:
    """A value's binary form. Dates and times: days and µs since 1970; arrays: nested lists."""
    if value is None:
        return None
    if wire.element is not None:
        return array_of(wire.element, wire.depth, value)
    if wire.kind is Kind.COMPOSITE:
        fields = (prefixed(octets_of(field, value[name])) for name, field in inside(wire))
        return struct.pack(">i", len(wire.fields)) + b"".join(bytes(4) + field for field in fields)
    if wire.kind is Kind.HSTORE:
        parts = [
            prefixed(None if text is None else text.encode()) for pair in value for text in pair
        ]
        return struct.pack(">i", len(value)) + b"".join(parts)
    return PACKERS[wire.kind](value)


def inside(composite: Wire) -> list[tuple[str, Wire]]:
    """The fields by the names that they have in columns."""
    return [(avro_name(field.name), field) for field in composite.fields]


def array_of(element: Wire, depth: int, value: list[Any], lower_bound: int = 1) -> bytes:
    sizes, items = [], value
    for _ in range(depth):
        sizes.append(len(items))
        if len(sizes) < depth:
            items = [item for inner in items for item in inner]
    if not items:
        return struct.pack(">iii", 0, 0, 0)
    has_null = any(item is None for item in items)
    dimensions = b"".join(struct.pack(">ii", size, lower_bound) for size in sizes_of(value, depth))
    octets = b"".join(prefixed(octets_of(element, item)) for item in items)
    return struct.pack(">iii", depth, has_null, 0) + dimensions + octets


def sizes_of(value: list[Any], depth: int) -> list[int]:
    return [len(value)] + (sizes_of(value[0], depth - 1) if depth > 1 else [])


def numeric_of(value: Decimal) -> bytes:
    """numeric_send()'s digits: base 10000, without zeros at either end."""
    if not value.is_finite():
        sign = 0xC000 if value.is_nan() else (0xD000 if value > 0 else 0xF000)
        return struct.pack(">hhHh", 0, 0, sign, 0)
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)) + "0" * max(exponent, 0)
    scale = max(-exponent, 0)
    whole, fraction = (text[:-scale], text[-scale:].zfill(scale)) if scale else (text, "")
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    groups = [int((whole + fraction)[i : i + 4]) for i in range(0, len(whole + fraction), 4)]
    weight = len(whole) // 4 - 1
    while groups and not groups[0]:
        groups, weight = groups[1:], weight - 1
    while groups and not groups[-1]:
        groups = groups[:-1]
    head = struct.pack(
        ">hhHh", len(groups), weight if groups else 0, 0x4000 * (sign and bool(groups)), scale
    )
    return head + struct.pack(f">{len(groups)}h", *groups)


def days_of(value: int) -> bytes:
    return struct.pack(">i", value if value in INFINITE_DAYS else value - DAYS_TO_2000)


def micros_of(value: int) -> bytes:
    return struct.pack(">q", value if value in INFINITE_MICROS else value - MICROS_TO_2000)


PACKERS: dict[Kind, Callable[[Any], bytes]] = {
    Kind.BOOL: lambda value: bytes([value]),
    Kind.INT16: lambda value: struct.pack(">h", value),
    Kind.INT32: lambda value: struct.pack(">i", value),
    Kind.OID: lambda value: struct.pack(">I", value),
    Kind.INT64: lambda value: struct.pack(">q", value),
    Kind.FLOAT32: lambda value: struct.pack(">f", value),
    Kind.FLOAT64: lambda value: struct.pack(">d", value),
    Kind.NUMERIC: lambda value: numeric_of(Decimal(value)),
    Kind.TEXT: lambda value: str(value).encode(),
    Kind.JSON: lambda value: str(value).encode(),
    Kind.JSONB: lambda value: b"\x01" + str(value).encode(),
    Kind.BYTES: bytes,
    Kind.UUID: lambda value: uuid.UUID(value).bytes,
    Kind.DATE: days_of,
    Kind.TIME: lambda value: struct.pack(">q", value),
    Kind.TIMESTAMP: micros_of,
}
