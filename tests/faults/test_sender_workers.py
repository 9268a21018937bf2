"""Several processes that send: each row in its topic once, whichever of them dies, and how."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fix_cli import Process, Rowferry
from fix_stack import Database
from rowferry.config import Settings
from sending.topic import raw_records

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

TABLES = ("a", "b", "c")
Environ = dict[str, str]


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


TABLE_OF_ITS_OWN = '[table."public.b"]\ntimestamp_column = "updated"\n'


class Senders:
    """Three tables, and what of them is in their topics."""

    def __init__(
        self, rowferry: Rowferry, database: Database, environ: Environ, settings: Settings
    ) -> None:
        self.rowferry, self.database = rowferry, database
        self.environ, self.settings = environ, settings
        for table in TABLES:
            database.execute(
                f"CREATE TABLE {table} (k text PRIMARY KEY, n int NOT NULL,"
                " updated timestamptz NOT NULL DEFAULT now())"
            )

    def write(self, first: int, last: int) -> None:
        for table in TABLES:
            self.database.execute(
                f"INSERT INTO {table}"
                f" SELECT 'K' || i, i FROM generate_series({first}, {last - 1}) i"
            )

    def start(self) -> Process:
        return self.rowferry.start(self.environ, "send")

    def finish(self) -> None:
        done = self.rowferry.run(self.environ, "send", "--once")
        assert done.code == 0, done.stderr

    def sent(self, table: str) -> list[int]:
        records = raw_records(self.settings, self.settings.topic_of(f"public.{table}"))
        return sorted(int(record.key().removeprefix(b"K")) for record in records)


def wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@pytest.fixture
def senders(
    rowferry: Rowferry,
    database: Database,
    stack_environ: Callable[..., Environ],
    stack_settings: Callable[..., Settings],
) -> Senders:
    own: dict[str, Any] = {
        "tables": ",".join(f"public.{table}" for table in TABLES),
        "timestamp_column": "updated",
        "load_chunk_rows": 500,
        "workers": 2,
    }
    return Senders(rowferry, database, stack_environ(**own), stack_settings(**own))


def test_kill_9_of_a_worker_and_of_the_parent_sends_each_row_once(senders: Senders) -> None:
    # GIVEN two workers that load three tables, one of them with settings of its own
    (senders.rowferry.folder / "rowferry.toml").write_text(TABLE_OF_ITS_OWN)
    senders.write(0, 20_000)
    parent = senders.start()
    wait_until(lambda: len(workers_of(parent.pid)) == 2, lambda: "no workers")
    log = senders.rowferry.log_of
    wait_until(lambda: log(parent).count("send.started") == 2, lambda: log(parent))

    # WHEN one is killed while it loads, and rows go on
    killed = workers_of(parent.pid)[0]
    os.kill(killed, signal.SIGKILL)
    senders.write(20_000, 21_000)

    # THEN it is started again
    wait_until(lambda: log(parent).count("send.started") == 3, lambda: log(parent))

    # WHEN the parent is killed, and others go on at once
    parent.kill()
    parent.wait()
    senders.write(21_000, 22_000)
    senders.finish()

    # THEN each row is in its topic once
    for table in TABLES:
        assert senders.sent(table) == list(range(22_000))


def test_a_worker_whose_table_needs_a_person_does_not_stop_the_others(senders: Senders) -> None:
    # GIVEN a table without a key, alone in a worker
    senders.database.execute("ALTER TABLE b DROP CONSTRAINT b_pkey")
    parent = senders.start()
    log = senders.rowferry.log_of
    wait_until(lambda: "send.started" in log(parent), lambda: log(parent))
    wait_until(lambda: len(workers_of(parent.pid)) == 1, lambda: log(parent))

    # WHEN rows come after that
    senders.write(0, 100)
    topics = [table for table in TABLES if table != "b"]

    # THEN the other worker's tables are carried, and the exit code tells of the trouble
    def is_carried() -> bool:
        return all(senders.sent(table) == list(range(100)) for table in topics)

    wait_until(is_carried, lambda: log(parent))
    assert senders.rowferry.stop(parent) == 2, log(parent)
