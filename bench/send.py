"""PostgreSQL → topic: the initial load of one table, by each subject."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import Figures, measure, middle, warmed
from bench.peers.connect import Worker, debezium
from bench.stand import ROWFERRY, Stand, TopicCounter, stand

WARM_UPS = 6
BROKER_WARM_UPS = 2  # until its compiler has seen the work; not counted
Run = Callable[[], Figures]


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Measure rowferry, the obvious script and Debezium's snapshot on the same table."""
    with stand() as here:
        here.fill("products", rows)
        found = {
            "rowferry": loads(here, "products", rows, runs),
            "script": middle([script(here, "products", rows) for _ in range(runs)]),
            "debezium": middle(snapshots(here, "products", rows, runs)),
            "limit": middle([copy_to_nowhere(here, "products", rows) for _ in range(runs)]),
        }
    return {"send": found}


def loads(here: Stand, table: str, rows: int, runs: int) -> Figures:
    """Rowferry's, on a warm broker."""
    return warmed(lambda n: rowferry(here, table, rows, n), BROKER_WARM_UPS, runs)


def rowferry(here: Stand, table: str, rows: int, number: int, **environ: str) -> Figures:
    """`rowferry send --once` into a fresh topic."""
    topic = here.new_topic()
    counter = TopicCounter(here, topic)
    settings = {
        "ROWFERRY_TABLES": f"public.{table}",
        "ROWFERRY_TOPIC": topic,
        "ROWFERRY_PIPELINE": f"bench{number}_{topic}",
        **environ,
    }
    process = here.start(*ROWFERRY, "send", "--once", **settings)
    return _measured(here, process, counter, topic, rows)


def script(here: Stand, table: str, rows: int) -> Figures:
    """The obvious script into a fresh topic."""
    topic = here.new_topic()
    counter = TopicCounter(here, topic)
    process = here.start(sys.executable, "-m", "bench.peers.script", table, topic)
    return _measured(here, process, counter, topic, rows)


def _measured(
    here: Stand, process: subprocess.Popen[bytes], counter: TopicCounter, topic: str, rows: int
) -> Figures:
    """Watch a sender fill its topic, let it end, and delete the topic."""
    try:
        figures = measure(process, counter, rows)
        process.wait(60)
    finally:
        counter.close()
        here.drop_topic(topic)
    return figures


def snapshots(here: Stand, table: str, rows: int, runs: int) -> list[Figures]:
    """Debezium's initial snapshot, again and again in one worker; the first ones warm it up."""
    worker = Worker(here, "debezium")
    found: list[Figures] = []
    for number in range(WARM_UPS + runs):
        prefix = f"snapshot{number}"
        topic = here.new_topic(f"{prefix}.public.{table}")
        counter = TopicCounter(here, topic)
        worker.run(prefix, debezium(here, table, prefix))
        found.append(measure(worker.process, counter, rows))
        worker.remove(prefix)
        counter.close()
        here.drop_topic(topic)
    here.end(worker.process)
    return found[WARM_UPS:]


def copy_to_nowhere(here: Stand, table: str, rows: int) -> Figures:
    """What the server alone needs: the sorted COPY, its output thrown away."""
    connection = here.connect()
    source = f"SELECT * FROM {table} ORDER BY updated_timestamp, product_id"
    began, cpu = time.monotonic(), time.process_time()
    with Path(os.devnull).open("wb") as nowhere, connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({source}) TO STDOUT (FORMAT binary)", nowhere)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    connection.close()
    return {"rows_per_second": rows / seconds, "cpu_us_per_row": cpu / rows * 1e6}
