"""examples/products: exactly the first user's table and settings, from rows to staged files."""

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from fix_cli import Rowferry
from fix_stack import Database, KafkaBroker, RegistryServer, SnowflakeServer

pytestmark = pytest.mark.real

EXAMPLE = Path(__file__).parents[2] / "examples" / "products"
SEED_NAMES = {
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"),
    *("KAFKA_SERVER", "KAFKA_USERNAME", "KAFKA_PASSWORD"),
    *("SCHEMA_SERVER", "SCHEMA_USERNAME", "SCHEMA_PASSWORD"),
    *("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PASSWORD", "SNOWFLAKE_WAREHOUSE"),
    *("SNOWFLAKE_DATABASE", "SNOWFLAKE_SCHEMA", "SNOWFLAKE_ROLE"),
}


@pytest.fixture
def environ(
    database: Database, kafka: KafkaBroker, registry: RegistryServer, fakesnow: SnowflakeServer
) -> dict[str, str]:
    """The example's settings, its empty ones filled in with the local parts' accounts."""
    example = {k: v for k, v in dotenv_values(EXAMPLE / "env.example").items() if v}
    accounts = {**database.environ, **kafka.environ, **registry.environ, **fakesnow.environ}
    return {**accounts, **example}


def staged_lines(fakesnow: SnowflakeServer) -> list[dict[str, Any]]:
    """Load the stage as Snowflake does, and select it."""
    with closing(fakesnow.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("CREATE OR REPLACE TABLE products_example (line VARIANT)")
        stage = "@product_ingestion_stage/kafka_ingestion"
        cursor.execute(f"COPY INTO products_example FROM {stage} FILE_FORMAT = (TYPE = JSON)")
        cursor.execute("SELECT line FROM products_example")
        return [json.loads(line, parse_float=Decimal) for (line,) in cursor]


def test_the_example_names_all_settings_of_the_first_user() -> None:
    assert dotenv_values(EXAMPLE / "env.example").keys() >= SEED_NAMES


def test_thirty_products_reach_the_stage_with_exact_prices_and_microseconds(
    database: Database,
    fakesnow: SnowflakeServer,
    environ: dict[str, str],
    rowferry: Rowferry,
) -> None:
    # GIVEN the example's table
    database.execute((EXAMPLE / "products.sql").read_text())

    # WHEN what is there is sent and staged
    sent = rowferry.run(environ, "send", "--once")
    assert sent.code == 0, sent.stderr
    staged = rowferry.run(environ, "receive", "--once")
    assert staged.code == 0, staged.stderr

    # THEN every row is a line, cell by cell as the database has it
    lines = staged_lines(fakesnow)
    cells = "product_id, name, category, price, to_char(updated_timestamp, %s)"
    iso = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    rows = database.query(f"SELECT {cells} FROM products ORDER BY 1", (iso,))
    names = ("product_id", "name", "category", "price", "updated_timestamp")
    found = sorted(tuple(line[name] for name in names) for line in lines)
    assert len(found) == 30
    assert found == rows
    assert {line["_op"] for line in lines} == {"u"}

    # AND the proof says so
    proof = rowferry.run(environ, "verify", "--json")
    assert proof.code == 0, proof.stdout
    assert json.loads(proof.stdout)["complete"] is True

    # AND doing it again adds nothing
    assert rowferry.run(environ, "send", "--once").code == 0
    assert rowferry.run(environ, "receive", "--once").code == 0
    assert len(staged_lines(fakesnow)) == 30
