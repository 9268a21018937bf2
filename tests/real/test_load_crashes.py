"""kill -9, a frozen loader, a second loader, lost answers: each row once all the same."""

import signal
import threading

import pytest

from fix_load import Quay
from fix_receive import wait_until

pytestmark = pytest.mark.real

DEAD_CLIENT_SECONDS = 301  # after which Snowflake gives a silent client's locks to who waits
KILLED = -signal.SIGKILL


def numbered(*numbers: int) -> list[dict[str, object]]:
    return [{"id": number, "name": f"n{number}"} for number in numbers]


def test_kill_9_between_any_two_statements_loads_each_row_once(quay: Quay) -> None:
    quay.create()
    expected = {0}
    for step, failpoint in enumerate(("lock", "copy", "merge", "commit")):
        # GIVEN new rows, and an update of a key that each batch has
        fresh = range(step * 10 + 1, step * 10 + 4)
        expected |= {*fresh}
        quay.stage(*numbered(0, *fresh))
        quay.commit()
        # WHEN the loader is killed there
        killed = quay.start("--once", failpoints=f"load.{failpoint}=kill", load="upsert")
        assert killed.wait(30) == KILLED, quay.log()
        quay.fake.clock.advance(seconds=DEAD_CLIENT_SECONDS)
        # THEN all that was pending is done, or nothing
        done = {0: 16} if failpoint == "commit" else {0: 0}
        count = quay.query("SELECT count(*), count(DISTINCT id) FROM products")
        assert (quay.ledger(), count) == (done, [(13, 13)] if done[0] else [(0, 0)])
    # AND nothing is left to be done
    assert quay.load(load="upsert").files == 0
    assert {row[0] for row in quay.query("SELECT id FROM products")} == expected


def test_a_second_loader_waits_for_the_first_and_loads_nothing_again(quay: Quay) -> None:
    # GIVEN a loader in the middle of a transaction
    quay.create()
    quay.stage(*numbered(1, 2, 3))
    quay.commit()
    first = quay.start("--once", "--json", failpoints="load.copy=sleep:1500")
    wait_until(lambda: "load.begins" in quay.log(), 20)
    wait_until(lambda: _is_locked(quay), 20)
    # WHEN another one loads THEN it waits, and finds all done
    second = quay.load()
    assert first.wait(20) == 0, quay.log()
    assert (second.files, '"rows": 3' in quay.log()) == (0, True)
    assert quay.query("SELECT count(*), count(DISTINCT id) FROM products") == [(3, 3)]


def test_a_frozen_loader_is_fenced_by_the_ledger_when_it_wakes_up(quay: Quay) -> None:
    # GIVEN a loader that froze behind its COPY, for longer than Snowflake waits
    quay.create()
    quay.stage(*numbered(1, 2))
    quay.commit()
    frozen = quay.start("--once", "--json", failpoints="load.copy=stop")
    wait_until(lambda: "load.begins" in quay.log(), 20)
    wait_until(lambda: _is_locked(quay), 20)
    quay.fake.clock.advance(seconds=DEAD_CLIENT_SECONDS)
    # WHEN another loader has loaded its files, and it wakes up
    assert quay.load().rows == 2
    frozen.send_signal(signal.SIGCONT)
    # THEN it loads nothing again
    assert frozen.wait(30) == 0, quay.log()
    assert '"rows": 0' in quay.log()
    assert quay.query("SELECT count(*) FROM products") == [(2,)]


@pytest.mark.parametrize("statement", ["COPY INTO", "COMMIT"])
def test_a_lost_answer_is_not_a_second_load(quay: Quay, statement: str) -> None:
    quay.create()
    quay.stage(*numbered(1, 2))
    quay.commit()
    quay.fake.faults.next("query_lost_reply", beginning=statement)
    quay.load()
    assert len(quay.fake.faults.played) == 1
    assert quay.query("SELECT count(*) FROM products") == [(2,)]
    assert quay.ledger() == {0: 2}


def test_two_loaders_at_once_share_the_work_and_repeat_none(quay: Quay) -> None:
    quay.create(partitions=3)
    for partition in range(3):
        for n in range(3):
            quay.stage(*numbered(partition * 100 + n), partition=partition)
    quay.commit()
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(quay.load())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(each.rows for each in loaded) == 9
    assert quay.query("SELECT count(*), count(DISTINCT id) FROM products") == [(9, 9)]


def _is_locked(quay: Quay) -> bool:
    """Whether a loader's transaction is under way."""
    return "ANALYTICS.INGEST.ROWFERRY_LEDGER" in quay.fake.locked_tables
