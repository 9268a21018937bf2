"""What is read of a column → its Avro type."""

from typing import Any

import pyarrow as pa

from rowferry.model import Column
from rowferry.types.names import avro_name, named
from rowferry.types.wires import SCALARS, Kind, Wire, logical, wire_of


def avro_of(column: Column, namespace: str = "") -> Any:
    """The Avro type of the column's values, without the null that a nullable column adds.

    namespace: that of a composite's record; by it, records of equal names stay apart.
    """
    return _avro(wire_of(column), namespace)


def _avro(wire: Wire, namespace: str) -> Any:
    match wire:
        case Wire(kind=Kind.ARRAY, element=Wire() as element):
            avro: Any = ["null", _avro(element, namespace)]
            for _ in range(wire.depth):
                avro = {"type": "array", "items": avro}
            return avro
        case Wire(kind=Kind.COMPOSITE):
            return _record(wire, namespace)
        case Wire(labels=labels) if labels:
            place = {"namespace": namespace} if namespace else {}
            return named(wire.name, type="enum", **place, symbols=list(labels))
        case Wire(kind=Kind.HSTORE):
            return {"type": "map", "values": ["null", "string"]}
        case Wire(kind=Kind.NUMERIC, arrow_type=decimal) if pa.types.is_decimal(decimal):
            digits = {"precision": decimal.precision, "scale": decimal.scale}
            return {"type": "bytes", "logicalType": "decimal", **digits}
        case _:
            return _AVRO[wire.kind, wire.arrow_type]


def _record(wire: Wire, namespace: str) -> dict[str, Any]:
    """A composite as a record, whose own records live in a namespace of its name."""
    inside = f"{namespace}.{avro_name(wire.name)}".lstrip(".")
    fields = [
        named(field.name, type=["null", _avro(field, inside)], default=None)
        for field in wire.fields
    ]
    place = {"namespace": namespace} if namespace else {}
    return named(wire.name, type="record", **place, fields=fields)


_AVRO = {(scalar.kind, scalar.arrow_type): scalar.avro for scalar in SCALARS.values()}
_AVRO[Kind.NUMERIC, pa.utf8()] = "string"
_AVRO[Kind.TIMESTAMP, pa.timestamp("ms")] = logical("long", "local-timestamp-millis")
_AVRO[Kind.TIMESTAMP, pa.timestamp("ms", "UTC")] = logical("long", "timestamp-millis")
