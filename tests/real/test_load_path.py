"""From the source to the target: the table there equals the table here."""

import os
import signal
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from snowflake.connector.errors import ProgrammingError

from fix_cli import Rowferry
from fix_load import Quay
from fix_receive import wait_until
from fix_snowflake import MakeSnowflake, connect
from fix_stack import Database
from rowferry.config import Settings
from rowferry.kafka import producer_config
from rowferry.run.loader import run_loader
from rowferry.sources import load_settings
from rowferry.stop import Stop
from strict_snowflake import StrictSnowflake

pytestmark = pytest.mark.real

COLUMNS = "product_id, name, category, price, updated_timestamp::text"
TOUCHED = "updated_timestamp = clock_timestamp()"
DEAD_CLIENT_SECONDS = 301  # after which Snowflake gives a silent client's locks to who waits
MERGE = 'MERGE INTO "ANALYTICS"."INGEST"."PRODUCTS"'


@dataclass
class Crossing:
    """A products table, `rowferry run --load upsert` behind it, and the target on the fake."""

    database: Database
    fake: StrictSnowflake
    environ: dict[str, str]
    rowferry: Rowferry

    def start(self) -> subprocess.Popen[bytes]:
        environ = {**self.environ, **self.fake.settings, **self.fake.environment}
        flags = ("--load", "upsert", "--load-seconds", "0.2")
        return self.rowferry.start(environ, "run", *flags)

    def run_until_killed_in(self, statement: str) -> None:
        """Run, and kill -9 the loader while Snowflake works on a statement of it."""
        played = len(self.fake.faults.played)
        self.fake.faults.next("query_black_hole", beginning=statement)
        running = self.start()
        wait_until(lambda: len(self.fake.faults.played) > played, 60, statement)
        os.kill(child_of(running.pid, "load"), signal.SIGKILL)
        # all others stop in order, and the exit code tells of it
        assert running.wait(40) == 128 + signal.SIGKILL, self.rowferry.log_of(running)
        self.fake.clock.advance(seconds=DEAD_CLIENT_SECONDS)

    def settings(self) -> Settings:
        environ = {**self.environ, **self.fake.settings, "ROWFERRY_LOAD": "upsert"}
        return load_settings(environ=environ, folder=self.rowferry.folder).settings

    def delete(self, *keys: str) -> None:
        """Rows go here, and as tombstones there: incremental reading does not see deletes."""
        self.database.execute("DELETE FROM products WHERE product_id = ANY(%s)", ([*keys],))
        settings = self.settings()
        topic = settings.topic_of("public.products")
        own = {"partitioner": "murmur2_random"}  # as the sender's
        producer = Producer(producer_config(settings, own))
        for key in keys:
            producer.produce(topic, None, key.encode())
        assert producer.flush(30) == 0

    def source(self) -> list[tuple[Any, ...]]:
        rows = self.database.query(
            f'SELECT {COLUMNS} FROM products ORDER BY product_id COLLATE "C"'
        )
        return [(*row[:4], row[4].rstrip("0")) for row in rows]

    def target(self) -> list[tuple[Any, ...]]:
        with connect(self.fake) as connection, connection.cursor() as cursor:
            try:
                rows = cursor.execute(f"SELECT {COLUMNS} FROM products ORDER BY 1").fetchall()
            except ProgrammingError:  # it is not there yet
                return []
        return [(*row[:4], row[4].rstrip("0")) for row in rows]


@pytest.fixture
def crossing(
    database: Database, stack_environ: Any, make_snowflake: MakeSnowflake, rowferry: Rowferry
) -> Crossing:
    database.execute(
        "CREATE TABLE products (product_id text PRIMARY KEY, name text, category text, "
        "price numeric(10,2), updated_timestamp timestamp DEFAULT clock_timestamp())"
    )
    database.execute(
        "INSERT INTO products "
        "SELECT 'P' || n, 'Näme ' || n, 'c', n / 4.0 FROM generate_series(1, 30) n"
    )
    stage = "@product_ingestion_stage/kafka_ingestion"
    environ = stack_environ(tables="public.products", stage=stage)
    return Crossing(database, make_snowflake(), environ, rowferry)


def test_the_table_there_equals_the_table_here_whatever_kills_the_loader(
    crossing: Crossing,
) -> None:
    # GIVEN a loader that is killed while rows are copied, others while they are merged
    crossing.run_until_killed_in("COPY INTO")
    assert crossing.target() == []
    crossing.database.execute(
        f"UPDATE products SET price = price + 1, {TOUCHED} WHERE product_id LIKE 'P1%'"
    )
    crossing.database.execute("INSERT INTO products VALUES ('neu', NULL, NULL, NULL)")
    crossing.run_until_killed_in(MERGE)
    # WHEN rows are deleted, one of them comes again, and all of it is carried
    crossing.delete("P2", "P11", "P30")
    running = crossing.start()
    wait_until(lambda: crossing.target() == crossing.source(), 60, "the target to be equal")
    crossing.database.execute("INSERT INTO products VALUES ('P11', 'again', 'c', 0.25)")
    wait_until(lambda: crossing.target() == crossing.source(), 30, "a row that came again")
    # THEN the target equals the source
    assert crossing.rowferry.stop(running) == 0, crossing.rowferry.log_of(running)
    assert len(crossing.target()) == 29
    # AND load loads nothing twice, also where Snowflake's own memory of files is gone
    for _ in range(2):
        loaded = run_loader(crossing.settings(), Stop(), once=True)
        assert (loaded.files, loaded.rows) == (0, 0)
        crossing.fake.clock.advance(days=65)
    assert crossing.target() == crossing.source()


def child_of(pid: int, command: str) -> int:
    """The process id of a child that runs a command of ours."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    [found] = [
        child
        for child in children
        if command.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    ]
    return int(found)


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
