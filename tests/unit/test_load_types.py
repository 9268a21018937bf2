"""The types of the target's columns: wide enough for every version of the schema, or refused."""

from typing import Any

import pytest

from rowferry.errors import Code, ConfigError
from rowferry.flow.stage.load_columns import (
    as_described,
    key_of,
    metadata_columns,
    refuse_equal_names,
    row_columns,
)
from rowferry.types.snowflake import described_type, snowflake_type


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def logical(avro: str, name: str) -> dict[str, Any]:
    return {"type": avro, "logicalType": name}


@pytest.mark.parametrize(
    ("avro", "sql"),
    [
        ("boolean", "BOOLEAN"),
        ("int", "NUMBER(38,0)"),
        (["null", "long"], "NUMBER(38,0)"),
        ("double", "FLOAT"),
        ("string", "VARCHAR"),
        ("bytes", "BINARY"),
        (decimal(10, 2), "NUMBER(10,2)"),
        (decimal(38, 37), "NUMBER(38,37)"),
        (decimal(38, 38), "VARCHAR"),
        (decimal(39, 2), "VARCHAR"),
        (logical("string", "uuid"), "VARCHAR"),
        (logical("int", "date"), "DATE"),
        (logical("long", "time-micros"), "TIME(6)"),
        (logical("long", "local-timestamp-micros"), "TIMESTAMP_NTZ(6)"),
        (logical("long", "timestamp-micros"), "TIMESTAMP_TZ(6)"),
        ({"type": "array", "items": "int"}, "ARRAY"),
        ({"type": "map", "values": "string"}, "OBJECT"),
        ({"type": "record", "name": "r", "fields": []}, "OBJECT"),
        ({"type": "enum", "name": "e", "symbols": ["a"]}, "VARCHAR"),
        (["null", "int", "string"], "VARIANT"),
        ("shop.Named", "VARIANT"),
    ],
)
def test_each_avro_type_has_its_column(avro: object, sql: str) -> None:
    assert snowflake_type(avro).sql == sql


@pytest.mark.parametrize(
    ("target", "values", "holds"),
    [
        ("NUMBER(38,0)", "NUMBER(38,0)", True),
        ("NUMBER(12,2)", "NUMBER(10,2)", True),
        ("NUMBER(10,1)", "NUMBER(10,2)", False),
        ("NUMBER(10,4)", "NUMBER(10,2)", False),
        ("FLOAT", "NUMBER(10,2)", False),
        ("VARCHAR(16777216)", "NUMBER(10,2)", True),
        ("VARIANT", "ARRAY", True),
        ("TIMESTAMP_NTZ(9)", "TIMESTAMP_NTZ(6)", True),
        ("TIMESTAMP_NTZ(3)", "TIMESTAMP_NTZ(6)", False),
        ("TIMESTAMP_NTZ(9)", "TIMESTAMP_TZ(6)", False),
        ("TIME(9)", "TIME(6)", True),
        ("BINARY(8388608)", "BINARY", True),
        ("DATE", "TIMESTAMP_NTZ(6)", False),
        ("NUMBER(38,0)", "BOOLEAN", False),
    ],
)
def test_a_column_holds_what_it_keeps_whole(target: str, values: str, holds: bool) -> None:
    assert described_type(target).holds(described_type(values)) is holds


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("int", "long", "NUMBER(38,0)"),
        (decimal(10, 2), decimal(12, 4), "NUMBER(12,4)"),
        (decimal(10, 0), decimal(5, 4), "NUMBER(14,4)"),
        (decimal(38, 0), decimal(38, 30), "VARCHAR"),
        ("long", "string", "VARCHAR"),
        ("long", "double", "VARIANT"),
        (logical("int", "date"), "long", "VARIANT"),
    ],
)
def test_two_versions_of_a_column_get_a_type_for_both(one: Any, other: Any, both: str) -> None:
    schemas = [{"fields": [{"name": "c", "type": kind}]} for kind in (one, other)]
    for ordered in (schemas, schemas[::-1]):
        assert [column.kind.sql for column in row_columns(ordered, [])] == [both]


NEW = {
    "rowferry.key": ["id"],
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "unit_x20_price", "rowferry.name": "unit price", "type": ["null", "double"]},
    ],
}
OLD = {"fields": [{"name": "id", "type": ["null", "int"]}, {"name": "gone", "type": "string"}]}


def test_columns_of_all_versions_are_kept_under_the_names_that_lines_have() -> None:
    columns = row_columns([NEW, OLD], ["id"])
    told = [(c.name, c.source, c.is_key, c.nullable) for c in columns]
    assert told == [
        ("ID", "id", True, True),
        ("unit price", "unit price", False, True),
        ("GONE", "gone", False, False),
    ]


def test_the_key_is_the_schemas_or_the_settings() -> None:
    assert key_of([NEW, OLD], [], "t") == ["id"]
    assert key_of([NEW, OLD], ["gone", "id"], "t") == ["gone", "id"]
    for schemas, wanted in (([OLD], ()), ([NEW], ("nope",)), ([], ())):
        with pytest.raises(ConfigError, match="ROWFERRY_LOAD_KEY"):
            key_of(schemas, wanted, "t")


def test_two_names_for_one_column_are_refused() -> None:
    fields = [{"name": "price", "type": "int"}, {"name": "PRICE", "type": "int"}]
    with pytest.raises(ConfigError, match="'price' and 'PRICE'"):
        refuse_equal_names(row_columns([{"fields": fields}], []), "t")
    taken = [*row_columns([{"fields": [{"name": "_OP", "type": "int"}]}], [])]
    with pytest.raises(ConfigError, match="_OP"):
        refuse_equal_names([*taken, *metadata_columns(["_op"])], "t")


def test_metadata_is_loaded_under_the_names_that_the_settings_give() -> None:
    columns = metadata_columns(["_op=kind", "_timestamp"])
    assert [(c.name, c.source, c.metadata) for c in columns] == [
        ("KIND", "kind", "_op"),
        ("_TIMESTAMP", "_timestamp", "_timestamp"),
    ]


def test_values_are_taken_in_the_type_that_the_table_has() -> None:
    columns = row_columns([NEW], [])
    has = {"ID": described_type("VARCHAR(100)"), "unit price": described_type("FLOAT")}
    one, two = as_described(columns, has, "t")
    assert one.value("$1") == '$1:"id"::VARCHAR'
    assert two.value("v").startswith("CASE v:\"unit price\"::VARCHAR WHEN 'Infinity' THEN 'inf'")
    with pytest.raises(ConfigError) as small:
        as_described(columns, {**has, "ID": described_type("NUMBER(10,0)")}, "t")
    assert small.value.code is Code.TARGET_UNFIT
