"""Commit → topic and commit → file at 200 changes a second, with the defaults."""

import shutil
import threading
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from bench.measure import Figures, account
from bench.stand import PARTITIONS, ROWFERRY, Stand, TopicCounter, stand

CHANGES_A_SECOND = 200
WARM_SECONDS, SECONDS = 5.0, 30.0


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Measure on a table of `rows` rows; `runs` is not used, one run has thousands of changes."""
    del runs
    with stand() as here:
        here.fill("products", rows)
        topic = here.new_topic()
        stage = here.folder / "stage"
        settings = {
            "ROWFERRY_TABLES": "public.products",
            "ROWFERRY_TOPIC": topic,
            "ROWFERRY_STAGE": f"file:{stage}",
        }
        send = here.start(*ROWFERRY, "send", **settings)
        receive = here.start(*ROWFERRY, "receive", **settings)
        _await_load(here, topic, rows)
        found = _measure(here, topic, stage, send.pid, receive.pid)
        here.end(send)
        here.end(receive)
        shutil.rmtree(stage)
    return {"latency": found}


def _await_load(here: Stand, topic: str, rows: int) -> None:
    counter = TopicCounter(here, topic)
    while counter() < rows:
        time.sleep(0.2)
    counter.close()
    time.sleep(WARM_SECONDS)


def _measure(here: Stand, topic: str, stage: Path, send: int, receive: int) -> dict[str, Figures]:
    commits: dict[str, float] = {}
    writer = threading.Thread(target=_write, args=(here, commits))
    arrivals = _Arrivals(here, topic)
    watcher = threading.Thread(target=arrivals.watch)
    idle = [account(pid).cpu_seconds for pid in (send, receive)]
    time.sleep(5)
    busy = [account(pid).cpu_seconds for pid in (send, receive)]
    watcher.start()
    writer.start()
    writer.join()
    after = [account(pid).cpu_seconds for pid in (send, receive)]
    time.sleep(3)
    arrivals.stop.set()
    watcher.join()
    visible = _file_times(stage, commits)
    return {
        "rowferry": {
            **_percentiles(commits, arrivals.at),
            "cpu_percent": (after[0] - busy[0]) / SECONDS * 100,
            "idle_cpu_percent": (busy[0] - idle[0]) / 5 * 100,
        },
        "rowferry_to_file": {
            **_percentiles(commits, visible),
            "cpu_percent": (after[1] - busy[1]) / SECONDS * 100,
            "idle_cpu_percent": (busy[1] - idle[1]) / 5 * 100,
        },
    }


def _write(here: Stand, commits: dict[str, float]) -> None:
    """Insert a row a transaction at a steady pace; the clock is read as the commit returns."""
    connection = here.connect()
    with connection.cursor() as cursor:
        began = time.time()
        for number in range(int(SECONDS * CHANGES_A_SECOND)):
            time.sleep(max(0.0, began + number / CHANGES_A_SECOND - time.time()))
            key = f"L{number:09d}"
            cursor.execute("INSERT INTO products VALUES (%s, 'late', 'Audio', 1.23)", (key,))
            commits[key] = time.time()
    connection.close()


class _Arrivals:
    """When each key was first readable, committed, in the topic."""

    def __init__(self, here: Stand, topic: str) -> None:
        own = {"group.id": "bench-latency", "isolation.level": "read_committed"}
        quick = {"fetch.wait.max.ms": 5, "enable.auto.commit": False}
        self._consumer = Consumer({**here.kafka, **own, **quick})
        parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        for part in parts:
            part.offset = self._consumer.get_watermark_offsets(part, timeout=10)[1]
        self._consumer.assign(parts)
        self.at: dict[str, float] = {}
        self.stop = threading.Event()

    def watch(self) -> None:
        """Read until told to stop."""
        while not self.stop.is_set():
            for message in self._consumer.consume(1000, 0.005):
                key = message.key()
                if message.error() is None and key is not None:
                    self.at.setdefault(key.decode(), time.time())
        self._consumer.close()


def _file_times(stage: Path, commits: dict[str, float]) -> dict[str, float]:
    """When the file that holds each key became visible."""
    import gzip
    import json

    found: dict[str, float] = {}
    for path in stage.rglob("*.json.gz"):
        when = path.stat().st_ctime
        for line in gzip.decompress(path.read_bytes()).splitlines():
            key = json.loads(line)["product_id"]
            if key in commits:
                found.setdefault(key, when)
    return found


def _percentiles(commits: dict[str, float], arrivals: dict[str, float]) -> Figures:
    missing = len(commits.keys() - arrivals.keys())
    if missing:
        raise RuntimeError(f"{missing} of {len(commits)} changes never arrived")
    waits = sorted((arrivals[key] - at) * 1000 for key, at in commits.items())
    return {"p50_ms": waits[len(waits) // 2], "p99_ms": waits[int(len(waits) * 0.99)]}
