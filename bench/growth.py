"""A hundred times the rows: time a row, memory and the cost of a poll stay what they are."""

import time

from bench.measure import Figures, account, middle
from bench.receive import filled
from bench.receive import rowferry as receive
from bench.send import loads
from bench.send import rowferry as send
from bench.stand import PARTITIONS, ROWFERRY, Stand, TopicCounter, await_records, stand

CHUNK_ROWS, FILE_ROWS = 20_000, 5_000  # smaller than usual, so that the small size has several
RUNS = {100_000: 7, 1_000_000: 3, 10_000_000: 1}  # by size; short ones differ more
SMALL_POLL = 10_000
POLL_SECONDS = 15.0
CHANGES_A_SECOND = 50


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Measure each size; `rows` caps the largest, for a quick look, and `runs` is not used."""
    del runs
    sizes = [size for size in RUNS if size <= max(rows * 20, min(RUNS))]
    found: dict[str, Figures] = {}
    with stand() as here:
        here.fill("products", rows)
        loads(here, "products", rows, 1)  # warms the broker up
        here.fill("products", SMALL_POLL)
        found[f"poll_{SMALL_POLL}"] = polls(here, SMALL_POLL)
        for size in sizes:
            times = range(RUNS[size])
            here.fill("products", size)
            found[f"load_{size}"] = middle([load(here, size, n) for n in times])
            topic = filled(here, "products", size)
            found[f"receive_{size}"] = middle([files(here, topic, size, n) for n in times])
            here.drop_topic(topic)
        found[f"poll_{sizes[-1]}"] = polls(here, sizes[-1])
    return {"growth": found}


def load(here: Stand, size: int, number: int) -> Figures:
    """The initial load of a table of so many rows."""
    return send(here, "products", size, number, ROWFERRY_LOAD_CHUNK_ROWS=str(CHUNK_ROWS))


def files(here: Stand, topic: str, size: int, number: int) -> Figures:
    """A topic of so many rows into files, up to the last full ones."""
    return receive(here, topic, size, number, FILE_ROWS, PARTITIONS * FILE_ROWS)


def polls(here: Stand, rows: int) -> Figures:
    """CPU of the sender while a few rows change in a table of so many, at 10 polls a second."""
    topic = here.new_topic()
    counter = TopicCounter(here, topic)
    settings = {
        "ROWFERRY_TABLES": "public.products",
        "ROWFERRY_TOPIC": topic,
        "ROWFERRY_POLL_SECONDS": "0.2",  # after rows half of it: where rows flow, always
    }
    process = here.start(*ROWFERRY, "send", ROWFERRY_PIPELINE=topic, **settings)
    await_records(counter, process, rows)
    time.sleep(8)  # the windows behind the load narrow
    before, began = account(process.pid), time.monotonic()
    connection = here.connect()
    with connection.cursor() as cursor:
        for number in range(int(POLL_SECONDS * CHANGES_A_SECOND)):
            time.sleep(max(0.0, began + number / CHANGES_A_SECOND - time.monotonic()))
            cursor.execute(
                "UPDATE products SET price = price + 1, updated_timestamp = now() "
                "WHERE product_id = %s",
                (f"P{number + 1:09d}",),
            )
    connection.close()
    after = account(process.pid)
    here.end(process)
    counter.close()
    here.drop_topic(topic)
    percent = (after.cpu_seconds - before.cpu_seconds) / (time.monotonic() - began) * 100
    return {"cpu_percent": percent, "rss_mb": after.rss_mb}
