"""Topic → files: a filled topic, read by a fresh group, by each subject."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import Figures, measure, middle, warmed
from bench.peers.connect import Worker, file_sink
from bench.stand import ROWFERRY, Stand, TopicCounter, stand

WARM_UPS = 2
BROKER_WARM_UPS = 1  # not counted


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Measure rowferry, the obvious consumer and Kafka Connect's file sink on the same topic."""
    with stand() as here:
        here.fill("products", rows)
        topic = filled(here, "products", rows)
        found = {
            "rowferry": warmed(lambda n: rowferry(here, topic, rows, n), BROKER_WARM_UPS, runs),
            "consumer": middle([consumer(here, topic, rows, n) for n in range(runs)]),
            "connect_file": middle(file_sinks(here, topic, rows, runs)),
        }
    return {"receive": found}


def filled(here: Stand, table: str, rows: int) -> str:
    """A topic with the table's rows."""
    topic = here.new_topic()
    settings = {
        "ROWFERRY_TABLES": f"public.{table}",
        "ROWFERRY_TOPIC": topic,
        "ROWFERRY_PIPELINE": topic,
    }
    process = here.start(*ROWFERRY, "send", "--once", **settings)
    if process.wait(600) != 0:
        raise RuntimeError(f"send ended with {process.returncode}")
    counter = TopicCounter(here, topic)
    if counter() < rows:
        raise RuntimeError("the topic is not full")
    counter.close()
    return topic


def staged_rows(folder: Path) -> Callable[[], int]:
    """How many rows the file names of a folder speak of: `…-<rows>.json.gz`."""

    def count() -> int:
        names = (path.name for path in folder.rglob("*.json.gz"))
        return sum(int(name.split(".")[0].rpartition("-")[2]) for name in names)

    return count


def rowferry(
    here: Stand, topic: str, rows: int, number: int, file_rows: int = 20_000, unfilled: int = 0
) -> Figures:
    """`rowferry receive --once` into a folder, gzip JSON lines with metadata.

    unfilled: how many rows the last files may have, which end with the topic; not counted.
    """
    folder = here.folder / f"rowferry-{number}"
    settings = {
        "ROWFERRY_TOPICS": topic,
        "ROWFERRY_GROUP": f"bench-{folder.name}-{topic}",
        "ROWFERRY_STAGE": f"file:{folder}",
        "ROWFERRY_DELIVERY": "batch",
        "ROWFERRY_MAX_RECORDS": str(file_rows),
    }
    process = here.start(*ROWFERRY, "receive", "--once", **settings)
    try:
        figures = measure(process, staged_rows(folder), rows - unfilled)
        process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def consumer(here: Stand, topic: str, rows: int, number: int) -> Figures:
    """The obvious consumer into gzip files."""
    folder = here.folder / f"consumer-{number}"
    folder.mkdir()
    words = ("-m", "bench.peers.consumer", topic, str(folder), str(rows))
    process = here.start(sys.executable, *words)
    try:
        figures = measure(process, staged_rows(folder), rows)
        process.wait(60)
    finally:
        shutil.rmtree(folder)
    return figures


def file_sinks(here: Stand, topic: str, rows: int, runs: int) -> list[Figures]:
    """The file sink, again and again in one worker; the first ones warm it up."""
    worker = Worker(here, "file_sink")
    found: list[Figures] = []
    for number in range(WARM_UPS + runs):
        file = here.folder / f"sink-{number}"
        worker.run(f"sink{number}", file_sink(topic, file))
        found.append(measure(worker.process, Lines(file), rows))
        worker.remove(f"sink{number}")
        file.unlink()
    here.end(worker.process)
    return found[WARM_UPS:]


class Lines:
    """How many lines a growing file has; each byte is read once."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._count = path, 0, 0

    def __call__(self) -> int:
        """Count now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                while block := file.read(1 << 22):
                    self._count += block.count(b"\n")
                    self._offset += len(block)
        return self._count
