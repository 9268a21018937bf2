"""A stage that is slow or full: what waits stays within SPOOL_BYTES, the group is kept."""

import base64
import errno
import gzip
import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from fix_receive import EPOCH, SCHEMA, Ferry, product, wait_until
from fix_snowflake import MakeSnowflake
from harbour import (
    ForeignLogging,
    Harbour,
    Receiving,
    Watched,
    bytes_in,
    end_of_background_threads,
    links_in,
)
from rowferry.observe.log import configure
from rowferry.run.receiver import run_receiver
from rowferry.stop import Stop
from strict_snowflake import Encryption

pytestmark = pytest.mark.real

ROWS = range(12_000)  # some 320 kB compressed
SPOOL_BYTES = 60_000
CHUNK_ROWS, CHUNK_BYTES = 1000, 60_000  # what is at hand when the cap is reached, at most
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@pytest.fixture
def harbour(
    ferry: Ferry,
    make_snowflake: MakeSnowflake,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Harbour]:
    monkeypatch.setattr("rowferry.run.pressure._CHUNK_RECORDS", CHUNK_ROWS)
    logging = ForeignLogging()
    ferry.create(partitions=2)
    ferry.produce(ROWS, partitions=2)
    ferry.quick_sessions()
    yield Harbour(ferry, make_snowflake(encryption=Encryption.SSE), capfd)
    end_of_background_threads()
    logging.restore()


def staged_to_the_end(harbour: Harbour) -> bool:
    return sum(at for at, _ in harbour.ferry.committed().values()) >= len(ROWS)


@pytest.mark.usefixtures("quick_retries")
def test_a_full_stage_pauses_at_the_spools_cap_and_keeps_the_group(harbour: Harbour) -> None:
    # GIVEN a stage that has no space
    harbour.fake.faults.next("refuse", times=10_000, status=507)
    spool = harbour.ferry.folder / "spool"
    limits: dict[str, Any] = {"max_records": 500, "spool_bytes": SPOOL_BYTES}
    with Watched(lambda: bytes_in(spool)) as watched, Receiving(harbour, **limits):
        wait_until(lambda: watched.most >= SPOOL_BYTES)
        # WHEN that lasts for longer than the group waits for a member
        time.sleep(3)
        assert sum(max(at, 0) for at, _ in harbour.ferry.committed().values()) == 0
        # THEN all goes on once there is space
        harbour.fake.faults.clear()
        wait_until(lambda: staged_to_the_end(harbour), 60)
    assert watched.most <= SPOOL_BYTES + CHUNK_BYTES
    assert harbour.said.count("partition.taken") == 2
    assert not harbour.was_left()
    harbour.check()


def test_a_slow_stage_pauses_at_the_spools_cap_and_all_arrives(harbour: Harbour) -> None:
    # GIVEN a storage that takes 20 kB a second from each of four uploads
    harbour.fake.faults.next("slow", times=10_000, bytes_per_second=20_000)
    spool = harbour.ferry.folder / "spool"
    limits: dict[str, Any] = {"max_records": 500, "spool_bytes": SPOOL_BYTES}
    with Watched(lambda: bytes_in(spool)) as watched, Receiving(harbour, **limits):
        wait_until(lambda: staged_to_the_end(harbour), 60)
    assert SPOOL_BYTES <= watched.most <= SPOOL_BYTES + CHUNK_BYTES
    assert harbour.said.count("partition.taken") == 2
    assert not harbour.was_left()
    harbour.check()


def test_files_that_were_decided_are_completed_though_the_spool_is_smaller(
    harbour: Harbour,
) -> None:
    # GIVEN a predecessor that decided large files in two partitions, and was killed
    ferry = harbour.ferry
    more = range(len(ROWS), 3 * len(ROWS))
    ferry.produce(more, partitions=2)
    limits: dict[str, Any] = {"max_records": 10**6, "delivery": "batch"}
    killed = ferry.start("--once", failpoints="receive.plan=kill@2", **limits)
    assert killed.wait(60) == -signal.SIGKILL, ferry.log()
    [one, other] = [register.partition("|b=")[2] for _, register in ferry.committed().values()]
    assert one
    assert other
    # WHEN its successor may spool less than either of them
    with Receiving(harbour, spool_bytes=SPOOL_BYTES):
        # THEN both are staged as they were decided
        wait_until(lambda: sum(at for at, _ in ferry.committed().values()) >= more.stop, 60)
    assert harbour.said.count("spool.exceeded") == 1
    assert len(harbour.check()) == 2


