"""From the source to the target: the table there equals the table here."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fix_load import Quay
from fix_snowflake import MakeSnowflake, connect
from fix_stack import Database
from strict_snowflake import StrictSnowflake

pytestmark = pytest.mark.real

COLUMNS = "product_id, name, category, price, updated_timestamp::text"


def once(environ: dict[str, str], fake: StrictSnowflake, folder: Path) -> None:
    own = {"ROWFERRY_STAGE": "@product_ingestion_stage/kafka_ingestion", "ROWFERRY_LOAD": "upsert"}
    done = subprocess.run(
        [sys.executable, "-m", "rowferry", "run", "--once"],
        env={**os.environ, **environ, **fake.settings, **fake.environment, **own},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_run_with_load_upsert_makes_the_target_equal_to_the_source(
    database: Database, stack_environ: Any, make_snowflake: MakeSnowflake, tmp_path: Path
) -> None:
    # GIVEN the products table, some rows of it
    fake = make_snowflake()
    database.execute(
        "CREATE TABLE products (product_id text PRIMARY KEY, name text, category text, "
        "price numeric(10,2), updated_timestamp timestamp DEFAULT clock_timestamp())"
    )
    database.execute(
        "INSERT INTO products "
        "SELECT 'P' || n, 'Näme ' || n, 'c', n / 4.0 FROM generate_series(1, 30) n"
    )
    environ = stack_environ(tables="public.products")
    once(environ, fake, tmp_path)
    # WHEN rows are updated and added, and all is carried again
    database.execute(
        "UPDATE products SET price = price + 1, updated_timestamp = clock_timestamp() "
        "WHERE product_id LIKE 'P1%'"
    )
    database.execute("INSERT INTO products VALUES ('neu', NULL, NULL, NULL)")
    once(environ, fake, tmp_path)
    # THEN the target equals the source
    with connect(fake) as connection, connection.cursor() as cursor:
        loaded = cursor.execute(f"SELECT {COLUMNS} FROM products ORDER BY 1").fetchall()
    source = database.query(f'SELECT {COLUMNS} FROM products ORDER BY product_id COLLATE "C"')
    assert [(*row[:4], row[4].rstrip("0")) for row in loaded] == [
        (*row[:4], row[4].rstrip("0")) for row in source
    ]


def test_each_type_arrives_in_its_column(quay: Quay) -> None:
    # GIVEN a line with a value of each type
    kinds: dict[str, tuple[Any, Any]] = {
        "whole": ("long", -(2**63)),
        # a text, as ROWFERRY_DECIMALS=string has it: the fake reads long numbers as floats
        "exact": (_decimal(38, 10), "1234567890123456789012345678.0123456789"),
        "text": ("string", 'a"\\N\n☕'),
        "flag": ("boolean", True),
        "infinite": ("double", "-Infinity"),
        "odd": ("float", "NaN"),
        "near": ("double", 0.1),
        "raw": ("bytes", "AP8="),
        "day": (_logical("int", "date"), "2026-11-24"),
        "hour": (_logical("long", "time-micros"), "15:04:05.123456"),
        "local": (_logical("long", "local-timestamp-micros"), "2026-11-24T15:04:05.123456"),
        "moment": (_logical("long", "timestamp-micros"), "2026-11-24T15:04:05.123456Z"),
        "items": ({"type": "array", "items": "int"}, [1, None]),
    }
    fields = [{"name": name, "type": ["null", kind]} for name, (kind, _) in kinds.items()]
    quay.create(schema={"type": "record", "name": "Kinds", "fields": fields})
    quay.stage({name: value for name, (_, value) in kinds.items()}, dict.fromkeys(kinds))
    quay.commit()
    # WHEN it is loaded THEN each value is there whole, and NULL is NULL
    quay.load()
    [full, empty] = quay.query(
        "SELECT whole, exact, text, flag, infinite, odd::text, near, raw, day::text, hour::text, "
        "local::text, moment::text, items[0]::int, array_size(items) FROM products ORDER BY whole"
    )
    assert full[:5] == (-(2**63), Decimal(kinds["exact"][1]), 'a"\\N\n☕', True, float("-inf"))
    assert (full[5].lower(), full[6], bytes(full[7])) == ("nan", 0.1, b"\x00\xff")
    assert full[8:10] == ("2026-11-24", "15:04:05.123456")
    assert [text[:26] for text in full[10:12]] == ["2026-11-24 15:04:05.123456"] * 2
    assert full[12:] == (1, 2)
    assert set(empty) == {None}


def _decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def _logical(avro: str, name: str) -> dict[str, Any]:
    return {"type": avro, "logicalType": name}
