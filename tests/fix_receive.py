"""A topic of its own for tests of receiving, receiver processes, a check of what they stage.

The check shares no code with the product: it reads the topic with a plain consumer and fastavro,
and the files with gzip and json.
"""

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import fastavro
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from fix_stack import KafkaBroker, RegistryServer
from rowferry.config import Settings, environment_name
from rowferry.sources import load_settings

Answer = TypeVar("Answer")
STARTING = (14, 15, 16)  # COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Product",
    "namespace": "shop",
    "rowferry.key": ["product_id"],
    "fields": [
        {"name": "product_id", "type": "string"},
        {"name": "n", "type": "long"},
        {"name": "name", "type": ["null", "string"], "default": None},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        },
        {"name": "updated", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
WIDER = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "more", "type": "int", "default": 0}]}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME = re.compile(
    r"(?P<topic>[^/]+)/(?P<id>[^/]{8})/p(?P<partition>\d{5})/"
    r"(?P<start>\d{20})-(?P<end>\d{20})-(?P<rows>\d+)\.json\.gz"
)

_NUMBERS = ("partition", "start", "end", "rows")

Record = tuple[bytes | None, bytes | None, int]  # key, value, timestamp in ms


def product(number: int) -> dict[str, Any]:
    return {
        "product_id": f"P{number:06d}",
        "n": number * 7919 - 2**40,
        "name": None if number % 5 == 0 else f'Näme "{number}" \N{TEACUP WITHOUT HANDLE}',
        "price": Decimal(number * 37 % 100_000).scaleb(-2),
        "updated": EPOCH + timedelta(microseconds=1_700_000_000_123_456 + number * 1_000_001),
    }


