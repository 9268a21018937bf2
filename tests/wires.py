"""A wire of every kind, as the catalog would give it, for tests of the kernel."""

from typing import Any

from rowferry.model import Column
from rowferry.types import Wire, wire_of


def column(name: str, pg_type: str, oid: int, mod: int = -1, **rest: Any) -> Column:
    base = {"base_oid": oid, "base_mod": mod, "nullable": True, **rest}
    return Column(name=name, pg_type=pg_type, **base)


def numeric_mod(precision: int, scale: int) -> int:
    return ((precision << 16) | (scale & 0x7FF)) + 4


def numeric(name: str, precision: int, scale: int) -> Column:
    return column(name, f"numeric({precision},{scale})", 1700, numeric_mod(precision, scale))


PRODUCTS = (
    column("product_id", "text", 25, nullable=False),
    column("name", "text", 25, nullable=False),
    column("category", "text", 25),
    numeric("price", 10, 2),
    column("updated_timestamp", "timestamp with time zone", 1184, nullable=False),
)
SCALARS = (
    column("bool", "boolean", 16),
    column("int2", "smallint", 21),
    column("int4", "integer", 23),
    column("int8", "bigint", 20),
    column("oid", "oid", 26),
    column("float4", "real", 700),
    column("float8", "double precision", 701),
    numeric("narrow", 10, 2),
    numeric("wide", 38, 9),
    numeric("widest", 76, 30),
    column("numeric", "numeric", 1700),
    column("text", "text", 25),
    column("bytea", "bytea", 17),
    column("uuid", "uuid", 2950),
    column("jsonb", "jsonb", 3802),
    column("date", "date", 1082),
    column("time", "time without time zone", 1083),
    column("timestamp", "timestamp without time zone", 1114),
    column("timestamptz", "timestamp with time zone", 1184),
)
PLACE = column(
    "place", "place", 90_000, fields=(column("id", "integer", 23), column("the name", "text", 25))
)
NESTED = (
    column("ints", "integer[]", 1007, element_oid=23, dimensions=1),
    column("texts", "text[]", 1009, element_oid=25, dimensions=2),
    PLACE,
    column("places", "place[]", 90_001, element_oid=90_000, dimensions=1, fields=PLACE.fields),
    column("hstore", "hstore", 90_002),
)


def wires_of(*columns: Column) -> list[Wire]:
    return [wire_of(each) for each in columns]
