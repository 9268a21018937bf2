"""A quay: a topic, its schema and its staged files, without a sender and a receiver before them.

Files are placed on the strict Snowflake fake as a receiver would name them, and its group's
position is committed; loaders are the product's, in this process or in one of their own.
"""

import gzip
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from fix_receive import commit_by_hand
from fix_snowflake import MakeSnowflake, connect
from fix_stack import KafkaBroker, RegistryServer
from rowferry.config import Settings, environment_name
from rowferry.flow.receive.topics import Topics
from rowferry.flow.stage.names import file_name
from rowferry.model import Offset, Partition, Range, TopicId
from rowferry.run.loader import run_loader
from rowferry.run.topic_loader import Loaded
from rowferry.sources import load_settings
from rowferry.stop import Stop
from strict_snowflake import Encryption, StrictSnowflake

PRODUCT: dict[str, Any] = {
    "type": "record",
    "name": "Product",
    "rowferry.key": ["id"],
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"], "default": None},
        {
            "name": "price",
            "type": [
                "null",
                {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
            ],
            "default": None,
        },
    ],
}

Row = dict[str, Any]


class Quay:
    """Rows are staged with `stage`, seen by the loader after `commit`, loaded with `load`."""

    def __init__(
        self, kafka: KafkaBroker, registry: RegistryServer, fake: StrictSnowflake, folder: Path
    ) -> None:
        tag = uuid.uuid4().hex[:10]
        self.kafka, self.registry, self.fake, self.folder = kafka, registry, fake, folder
        self.topic_name, self.group = f"t{tag}", f"group-{tag}"
        self.positions: dict[int, int] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self._client = SchemaRegistryClient(registry.configuration)

    def create(self, partitions: int = 1, schema: Row | None = PRODUCT) -> None:
        self.kafka.create_topic(self.topic_name, partitions)
        if schema is not None:
            self.register(schema)
        self.topic = self.topic_id()

    def topic_id(self) -> TopicId:
        return Topics(self.settings()).ids([self.topic_name])[self.topic_name]

    def register(self, schema: Row) -> None:
        subject = f"{self.topic_name}-value"
        self.schema_id = self._client.register_schema(subject, Schema(json.dumps(schema)))

    # --- Files

    def stage(self, *rows: Row | str, partition: int = 0, said: int | None = None) -> str:
        """A file behind the last one; a row's `_op` may be given. said: the rows by its name."""
        start = self.positions.get(partition, 0)
        end = start + max(1, len(rows))
        count = len(rows) if said is None else said
        covered = Range(self.topic, Partition(partition), Offset(start), Offset(end), count)
        lines = [self._line(row, partition, start + n) for n, row in enumerate(rows)]
        self.positions[partition] = end
        return self.place(file_name(covered), lines)

    def place(self, name: str, lines: list[str]) -> str:
        text = "".join(f"{line}\n" for line in lines)
        self.fake.place(f"ferry/{name}", gzip.compress(text.encode(), mtime=0))
        return name

    def _line(self, row: Row | str, partition: int, offset: int) -> str:
        if isinstance(row, str):
            return row
        stamp = "2026-11-24T15:04:05.000000Z"
        added = {"_op": "u", "_partition": partition, "_offset": offset, "_timestamp": stamp}
        return json.dumps({**row, **{k: v for k, v in added.items() if k not in row}})

    def commit(self, **positions: int) -> None:
        """The receiver says that all is staged, or up to other positions: p0=7."""
        wanted = {int(name[1:]): at for name, at in positions.items()} or self.positions
        with closing(Consumer({**self.kafka.configuration, "group.id": self.group})) as consumer:
            for partition, position in wanted.items():
                commit_by_hand(consumer, TopicPartition(self.topic_name, partition, position))

    # --- Loaders

    def environ(self, **overrides: Any) -> dict[str, str]:
        own = {
            "topics": self.topic_name,
            "group": self.group,
            "stage": "@product_ingestion_stage/ferry",
            "load": "append",
            "load_table": "products",
            "load_seconds": 0.1,
            "connect_seconds": 20,
            "log_format": "json",
        }
        fields = {name: str(value) for name, value in {**own, **overrides}.items()}
        named = {environment_name(name): value for name, value in fields.items()}
        return {**self.kafka.environ, **self.registry.environ, **self.fake.settings, **named}

    def settings(self, **overrides: Any) -> Settings:
        return load_settings(environ=self.environ(**overrides), folder=self.folder).settings

    def load(self, *, purge: bool = False, **overrides: Any) -> Loaded:
        """`rowferry load --once` in this process."""
        clock = self.fake.clock.now
        settings = self.settings(**overrides)
        return run_loader(settings, Stop(), once=True, purge=purge, clock=clock)

    def start(self, *flags: str, failpoints: str = "", **overrides: Any) -> subprocess.Popen[bytes]:
        environ = {**os.environ, **self.environ(**overrides), **self.fake.environment}
        if failpoints:
            environ["ROWFERRY_FAILPOINTS"] = failpoints
        log = (self.folder / f"loader-{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rowferry", "load", *flags],
                env=environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def log(self, number: int = -1) -> str:
        count = len(self.processes)
        return (self.folder / f"loader-{number % count}.log").read_text()

    # --- What is loaded

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.fake) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def ledger(self) -> dict[int, int]:
        rows = self.query('SELECT "PARTITION", "NEXT_OFFSET" FROM rowferry_ledger')
        assert len(rows) == len(dict(rows))
        return {int(partition): int(position) for partition, position in rows}

    def close(self) -> None:
        self._client.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        for thread in threading.enumerate():  # sessions that are ended in the background
            if thread.daemon and thread.name.startswith("Thread-"):
                thread.join(0.2)


@pytest.fixture
def quay(
    kafka: KafkaBroker, registry: RegistryServer, make_snowflake: MakeSnowflake, tmp_path: Path
) -> Iterator[Quay]:
    quay = Quay(kafka, registry, make_snowflake(encryption=Encryption.SSE), tmp_path)
    yield quay
    quay.close()