def expected_line(row: dict[str, Any]) -> dict[str, Any]:
    """What a row looks like in a line, by the rules of the documentation."""
    updated = row["updated"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {**row, "updated": updated}


@dataclass(frozen=True)
class Staged:
    name: str
    partition: int
    start: int
    end: int
    rows: int
    lines: list[dict[str, Any]] = field(repr=False)
    data: bytes = field(repr=False)


class Ferry:
    """A topic, a group and a folder as stage; receivers that are real processes."""

    def __init__(self, kafka: KafkaBroker, registry: RegistryServer, folder: Path) -> None:
        self.kafka, self.registry, self.folder = kafka, registry, folder
        tag = f"r{uuid.uuid4().hex[:10]}"
        self.topic, self.group = f"{tag}.updates", f"group-{tag}"
        self.stage = folder / "stage"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._client = SchemaRegistryClient(registry.configuration)
        self.schema_id = self.register(SCHEMA)

    def register(self, schema: dict[str, Any]) -> int:
        return self._client.register_schema(f"{self.topic}-value", Schema(json.dumps(schema)))

    def create(self, partitions: int = 1, **config: str) -> None:
        self.kafka.create_topic(self.topic, partitions, **config)

    # --- Records

    def encode(self, row: dict[str, Any], schema: dict[str, Any], schema_id: int) -> bytes:
        out = io.BytesIO(b"\0" + schema_id.to_bytes(4))
        out.seek(5)
        fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), row)
        return out.getvalue()

    def produce(
        self, numbers: range, partitions: int = 1, *, abort: bool = False, per: int = 500
    ) -> None:
        """Products in transactions of `per`, spread over the partitions by their number."""
        producer = self.producer()
        producer.init_transactions(30)
        for first in range(numbers.start, numbers.stop, per):
            producer.begin_transaction()
            for number in range(first, min(first + per, numbers.stop)):
                row = product(number)
                value = self.encode(row, SCHEMA, self.schema_id)
                key = row["product_id"].encode()
                producer.produce(self.topic, value, key, partition=number % partitions)
            producer.flush(30)
            if abort:
                producer.abort_transaction(30)
            else:
                producer.commit_transaction(30)

    def produce_raw(self, records: list[tuple[bytes | None, bytes | None]]) -> None:
        """Keys and values as they are, into partition 0, each durable."""
        producer = Producer({**self.kafka.configuration, "message.max.bytes": 2_000_000})
        for key, value in records:
            producer.produce(self.topic, value, key, partition=0)
        assert producer.flush(30) == 0

    def producer(self) -> Producer:
        own = {"transactional.id": uuid.uuid4().hex, "linger.ms": 5}
        return Producer({**self.kafka.configuration, **own})

    def records(self) -> dict[tuple[int, int], Record]:
        """Every committed record of the topic, by partition and offset."""
        own = {
            "group.id": f"check-{uuid.uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
        consumer = Consumer({**self.kafka.configuration, **own})
        found: dict[tuple[int, int], Record] = {}
        try:
            partitions = consumer.list_topics(self.topic, 10).topics[self.topic].partitions
            consumer.assign([TopicPartition(self.topic, p, 0) for p in partitions])
            left = set(partitions)
            while left:
                for message in consumer.consume(1000, 0.2):
                    partition = message.partition()
                    assert partition is not None
                    error = message.error()
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        left.discard(partition)
                        continue
                    stamp = message.timestamp()[1]
                    place = (partition, message.offset() or 0)
                    found[place] = (message.key(), message.value(), stamp)
        finally:
            consumer.close()
        return found

    # --- Receivers

    def environ(self, **overrides: object) -> dict[str, str]:
        own = {
            "topics": self.topic,
            "group": self.group,
            "stage": f"file:{self.stage}",
            "session_seconds": 1.5,
            "spool_dir": str(self.folder / "spool"),
            "log_format": "json",
        }
        fields = {name: str(value) for name, value in {**own, **overrides}.items()}
        named = {environment_name(name): value for name, value in fields.items()}
        return {**self.kafka.environ, **self.registry.environ, **named}

    def settings(self, **overrides: object) -> Settings:
        return load_settings(environ=self.environ(**overrides), folder=self.folder).settings

    def quick_sessions(self) -> None:
        """Let the broker expire members of this group soon, in the newer protocol too."""
        wanted = {"consumer.session.timeout.ms": "1500", "consumer.heartbeat.interval.ms": "300"}
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in wanted.items()
        ]
        resource = ConfigResource(ResourceType.GROUP, self.group, incremental_configs=entries)
        admin = self.kafka.admin()
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(10)

    def start(self, *flags: str, failpoints: str = "", **overrides: Any) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONFAULTHANDLER": "1", **self.environ(**overrides)}
        if failpoints:
            environ["ROWFERRY_FAILPOINTS"] = failpoints
        log = (self.folder / f"receiver-{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rowferry", "receive", *flags],
                env=environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def once(self, *, seconds: float = 60, failpoints: str = "", **overrides: Any) -> None:
        process = self.start("--once", failpoints=failpoints, **overrides)
        assert process.wait(seconds) == 0, self.log()

    def log(self, number: int = -1) -> str:
        count = len(self.processes)
        return (self.folder / f"receiver-{number % count}.log").read_text()

    def end(self) -> None:
        self._client.close()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)

    # --- What is staged

    def files(self) -> list[Staged]:
        found = []
        for path in sorted(self.stage.rglob("*.json.gz")):
            name = str(path.relative_to(self.stage))
            parts = NAME.fullmatch(name)
            assert parts is not None, name
            data = path.read_bytes()
            lines = [json.loads(t, parse_float=Decimal) for t in gzip.decompress(data).splitlines()]
            partition, start, end, rows = (int(parts[key]) for key in _NUMBERS)
            found.append(Staged(name, partition, start, end, rows, lines, data))
        return found

    def check(self, *, complete: bool = True, gaps: bool = False) -> list[Staged]:
        """Each record in one file, each line equal to its record, ranges without gap or overlap.

        complete: nothing of the topic is missing. gaps: a receiver was killed, so that a file may
        be there before the one that it follows on. Gives the files.
        """
        records, files = self.records(), self.files()
        positions = dict.fromkeys({partition for partition, _ in records}, 0)
        seen: set[tuple[int, int]] = set()
        for file in files:
            before = positions.get(file.partition, 0)
            assert file.start >= before, f"overlap at {file}"
            assert gaps or file.start == before, f"gap before {file}"
            positions[file.partition] = file.end
            assert len(file.lines) == file.rows, file
            for line in file.lines:
                place = (line["_partition"], line["_offset"])
                assert place[0] == file.partition, file
                assert file.start <= place[1] < file.end, file
                assert place not in seen, f"twice: {place}"
                seen.add(place)
                self.compare(line, records[place])
        covered = {place for place in records if place[1] < positions[place[0]]}
        assert seen <= covered
        assert gaps or seen == covered
        if complete:
            assert seen == set(records)
        return files

    def compare(self, line: dict[str, Any], record: Record) -> None:
        key, value, stamp = record
        assert key is not None
        assert value is not None
        assert line["_op"] == "u"
        moment = (EPOCH + timedelta(milliseconds=stamp)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert line["_timestamp"] == moment
        row = fastavro.schemaless_reader(
            io.BytesIO(value[5:]), fastavro.parse_schema(dict(SCHEMA)), None
        )
        assert isinstance(row, dict)
        bare = {name: cell for name, cell in line.items() if not name.startswith("_")}
        assert list(bare) == list(row)
        assert bare == expected_line(row)

    def commit(self, partition: int, offset: int, metadata: str) -> None:
        """Set the group's register by hand; no member may be alive."""
        consumer = Consumer({**self.kafka.configuration, "group.id": self.group})
        try:
            place = TopicPartition(self.topic, partition, offset, metadata)
            commit_by_hand(consumer, place)
        finally:
            consumer.close()

    def committed(self) -> dict[int, tuple[int, str]]:
        """The group's positions and registers."""
        consumer = Consumer({**self.kafka.configuration, "group.id": self.group})
        try:
            partitions = consumer.list_topics(self.topic, 10).topics[self.topic].partitions
            asked = [TopicPartition(self.topic, p) for p in partitions]
            places = once_started(lambda: consumer.committed(asked, 10))
            return {place.partition: (place.offset, place.metadata or "") for place in places}
        finally:
            consumer.close()


def once_started(ask: Callable[[], Answer]) -> Answer:
    """What the group's coordinator, which may just be starting, answers."""
    answers: list[Answer] = []

    def is_answered() -> bool:
        try:
            answers.append(ask())
        except KafkaException as error:
            if error.args[0].code() not in STARTING:
                raise
        return bool(answers)

    wait_until(is_answered)
    return answers[0]


def commit_by_hand(consumer: Consumer, place: TopicPartition) -> None:
    """Commit once the group's coordinator takes it."""
    once_started(lambda: consumer.commit(offsets=[place], asynchronous=False))


def wait_until(true: Callable[[], object], seconds: float = 30, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what or true}"
        time.sleep(0.05)


@pytest.fixture
def ferry(kafka: KafkaBroker, registry: RegistryServer, tmp_path: Path) -> Iterator[Ferry]:
    ferry = Ferry(kafka, registry, tmp_path)
    yield ferry
    ferry.end()
