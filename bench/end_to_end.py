"""Both loops at once on the same two cores as database and broker: table → topic → files."""

import shutil

from bench.measure import Figures, measure, warmed
from bench.receive import staged_rows
from bench.stand import PARTITIONS, ROWFERRY, Stand, await_records, stand

LONGER = 3  # times the rows of the other parts: both loops have to be in full swing
WARM_UPS = 2  # of the broker; not counted
FILE_ROWS = 20_000  # the last file of a partition has fewer, and waits for its age: not counted


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Rows a second from the first staged file to the last full one, both processes running."""
    rows *= LONGER
    with stand() as here:
        here.fill("products", rows)
        found = warmed(lambda n: both(here, rows, n), WARM_UPS, runs)
    return {"end_to_end": {"rowferry": found}}


def both(here: Stand, rows: int, number: int) -> Figures:
    """One run: a fresh topic, pipeline, group and folder."""
    topic = here.new_topic()
    folder = here.folder / f"both-{number}"
    settings = {
        "ROWFERRY_TABLES": "public.products",
        "ROWFERRY_TOPIC": topic,
        "ROWFERRY_PIPELINE": topic,
        "ROWFERRY_GROUP": topic,
        "ROWFERRY_STAGE": f"file:{folder}",
        "ROWFERRY_DELIVERY": "batch",
        "ROWFERRY_MAX_RECORDS": str(FILE_ROWS),
        "ROWFERRY_MAX_AGE_SECONDS": "1",
    }
    receive = here.start(*ROWFERRY, "receive", **settings)
    send = here.start(*ROWFERRY, "send", **settings)
    try:
        full = rows - PARTITIONS * FILE_ROWS
        figures = measure(receive, staged_rows(folder), full, beside=[send])
        await_records(staged_rows(folder), receive, rows)
    finally:
        here.end(send)
        here.end(receive)
        shutil.rmtree(folder, ignore_errors=True)
        here.drop_topic(topic)
    return figures
