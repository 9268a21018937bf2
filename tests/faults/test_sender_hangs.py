"""A read that does not end, as that of a huge table without an index: a stop ends it in time."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from fix_cli import Process, Rowferry
from fix_stack import Database
from rowferry.config import Settings
from rowferry.errors import RetryBudgetSpent
from sending.topic import raw_records

pytestmark = pytest.mark.real

Environ = dict[str, str]
ROWS, CHUNK = 1200, 500
FIRST, AHEAD = 10, 700  # the row that is waited for: in the first read, in the one read ahead
TABLE = f"""
CREATE TABLE items
    (k text PRIMARY KEY, n int NOT NULL, updated timestamptz NOT NULL DEFAULT now());
INSERT INTO items SELECT to_char(i, 'FM0000'), i FROM generate_series(0, {ROWS - 1}) i
"""
CAN_BE_READ = """
CREATE OR REPLACE FUNCTION can_be_read(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN IF n = %s THEN PERFORM pg_sleep(600); END IF; RETURN true; END $$
"""


class Hanging:
    """A table whose reading hangs at a row, and what of it is in its topic."""

    def __init__(
        self,
        rowferry: Rowferry,
        database: Database,
        make_environ: Callable[..., Environ],
        settings: Settings,
    ) -> None:
        self.rowferry, self.database = rowferry, database
        self._make_environ, self._settings = make_environ, settings
        database.execute(TABLE)
        database.execute("CREATE TABLE others (LIKE items INCLUDING ALL)")
        # by the key's index: a chunk does not look at the rows behind it
        database.execute(f"ALTER DATABASE {database.name} SET enable_seqscan = off")

    def start(self, *words: str, at: int = AHEAD, **overrides: Any) -> Process:
        """Start, and wait until the read hangs, and all chunks before it are sent."""
        self.database.execute(CAN_BE_READ, (at,))
        process = self.rowferry.start(self._environ(**overrides), *words)
        before = at // CHUNK * CHUNK
        deadline = time.monotonic() + 60
        while not self._hangs() or len(self.numbers() if before else []) < before:
            assert process.poll() is None, self.rowferry.log_of(process)
            assert time.monotonic() < deadline, self.rowferry.log_of(process)
            time.sleep(0.05)
        return process

    def finish(self, **overrides: Any) -> None:
        """Send the rest, of which all can be read."""
        self.database.execute(CAN_BE_READ, (-1,))
        done = self.rowferry.run(self._environ(**overrides), "send", "--once")
        assert done.code == 0, done.stderr

    def numbers(self) -> list[int]:
        topic = self._settings.topic_of("public.items")
        return sorted(int(record.key()) for record in raw_records(self._settings, topic))

    def _environ(self, **overrides: Any) -> Environ:
        own = {
            "tables": "public.items",
            "timestamp_column": "updated",
            "filter": "can_be_read(n)",
            "load_chunk_rows": CHUNK,
            "slice_rows": CHUNK,
            "drain_seconds": 2,
        }
        return self._make_environ(**{**own, **overrides})

    def _hangs(self) -> bool:
        return bool(
            self.database.query(
                "SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event = 'PgSleep'"
            )
        )


@pytest.fixture
def hanging(
    rowferry: Rowferry,
    database: Database,
    stack_environ: Callable[..., Environ],
    stack_settings: Callable[..., Settings],
) -> Hanging:
    return Hanging(rowferry, database, stack_environ, stack_settings())


@pytest.mark.parametrize(
    ("words", "at", "mode"),
    [
        (["send"], FIRST, "incremental"),
        (["send"], AHEAD, "incremental"),
        (["send", "--once"], FIRST, "full"),
        (["send", "--once"], AHEAD, "full"),
        (["run"], AHEAD, "incremental"),
    ],
)
def test_a_stop_while_a_read_hangs_ends_at_the_drain_deadline(
    hanging: Hanging, words: list[str], at: int, mode: str
) -> None:
    # GIVEN a sender whose read would take ten minutes
    process = hanging.start(*words, at=at, mode=mode)

    # WHEN
    code = hanging.rowferry.stop(process)

    # THEN it does not wait for it, and a successor sends each row that was left once
    assert code == RetryBudgetSpent.exit_code, hanging.rowferry.log_of(process)
    assert "drain.deadline" in hanging.rowferry.log_of(process)
    hanging.finish(mode=mode)
    assert hanging.numbers() == list(range(ROWS))


def test_workers_whose_reads_hang_end_at_the_drain_deadline(hanging: Hanging) -> None:
    tables = "public.items,public.others"
    process = hanging.start("send", tables=tables, workers=2)
    assert hanging.rowferry.stop(process) == RetryBudgetSpent.exit_code
    hanging.finish(tables=tables)
    assert hanging.numbers() == list(range(ROWS))


@pytest.mark.parametrize("at", [FIRST, AHEAD])
def test_a_second_signal_ends_a_sender_whose_read_hangs_at_once(hanging: Hanging, at: int) -> None:
    # GIVEN a sender that may drain for longer than anybody waits
    process = hanging.start("send", at=at, drain_seconds=600)

    # WHEN
    process.send_signal(signal.SIGTERM)
    time.sleep(1)  # two of a kind that come together are one
    process.send_signal(signal.SIGTERM)

    # THEN
    assert process.wait(30) == 130
    hanging.finish()
    assert hanging.numbers() == list(range(ROWS))
