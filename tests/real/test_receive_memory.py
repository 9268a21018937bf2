"""What a receiver takes of the machine: memory at any backlog, wake-ups when nothing comes."""

import random
import subprocess
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from fix_receive import SCHEMA, Ferry, product, wait_until

pytestmark = pytest.mark.real

MOST_MB = 400
ROWS, DIFFERENT, NAME_BYTES = 30_000, 97, 3_000
SMALL_ROWS, SPARSE_ROWS = 45_001, 25_000  # the small ones are taken 20,000 at once


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    """The peak of its resident memory until it ends."""
    peak = 0.0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
        peak = max([peak, *(int(line.split()[1]) / 1024 for line in lines)])
        time.sleep(0.05)
    return peak


def produce_wide(ferry: Ferry) -> None:
    """Over 90 MB, of which hardly anything can be compressed."""
    source = random.Random(20)
    values = []
    for number in range(DIFFERENT):
        name = "".join(chr(source.randrange(35, 91)) for _ in range(NAME_BYTES))
        row = {**product(number), "name": name}
        values.append(ferry.encode(row, SCHEMA, ferry.schema_id))
    producer = Producer({**ferry.kafka.configuration, "linger.ms": 50})
    for number in range(ROWS):
        while True:
            try:
                producer.produce(ferry.topic, values[number % DIFFERENT], partition=number % 2)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def test_a_receiver_stays_under_400_mb_at_any_backlog(ferry: Ferry) -> None:
    # GIVEN a backlog of wide rows
    ferry.create(partitions=2)
    produce_wide(ferry)
    for delivery in ("streaming", "batch"):
        # WHEN it is received into small files, and into as large ones as there may be
        stage = ferry.folder / delivery
        own = {"delivery": delivery, "group": f"{ferry.group}-{delivery}"}
        receiver = ferry.start("--once", stage=f"file:{stage}", gzip_level=0, **own)
        peak = peak_mb(receiver)
        # THEN all is staged, in less memory than the backlog with the program would take
        assert receiver.returncode == 0, ferry.log()
        names = [path.name for path in stage.rglob("*.json.gz")]
        assert sum(int(name.split(".")[0].rpartition("-")[2]) for name in names) == ROWS
        assert peak < MOST_MB


def test_rows_of_a_thousand_nulls_stay_under_400_mb_too(ferry: Ferry) -> None:
    # GIVEN a backlog of rows that are a kilobyte each, and whose lines are 40, behind small rows
    ferry.create(partitions=2)
    small = ferry.encode(product(1), SCHEMA, ferry.schema_id)
    ferry.produce_raw([(b"%d" % number, small) for number in range(SMALL_ROWS)])
    nulls = [
        {"name": f"some_measured_quantity_{number:04d}", "type": ["null", "long"], "default": None}
        for number in range(1000)
    ]
    schema_id = ferry.register({**SCHEMA, "fields": [*SCHEMA["fields"], *nulls]})
    value = ferry.encode(product(1), SCHEMA, schema_id) + bytes(len(nulls))
    ferry.produce_raw([(b"%d" % number, value) for number in range(SPARSE_ROWS)])
    # WHEN it is received
    receiver = ferry.start("--once", delivery="batch")
    peak = peak_mb(receiver)
    # THEN all is staged, in less memory than the lines of one fetch would take
    assert receiver.returncode == 0, ferry.log()
    assert sum(file.rows for file in ferry.files()) == SMALL_ROWS + SPARSE_ROWS
    assert peak < MOST_MB


def test_an_idle_receiver_of_32_partitions_hardly_wakes_up(ferry: Ferry) -> None:
    # GIVEN a receiver that has nothing to do
    ferry.create(partitions=32)
    receiver = ferry.start()
    wait_until(lambda: ferry.log().count("partition.taken") == 32, what="all partitions")
    time.sleep(1)

    # WHEN time passes
    before = sleeps_of(receiver.pid)
    seconds = 4
    time.sleep(seconds)

    # THEN all of its threads together slept a few dozen times a second, whatever the partitions
    assert (sleeps_of(receiver.pid) - before) / seconds < 60


def sleeps_of(pid: int) -> int:
    """How often its threads have gone to sleep."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = status.read_text().splitlines()
        count += sum(int(x.split()[1]) for x in lines if x.startswith("voluntary_ctxt_switches"))
    return count