def test_a_disk_that_is_full_for_a_while_is_waited_for_with_nothing_spooled(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a disk that has no space for files, once some are there
    spool = harbour.ferry.folder / "spool"
    full, opened, open_ = threading.Event(), count(), os.open

    def open_where_there_is_space(path: Any, flags: int, *more: Any, **also: Any) -> int:
        is_file = Path(os.fsdecode(path)).suffix == ".gz" and spool in Path(path).parents
        if is_file and next(opened) == 3:
            full.set()
        return (
            open_("/dev/full", os.O_WRONLY)
            if is_file and full.is_set()
            else open_(path, flags, *more, **also)
        )

    monkeypatch.setattr("os.open", open_where_there_is_space)
    with Receiving(harbour, max_records=500):
        # WHEN that lasts
        wait_until(lambda: harbour.said.count("membership.over") >= 2)
        # THEN the reason is said, and what was spooled makes room
        assert os.strerror(errno.ENOSPC) in harbour.said
        wait_until(lambda: bytes_in(spool) == 0)
        # AND all goes on once there is space
        full.clear()
        wait_until(lambda: staged_to_the_end(harbour), 60)
    harbour.check()


DISK_BYTES = 200_000
MOST_REFUSALS = 12  # more than it takes until files are small enough


def test_a_disk_that_stays_too_small_for_the_open_files_lets_them_end_sooner_and_all_arrives(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN files that would grow on and on, and a disk that holds less than what is in the topic
    monkeypatch.setattr("rowferry.run.pressure._LEAST_SPOOL_BYTES", 20_000)
    monkeypatch.setattr("rowferry.flow.stage.files.BLOCK_BYTES", 1 << 14)
    stop = Stop()
    disk = SmallDisk(harbour.ferry.folder / "spool", stop)
    monkeypatch.setattr("rowferry.flow.stage.files.os.fdopen", disk.fdopen)
    # WHEN
    settings = harbour.settings(delivery="batch", max_records=10**6, max_age_seconds=300)
    configure(settings)
    received = run_receiver(settings, stop, once=True)
    # THEN it was full, that was said, and it was no obstacle
    assert 0 < disk.refusals < MOST_REFUSALS
    assert harbour.said.count("spool.lowered") >= 1
    assert received.rows == len(ROWS)
    assert len(harbour.check()) > 2


class SmallDisk:
    """Refuses what a folder has no space for; asks for an end where it has to do so too often."""

    def __init__(self, folder: Path, stop: Stop) -> None:
        self.folder, self.refusals = folder.resolve(), 0
        self._stop, self._fdopen = stop, os.fdopen

    def fdopen(self, descriptor: int, *more: Any, **also: Any) -> Any:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        file = self._fdopen(descriptor, *more, **also)
        return OnSmallDisk(self, file) if self.folder in path.parents else file

    def require(self, size: int) -> None:
        if bytes_in(self.folder) + size > DISK_BYTES:
            self.refusals += 1
            if self.refusals == MOST_REFUSALS:
                self._stop.request()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class OnSmallDisk:
    """A file there."""

    def __init__(self, disk: SmallDisk, file: BinaryIO) -> None:
        self._disk, self._file = disk, file
        self.close = file.close

    def write(self, data: bytes) -> None:
        self._disk.require(len(data))
        self._file.write(data)
        self._file.flush()


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("partitions", [1, 3])
def test_files_of_200_mb_need_less_than_512_mb_and_are_uploaded_while_more_is_read(
    ferry: Ferry, make_snowflake: MakeSnowflake, partitions: int
) -> None:
    # GIVEN 450 MB that gzip makes hardly smaller than 340 MB, and a storage of 20 MB a second
    fake = make_snowflake(encryption=Encryption.SSE)
    ferry.create(partitions=partitions)
    rows = produce_large(ferry, 220_000, partitions)
    fake.faults.next("slow", times=100, bytes_per_second=20_000_000)
    place = {name.lower(): value for name, value in fake.settings.items()}
    stage = "@product_ingestion_stage/ferry"
    own: dict[str, Any] = {"stage": stage, "delivery": "batch", "max_age_seconds": 300}
    # WHEN
    most = 200_000_000 // partitions
    receiver = ferry.start("--once", max_bytes=most, **own, **place)
    peak, spooled_with_upload = 0, 0
    while receiver.poll() is None:
        status = Path(f"/proc/{receiver.pid}/status").read_text()
        found = PEAK.search(status)
        peak = int(found[1]) if found else peak
        sizes = [found.st_nlink for found in links_in(ferry.folder / "spool") if found.st_size]
        is_uploading = any(links > 1 for links in sizes)
        spooled_with_upload += is_uploading and any(links == 1 for links in sizes)
        time.sleep(0.05)
    # THEN
    assert receiver.returncode == 0, ferry.log()
    files = fake.files()
    print(f"peak {peak / 1024:.0f} MiB; files of {[file.size for file in files.values()]} bytes")
    assert max(file.size for file in files.values()) > 0.99 * most
    assert peak < 512 * 1024
    assert spooled_with_upload > 0
    assert sum(gzip.decompress(f.contents).count(b"\n") for f in files.values()) == rows


def produce_large(ferry: Ferry, count: int, partitions: int) -> int:
    """Products whose names are 2 kB of noise; gives their number."""
    noise = random.Random(1)
    producer = ferry.producer()
    producer.init_transactions(30)
    first = product(0)
    for begin in range(0, count, 10_000):
        producer.begin_transaction()
        for number in range(begin, min(begin + 10_000, count)):
            name = base64.b64encode(noise.randbytes(1500)).decode()
            row = {**first, "product_id": f"P{number}", "name": name, "updated": EPOCH}
            value = ferry.encode(row, SCHEMA, ferry.schema_id)
            producer.produce(ferry.topic, value, f"P{number}".encode(), number % partitions)
            if number % 500 == 0:
                producer.flush(30)
        producer.flush(60)
        producer.commit_transaction(60)
    return count
