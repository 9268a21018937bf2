"""The promise, end to end: nothing missed, nothing twice, whatever commits late and whoever dies.

A shop trades through real `send` and `receive` processes whose database role has SELECT and
nothing else; afterwards database, topic and files are compared row by row.
"""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fix_cli import Process, Rowferry
from fix_stack import Database
from rowferry.sources import load_settings
from rowferry.stack import ledger
from rowferry.stack.shop import Shop, Traffic

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


class Race:
    """The pipeline of one test, and how it ends."""

    def __init__(
        self, rowferry: Rowferry, database: Database, environ: dict[str, str], stage: Path
    ) -> None:
        self.rowferry, self.database, self.environ, self.stage = rowferry, database, environ, stage
        self.running: dict[str, Process] = {}

    def start(self, command: str) -> None:
        self.running[command] = self.rowferry.start(self.environ, command)

    def kill(self, command: str) -> None:
        self.running[command].kill()
        self.running[command].wait()

    def settle(self) -> ledger.Found:
        """Stop both in order, let each complete what is left, and compare the three places."""
        for command in ("send", "receive"):
            if command in self.running:
                self._await_started(command)
                assert self.rowferry.stop(self.running[command]) == 0, self._log(command)
            done = self.rowferry.run(self.environ, command, "--once")
            assert done.code == 0, done.stderr
        settings = load_settings(environ=self.environ, folder=self.stage.parent).settings
        [topic] = settings.received_topics
        records, _ = ledger.read_topic(settings, topic)
        lines = ledger.read_lines(ledger.lines_of_folder(self.stage))
        return ledger.compare(ledger.read_committed(self.database.dsn), records, lines)

    def _await_started(self, command: str) -> None:
        """Until the process says something: before that it does not hear signals yet."""
        for _ in range(300):
            if self._log(command):
                return
            time.sleep(0.1)

    def _log(self, command: str) -> str:
        return self.rowferry.log_of(self.running[command])[-3000:]


@pytest.fixture
def race(
    rowferry: Rowferry,
    database: Database,
    stack_environ: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> Race:
    stage = tmp_path / "stage"
    environ = stack_environ(
        tables="public.products",
        stage=f"file:{stage}",
        session_seconds=6,
        postgres_user=database.reader,
        postgres_password=database.reader_password,
    )
    return Race(rowferry, database, environ, stage)


def assert_exact(found: ledger.Found) -> None:
    assert (found.missing, found.duplicated, found.changed) == (0, 0, 0), found
    assert found.in_topic == found.on_stage


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_commit_late_arrive_once(race: Race, database: Database, seed: int) -> None:
    # GIVEN a shop with savepoints, rollbacks, late commits, prepared transactions, and a session
    # that says `BEGIN; SELECT now();` long before its first write
    shop = Shop(database.dsn, Traffic(changes_per_second=300, seed=seed, prepared=True))
    shop.open(rows=5_000)
    race.start("send")
    race.start("receive")

    # WHEN it trades
    takings = shop.trade(18)

    # THEN each final row is there once, and nothing that was rolled back is
    found = race.settle()
    assert takings.versions > 1000
    assert takings.late > 0
    assert takings.rolled_back > 0
    assert_exact(found)


@pytest.mark.parametrize("seed", [3, 4])
def test_kill_9_of_both_loops_again_and_again_loses_and_repeats_nothing(
    race: Race, database: Database, seed: int
) -> None:
    # GIVEN a trading shop
    shop = Shop(database.dsn, Traffic(changes_per_second=300, seed=seed))
    shop.open(rows=20_000)
    race.start("send")
    race.start("receive")
    trading = threading.Thread(target=shop.trade, args=(25,))
    trading.start()

    # WHEN either loop is killed at random moments, and started again
    chance = random.Random(seed)
    kills = 0
    while trading.is_alive():
        time.sleep(chance.uniform(0.5, 4))
        command = chance.choice(["send", "receive"])
        race.kill(command)
        race.start(command)
        kills += 1
    trading.join()

    # THEN nothing is missing, repeated or changed
    assert kills > 5
    assert_exact(race.settle())


def test_a_transaction_of_300_000_rows_arrives_whole_though_the_sender_dies_inside(
    race: Race, database: Database
) -> None:
    # GIVEN a running sender, and one transaction larger than any slice
    shop = Shop(database.dsn)
    shop.open()
    race.environ["ROWFERRY_SLICE_ROWS"] = "50000"
    race.start("send")
    database.execute(
        "INSERT INTO products SELECT 'H' || n, 'Huge', 'Huge', n / 100.0 "
        "FROM generate_series(1, 300000) n"
    )

    # WHEN it is killed three times on the way
    for _ in range(3):
        time.sleep(0.7)
        race.kill("send")
        race.start("send")

    # THEN every row is in topic and files once
    found = race.settle()
    assert found.in_topic == 300_030
    assert_exact(found)


def test_a_table_rewrite_between_polls_loses_nothing(race: Race, database: Database) -> None:
    # GIVEN a trading shop
    shop = Shop(database.dsn, Traffic(changes_per_second=200, seed=5))
    shop.open(rows=2_000)
    race.start("send")
    race.start("receive")
    trading = threading.Thread(target=shop.trade, args=(12,))
    trading.start()

    # WHEN the table is rewritten under it (rows of the window may then be sent once more)
    time.sleep(5)
    database.execute("CLUSTER products USING products_pkey")
    trading.join()

    # THEN nothing is missing or changed
    found = race.settle()
    assert (found.missing, found.changed) == (0, 0)
