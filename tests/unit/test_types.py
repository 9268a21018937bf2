"""The mapping table: each PostgreSQL type has one reading, one Arrow type, one Avro type."""

import pyarrow as pa
import pytest

from rowferry.model import Column
from rowferry.types import (
    JSON,
    Kind,
    avro_name,
    avro_of,
    decimal_digits,
    named,
    original_name,
    select_expression,
    wire_of,
)
from wires import PLACE, column, numeric

DECIMAL = {"type": "bytes", "logicalType": "decimal"}
SIMPLE = {
    16: ("boolean", pa.bool_(), "boolean"),
    21: ("smallint", pa.int32(), "int"),
    23: ("integer", pa.int32(), "int"),
    26: ("oid", pa.int64(), "long"),
    20: ("bigint", pa.int64(), "long"),
    700: ("real", pa.float32(), "float"),
    701: ("double precision", pa.float64(), "double"),
    25: ("text", pa.utf8(), "string"),
    1043: ("character varying(20)", pa.utf8(), "string"),
    1042: ("character(5)", pa.utf8(), "string"),
    114: ("json", pa.utf8(), JSON),
    3802: ("jsonb", pa.utf8(), JSON),
    17: ("bytea", pa.binary(), "bytes"),
    2950: ("uuid", pa.utf8(), {"type": "string", "logicalType": "uuid"}),
    1082: ("date", pa.date32(), {"type": "int", "logicalType": "date"}),
    1083: (
        "time without time zone",
        pa.time64("us"),
        {"type": "long", "logicalType": "time-micros"},
    ),
    1114: (
        "timestamp without time zone",
        pa.timestamp("us"),
        {"type": "long", "logicalType": "local-timestamp-micros"},
    ),
    1184: (
        "timestamp with time zone",
        pa.timestamp("us", "UTC"),
        {"type": "long", "logicalType": "timestamp-micros"},
    ),
}


@pytest.mark.parametrize("oid", SIMPLE)
def test_a_scalar_is_read_in_its_own_form(oid: int) -> None:
    pg_type, arrow_type, avro = SIMPLE[oid]
    one = column("c", pg_type, oid)
    wire = wire_of(one)
    assert (wire.arrow_type, wire.cast, avro_of(one)) == (arrow_type, "", avro)
    assert select_expression(wire, '"c"') == '"c"'


@pytest.mark.parametrize(
    ("pg_type", "oid"),
    [("interval", 1186), ("macaddr", 829), ("mood", 70_000), ("tsvector", 3614), ('"char"', 18)],
)
def test_a_type_without_a_reader_travels_as_its_text(pg_type: str, oid: int) -> None:
    wire = wire_of(column("c", pg_type, oid))
    assert wire.as_text
    assert (wire.kind, wire.arrow_type) == (Kind.TEXT, pa.utf8())
    assert select_expression(wire, '"c"') == '"c"::text'


@pytest.mark.parametrize(
    ("precision", "scale", "arrow_type"),
    [
        (10, 2, pa.decimal128(10, 2)),
        (38, 38, pa.decimal128(38, 38)),
        (39, 0, pa.decimal256(39, 0)),
        (76, 10, pa.decimal256(76, 10)),
    ],
)
def test_a_numeric_with_precision_is_a_decimal(
    precision: int, scale: int, arrow_type: pa.DataType
) -> None:
    one = numeric("c", precision, scale)
    assert wire_of(one).arrow_type == arrow_type
    assert avro_of(one) == {**DECIMAL, "precision": precision, "scale": scale}


@pytest.mark.parametrize(("precision", "scale"), [(3, -2), (2, 5), (77, 0), (1000, 500)])
def test_a_numeric_that_is_no_avro_decimal_travels_as_text(precision: int, scale: int) -> None:
    one = numeric("c", precision, scale)
    assert decimal_digits(one.base_mod) is None
    assert (wire_of(one).arrow_type, avro_of(one)) == (pa.utf8(), "string")


def test_a_numeric_without_precision_travels_as_text() -> None:
    one = column("c", "numeric", 1700)
    assert (wire_of(one).arrow_type, avro_of(one)) == (pa.utf8(), "string")
    assert select_expression(wire_of(one), '"c"') == '"c"'


def test_money_is_a_decimal_whose_fraction_the_server_tells() -> None:
    one = column("c", "money", 790)
    assert select_expression(wire_of(one), '"c"') == '"c"::numeric'
    assert avro_of(one) == {**DECIMAL, "precision": 19, "scale": 2}


def test_a_domain_is_its_base_type() -> None:
    domain = column("c", "price", 80_000, base_oid=1700, base_mod=numeric("", 5, 2).base_mod)
    assert avro_of(domain) == {**DECIMAL, "precision": 5, "scale": 2}


def test_an_array_nests_as_deep_as_it_is_declared() -> None:
    one = column("c", "integer[]", 1007, element_oid=23, dimensions=2)
    assert wire_of(one).arrow_type == pa.list_(
        pa.field("item", pa.list_(pa.int32()), nullable=False)
    )
    items = {"type": "array", "items": ["null", "int"]}
    assert avro_of(one) == {"type": "array", "items": items}


def test_an_array_keeps_its_elements_type_modifier() -> None:
    one = column("c", "numeric(5,2)[]", 1231, numeric("", 5, 2).base_mod, element_oid=1700)
    assert wire_of(one).arrow_type == pa.list_(pa.decimal128(5, 2))


def test_elements_without_a_reader_are_an_array_of_text() -> None:
    wire = wire_of(column("c", "interval[]", 1187, element_oid=1186))
    assert (wire.arrow_type, wire.as_text) == (pa.list_(pa.utf8()), False)
    assert select_expression(wire, '"c"') == '"c"::text[]'


def trip(name: str = "trip") -> Column:
    return column(name, "trip", 91_000, fields=(PLACE, column("length", "interval", 1186)))


def test_a_composite_is_taken_apart_where_a_field_needs_its_text() -> None:
    assert select_expression(wire_of(PLACE), '"place"') == '"place"'
    assert select_expression(wire_of(trip()), '"t"') == (
        'CASE WHEN "t" IS NOT DISTINCT FROM NULL THEN NULL '
        'ELSE ROW(("t")."place", ("t")."length"::text) END'
    )


def test_an_array_of_such_composites_is_text() -> None:
    one = column("c", "trip[]", 91_001, element_oid=91_000, fields=trip().fields)
    assert wire_of(one).as_text


def test_records_in_records_have_names_of_their_own() -> None:
    avro = avro_of(trip(), "shop.Order")
    assert (avro["name"], avro["namespace"]) == ("trip", "shop.Order")
    place = avro["fields"][0]["type"][1]
    assert (place["name"], place["namespace"]) == ("place", "shop.Order.trip")
    assert [original_name(field) for field in place["fields"]] == ["id", "the name"]


def test_hstore_is_a_map() -> None:
    for pg_type in ("hstore", "public.hstore", 'ext."hstore"'):
        assert avro_of(column("c", pg_type, 99)) == {"type": "map", "values": ["null", "string"]}


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("unit price", "unit_x20_price"),
        ("2nd", "_x32_nd"),
        ("größe", "gr_xf6__xdf_e"),
        ("a_xf6_b", "a_x5f_xf6_b"),
        ("pos_x", "pos_x"),
        ("pos_x_axis", "pos_x_axis"),
    ],
)
def test_names_are_made_valid_and_the_original_is_kept(name: str, valid: str) -> None:
    assert avro_name(name) == valid
    assert named(name).get("rowferry.name", name) == name
    assert original_name(named(name)) == name
