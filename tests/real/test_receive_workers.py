"""WORKERS processes of one receiver: each record in one file, whichever of them dies, and how."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fix_receive import Ferry, wait_until

pytestmark = pytest.mark.real

OWN: dict[str, Any] = {"workers": 2, "max_records": 60}


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether it runs: one that ended, and that nobody waits for, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def takers(ferry: Ferry) -> set[str]:
    """The workers that have taken a partition."""
    lines = ferry.log().splitlines()
    return {line.partition('"worker": ')[2][0] for line in lines if "partition.taken" in line}


def is_staged(ferry: Ferry, rows: int) -> bool:
    return sum(file.rows for file in ferry.files()) >= rows


def test_kill_of_a_worker_and_of_the_parent_leaves_each_record_in_one_file(ferry: Ferry) -> None:
    # GIVEN two workers that share four partitions
    ferry.quick_sessions()
    ferry.create(partitions=4)
    parent = ferry.start(**OWN)
    wait_until(lambda: takers(ferry) == {"1", "2"}, what="both workers")
    ferry.produce(range(800), partitions=4, per=70)

    # WHEN one of them is killed
    before = workers_of(parent.pid)
    os.kill(before[0], signal.SIGKILL)
    ferry.produce(range(800, 1600), partitions=4, per=70)
    wait_until(partial(is_staged, ferry, 1600), what="all records, by those that are left")

    # THEN the parent has told it, and started another
    wait_until(lambda: len(workers_of(parent.pid)) == 2, what="the one that is started again")
    assert before[0] not in workers_of(parent.pid)
    assert '"exit_code": 137' in ferry.log()

    # WHEN the parent is killed THEN no worker stays
    ferry.produce(range(1600, 2000), partitions=4, per=70)
    left = workers_of(parent.pid)
    parent.kill()
    parent.wait(10)
    wait_until(lambda: not any(map(is_running, left)), what="the workers' end")

    # WHEN others go on THEN each record is in one file
    ferry.once(**OWN)
    ferry.check()


def test_sigterm_to_the_parent_drains_every_worker(ferry: Ferry) -> None:
    # GIVEN two workers whose files would stay open for long
    ferry.quick_sessions()
    ferry.create(partitions=4)
    parent = ferry.start(workers=2, delivery="batch", max_age_seconds=3600)
    wait_until(lambda: takers(ferry) == {"1", "2"}, what="both workers")
    ferry.produce(range(600), partitions=4)
    wait_until(lambda: ferry.folder.joinpath("spool").exists(), what="the spool")
    left = workers_of(parent.pid)

    # WHEN
    parent.send_signal(signal.SIGTERM)

    # THEN all ended in order, and what is staged is committed, nothing decided and not done
    assert parent.wait(30) == 0, ferry.log()
    assert not any(map(is_running, left))
    ends = {file.partition: file.end for file in ferry.check(complete=False)}
    for partition, (position, register) in ferry.committed().items():
        assert max(position, 0) == ends.get(partition, 0)
        assert position < 0 or register.endswith("|b=")


def test_what_one_worker_needs_a_person_for_ends_all_with_its_exit_code(ferry: Ferry) -> None:
    # GIVEN a partition whose register was overwritten by somebody
    ferry.create(partitions=4)
    ferry.produce(range(400), partitions=4)
    ferry.commit(2, 10, "by hand")

    # WHEN
    parent = ferry.start(**OWN)

    # THEN
    assert parent.wait(30) == 4, ferry.log()
    assert "E_REGISTER_UNREADABLE" in ferry.log()


def test_once_with_workers_does_not_wait_for_the_age_of_each_others_files(ferry: Ferry) -> None:
    # GIVEN two workers that both join before records come, with files that would stay open for long
    ferry.create(partitions=4)
    ferry.produce(range(400), partitions=4)
    own: dict[str, Any] = {"workers": 2, "delivery": "batch", "max_age_seconds": 3600}

    # WHEN they stage what is in the topic
    parent = ferry.start("--once", failpoints="receive.poll=sleep:2000@1", **own)

    # THEN each ends its files where the topic ended, as the other waits for their completion
    assert parent.wait(60) == 0, ferry.log()
    assert takers(ferry) == {"1", "2"}
    ferry.check()


def test_once_with_workers_ends_where_nothing_is_left_to_receive(ferry: Ferry) -> None:
    # GIVEN partitions of which only aborted records are there
    ferry.create(partitions=4)
    ferry.produce(range(100), partitions=4, abort=True)

    # WHEN two workers, who both join first, want what there is
    parent = ferry.start("--once", failpoints="receive.poll=sleep:2000@1", workers=2)

    # THEN neither waits for what the other will never commit
    assert parent.wait(60) == 0, ferry.log()
    assert ferry.files() == []
