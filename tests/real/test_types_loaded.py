"""Values of each type in the columns of the target that the loader makes for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from fix_crossing import KEY, QUALIFIED, SUFFIX, TEXTS, begin
from fix_snowflake import MakeSnowflake, connect
from fix_stack import Database, KafkaBroker, RegistryServer
from line_literals import literal_of
from rowferry.types import Kind, Wire, wire_of
from type_literals import LITERALS

pytestmark = [pytest.mark.real, pytest.mark.types]

PLAIN = [
    *("boolean", "smallint", "integer", "bigint", "oid", "real", "double precision"),
    *("numeric(10,2)", "numeric(4,4)", "numeric(4,0)", "numeric(38,10)", "numeric(38,38)"),
    *("numeric(60,20)", "numeric", "money", "text", "varchar(10)", "char(5)", "bytea", "uuid"),
    *("json", "jsonb", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "inet"),
    *("cidr", "int4range", "tsvector", "point", "mood", "price", "integer[]", "integer[][]"),
    *("text[]", "boolean[]", "hstore", "place", "place[]"),
]
# Not numeric(38,0): the fake's NUMBER(38,0) has 19 digits. Not -0: it reads it as an integer.
# Snowflake's dates and times begin with year 1, end with 9999, and have no infinity and no 24:00.
BEYOND = ("BC", "infinity", "24:00:00", "10000", "294247", "5874897", "-infinity")
TIMES = ("date", "time", "timestamp", "timestamptz")
EVERY = {
    name: [
        text
        for text in LITERALS[name]
        if text != "-0" and (name not in TIMES or not any(word in text for word in BEYOND))
    ]
    for name in PLAIN
} | TEXTS
LOADING = {
    "ROWFERRY_STAGE": "@product_ingestion_stage/types",
    "ROWFERRY_LOAD": "append",
    "ROWFERRY_LOAD_TABLE": "every_type",
    "ROWFERRY_DECIMALS": "string",  # the fake reads long numbers as floats
}


def renaming(names: list[str]) -> str:
    """The columns as c0, c1, …: the fake has no paths to names like `numeric(10,2)`."""
    tables = []
    for number, name in enumerate(names):
        table, column = (json.dumps(each, ensure_ascii=False) for each in (QUALIFIED, name))
        form = 'as = "string"' if name.endswith(SUFFIX) else ""
        tables.append(f'[table.{table}.columns.{column}]\nrename = "c{number}"\n{form}\n')
    return "".join(tables)


def literals_of(wire: Wire, value: Any) -> str | None:
    """What PostgreSQL takes, from the text of the value in the target's column."""
    is_inner = wire.element is not None or wire.kind in (Kind.COMPOSITE, Kind.HSTORE)
    if value is None or not is_inner:
        return f"\\x{value.hex()}" if isinstance(value, bytes | bytearray) else value
    return literal_of(wire, json.loads(value, parse_int=str, parse_float=str))


def test_each_value_is_in_the_target_as_it_was(
    database: Database,
    kafka: KafkaBroker,
    registry: RegistryServer,
    make_snowflake: MakeSnowflake,
    tmp_path: Path,
) -> None:
    # GIVEN boundary values of types, within what Snowflake's types have
    fake = make_snowflake()
    assert sum(map(len, EVERY.values())) > 130
    crossing = begin(database, {**kafka.environ, **registry.environ}, tmp_path, EVERY)
    crossing.fill()
    # WHEN they are sent, staged and loaded into the table that the loader makes
    (tmp_path / "rowferry.toml").write_text(renaming([KEY, *EVERY]))
    crossing.environ |= {**fake.settings, **fake.environment, **LOADING}
    crossing.run("run", "--once")
    # THEN PostgreSQL takes each back as it was
    wires = {name: wire_of(crossing.columns[name]) for name in EVERY}
    with connect(fake) as connection, connection.cursor() as cursor:
        for number, (name, wire) in enumerate(wires.items(), 1):
            as_text = f"c{number}" if wire.kind is Kind.BYTES else f"c{number}::VARCHAR"
            cursor.execute(f"SELECT {as_text} FROM every_type ORDER BY c0")
            texts = [literals_of(wire, value) for (value,) in cursor]
            assert len(texts) == crossing.rows
            assert crossing.changed(name, texts) == [], name
