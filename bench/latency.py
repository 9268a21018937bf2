"""Commit → topic and commit → file at 200 changes a second, each subject with its defaults."""

import gzip
import json
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from bench.measure import Figures, account
from bench.peers.connect import Worker, debezium
from bench.stand import PARTITIONS, ROWFERRY, Stand, TopicCounter, await_records, stand

CHANGES_A_SECOND = 200
WARM_SECONDS, IDLE_SECONDS, SECONDS = 8.0, 10.0, 30.0
KEY = "{prefix}{number:09d}"
KEY_LENGTH = 10
TUNED = {"poll.interval.ms": "10"}


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Measure on a table of `rows` rows; `runs` is not used, one run has thousands of changes."""
    del runs
    with stand() as here:
        here.fill("products", rows)
        found = rowferry(here, rows)
        found["debezium"] = connector(here, "D", {})
        found["debezium_tuned"] = connector(here, "T", TUNED)
    return {"latency": found}


def rowferry(here: Stand, rows: int) -> dict[str, Figures]:
    """Both loops: to the topic by an independent consumer, to the file by its change time."""
    topic = here.new_topic()
    stage = here.folder / "stage"
    settings = {
        "ROWFERRY_TABLES": "public.products",
        "ROWFERRY_TOPIC": topic,
        "ROWFERRY_STAGE": f"file:{stage}",
    }
    send = here.start(*ROWFERRY, "send", **settings)
    receive = here.start(*ROWFERRY, "receive", **settings)
    counter = TopicCounter(here, topic)
    await_records(counter, send, rows)
    counter.close()
    time.sleep(WARM_SECONDS)
    Traffic(here, topic, "r", (send.pid, receive.pid)).run()  # warms the broker
    traffic = Traffic(here, topic, "R", (send.pid, receive.pid))
    traffic.run()
    visible = _file_times(stage, traffic.commits)
    here.end(send)
    here.end(receive)
    shutil.rmtree(stage)
    here.drop_topic(topic)
    return {
        "rowferry": {**_percentiles(traffic.commits, traffic.arrivals), **traffic.cpu[0]},
        "rowferry_to_file": {**_percentiles(traffic.commits, visible), **traffic.cpu[1]},
    }


def connector(here: Stand, mark: str, more: Mapping[str, str]) -> Figures:
    """Debezium's stream of the same changes, without a snapshot; mark: begins keys and names."""
    prefix = f"latency{mark.lower()}"
    topic = here.new_topic(f"{prefix}.public.products")
    worker = Worker(here, prefix)
    worker.run(prefix, debezium(here, "products", prefix, **{"snapshot.mode": "no_data"}, **more))
    _first_change(here, topic)
    Traffic(here, topic, mark.lower(), (worker.process.pid,)).run()  # warms the JVM
    traffic = Traffic(here, topic, mark, (worker.process.pid,))
    traffic.run()
    worker.remove(prefix)
    here.end(worker.process)
    here.drop_topic(topic)
    return {**_percentiles(traffic.commits, traffic.arrivals), **traffic.cpu[0]}


def _first_change(here: Stand, topic: str) -> None:
    """Change a row until the connector has taken up its stream."""
    counter = TopicCounter(here, topic)
    while counter() == 0:
        here.execute("UPDATE products SET price = price + 1 WHERE product_id = 'P000000001'")
        time.sleep(0.5)
    counter.close()
    time.sleep(WARM_SECONDS)


class Traffic:
    """A steady writer, an independent consumer, and the accounts of the watched processes."""

    def __init__(self, here: Stand, topic: str, prefix: str, pids: Sequence[int]) -> None:
        self._here, self._prefix, self._pids = here, prefix, pids
        self._consumer = _consumer(here, topic)
        self._over = threading.Event()
        self.commits: dict[str, float] = {}
        self.arrivals: dict[str, float] = {}
        self.cpu: list[Figures] = []

    def run(self) -> None:
        """Idle for a while, then write and watch; the figures are in the attributes."""
        idle = self._seconds()
        time.sleep(IDLE_SECONDS)
        before = self._seconds()
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        self._write()
        after = self._seconds()
        time.sleep(3)
        self._over.set()
        watcher.join()
        self.cpu = [
            {
                "cpu_percent": (end - begin) / SECONDS * 100,
                "idle_cpu_percent": (begin - first) / IDLE_SECONDS * 100,
            }
            for first, begin, end in zip(idle, before, after, strict=True)
        ]

    def _seconds(self) -> list[float]:
        return [account(pid).cpu_seconds for pid in self._pids]

    def _write(self) -> None:
        """A row a transaction at a steady pace; the clock is read as the commit returns."""
        connection = self._here.connect()
        with connection.cursor() as cursor:
            began = time.time()
            for number in range(int(SECONDS * CHANGES_A_SECOND)):
                time.sleep(max(0.0, began + number / CHANGES_A_SECOND - time.time()))
                key = KEY.format(prefix=self._prefix, number=number)
                cursor.execute("INSERT INTO products VALUES (%s, 'late', 'Audio', 1.23)", (key,))
                self.commits[key] = time.time()
        connection.close()

    def _watch(self) -> None:
        """Note when each key is first readable; an Avro key ends with the same characters."""
        while not self._over.is_set():
            for message in self._consumer.consume(1000, 0.005):
                key = message.key()
                if message.error() is None and key is not None:
                    self.arrivals.setdefault(key[-KEY_LENGTH:].decode(), time.time())
        self._consumer.close()


def _consumer(here: Stand, topic: str) -> Consumer:
    """At the end of every partition, reading committed records as soon as they are there."""
    own = {"group.id": "bench-latency", "isolation.level": "read_committed"}
    quick = {"fetch.wait.max.ms": 5, "enable.auto.commit": False}
    consumer = Consumer({**here.kafka, **own, **quick})
    parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    for part in parts:
        part.offset = consumer.get_watermark_offsets(part, timeout=10)[1]
    consumer.assign(parts)
    return consumer


def _file_times(stage: Path, commits: Mapping[str, float]) -> dict[str, float]:
    """When the file that holds each key became visible."""
    found: dict[str, float] = {}
    for path in stage.rglob("*.json.gz"):
        when = path.stat().st_ctime
        for line in gzip.decompress(path.read_bytes()).splitlines():
            key = json.loads(line)["product_id"]
            if key in commits:
                found.setdefault(key, when)
    return found


def _percentiles(commits: Mapping[str, float], arrivals: Mapping[str, float]) -> Figures:
    missing = len(commits.keys() - arrivals.keys())
    if missing:
        raise RuntimeError(f"{missing} of {len(commits)} changes never arrived")
    waits = sorted((arrivals[key] - at) * 1000 for key, at in commits.items())
    return {"p50_ms": waits[len(waits) // 2], "p99_ms": waits[int(len(waits) * 0.99)]}
