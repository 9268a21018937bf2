"""The stand: the stack's real parts with full compilers, one filled table, topics made anew."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from rowferry.stack.kafka import Kafka
from rowferry.stack.local import LocalStack

ROOT = Path(__file__).parent.parent
PARTITIONS = 4
BROKER_FLAGS = ("-XX:+UseG1GC", "-Xms1g", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
ROWFERRY = (str(Path(sys.executable).with_name("rowferry")),)
TABLE = """
CREATE TABLE {name} (
  product_id text PRIMARY KEY, name text NOT NULL, category text NOT NULL,
  price numeric(10, 2) NOT NULL, updated_timestamp timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON {name} (updated_timestamp, product_id);
INSERT INTO {name} SELECT 'P' || lpad(i::text, 9, '0'), 'Product number ' || i,
  (ARRAY['Kitchen', 'Audio', 'Footwear', 'Furniture', 'Computing'])[1 + i % 5],
  (i::bigint * 7919 % 1000000) / 100.0, now() - interval '1 day' + i * interval '1 millisecond'
FROM generate_series(1, {rows}) i;
"""


@dataclass
class Stand:
    """The running parts; `environ` is a pipeline's environment."""

    environ: dict[str, str]
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def kafka(self) -> dict[str, str]:
        """The librdkafka properties."""
        return {
            "bootstrap.servers": self.environ["KAFKA_SERVER"],
            "security.protocol": self.environ["KAFKA_SECURITY_PROTOCOL"],
            "sasl.mechanism": self.environ["KAFKA_SASL_MECHANISM"],
            "sasl.username": self.environ["KAFKA_USERNAME"],
            "sasl.password": self.environ["KAFKA_PASSWORD"],
        }

    def execute(self, statement: str) -> None:
        """Run a statement, committed at once."""
        connection = self.connect()
        connection.cursor().execute(statement)
        connection.close()

    def connect(self) -> "psycopg2.extensions.connection":
        """A connection in autocommit."""
        e = self.environ
        connection = psycopg2.connect(
            host=e["POSTGRES_HOST"],
            port=e["POSTGRES_PORT"],
            user=e["POSTGRES_USER"],
            password=e["POSTGRES_PASSWORD"],
            dbname=e["POSTGRES_DB"],
        )
        connection.autocommit = True
        return connection

    def fill(self, name: str, rows: int) -> None:
        """A products table of so many rows, analysed."""
        self.execute(f"DROP TABLE IF EXISTS {name}")
        self.execute(TABLE.format(name=name, rows=rows))
        self.execute(f"VACUUM ANALYZE {name}")

    def new_topic(self, name: str = "", partitions: int = PARTITIONS) -> str:
        """A fresh topic."""
        name = name or f"bench_{uuid.uuid4().hex[:8]}"
        admin = AdminClient(dict(self.kafka))  # its futures need it alive
        [made] = admin.create_topics([NewTopic(name, partitions, 1)]).values()
        made.result()
        return name

    def drop_topic(self, name: str) -> None:
        """Delete a topic, so that the next run finds disk and page cache as this one did."""
        admin = AdminClient(dict(self.kafka))
        for deleted in admin.delete_topics([name]).values():
            with contextlib.suppress(KafkaException):
                deleted.result()

    def start(self, *command: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start a subject; its output goes to a log in the folder."""
        log = self.folder / f"{len(self.processes)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environ, **environ},
                stdout=file,
                stderr=file,
            )
        self.processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a subject that this stand started."""
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class TopicCounter:
    """How many records a topic has, control records included; cheap enough to ask often."""

    def __init__(self, stand: Stand, topic: str, partitions: int = PARTITIONS) -> None:
        self._consumer = Consumer({**stand.kafka, "group.id": uuid.uuid4().hex})
        self._parts = [TopicPartition(topic, number) for number in range(partitions)]

    def __call__(self) -> int:
        """Count now."""
        try:
            ends = [self._consumer.get_watermark_offsets(p, timeout=10) for p in self._parts]
        except KafkaException:  # a topic this young has no leader yet
            return 0
        return sum(end[1] for end in ends if end is not None)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


def await_records(
    counter: Callable[[], int], process: subprocess.Popen[bytes], rows: int, seconds: float = 300
) -> None:
    """Until so many are counted. Raises RuntimeError where the process ends before."""
    deadline = time.monotonic() + seconds
    while (count := counter()) < rows:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r}: {count} of {rows}, exit {process.poll()}")
        time.sleep(0.2)


@contextlib.contextmanager
def stand(parts: tuple[str, ...] = ("postgres", "kafka", "registry")) -> Iterator[Stand]:
    """Start the parts in a temporary folder; all is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rowferry-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as an unprivileged user
        began = time.monotonic()
        Kafka.flags = BROKER_FLAGS
        local = LocalStack(folder / "stack", parts, say=lambda line: print(line, file=sys.stderr))
        with local as stack:
            print(f"stand ready after {time.monotonic() - began:.1f} s", file=sys.stderr)
            here = Stand(dict(stack.settings()), folder)
            try:
                yield here
            finally:
                for process in here.processes:
                    if process.poll() is None:
                        here.end(process)
