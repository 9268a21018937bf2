"""What a poll asks of the database: one question where nothing happened, few otherwise."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_desk import Desk, session, settings_for
from fix_stack import Database

pytestmark = pytest.mark.real

TABLES = ("public.t", "public.u", "public.v")
SWAP = """
ALTER TABLE t RENAME TO old; CREATE TABLE t AS SELECT k, v, updated FROM old;
ALTER TABLE t ADD PRIMARY KEY (k); GRANT SELECT ON t TO PUBLIC
"""
CHANGES = [
    "ALTER TABLE t ADD COLUMN more text DEFAULT 'new'",
    "ALTER TABLE t ALTER COLUMN v TYPE int USING 7",
    "ALTER TABLE t DROP COLUMN v",
    SWAP,
]


class Asked:
    """The statements that a session runs, counted where it does."""

    def __init__(self, desk: Desk) -> None:
        assert desk.source is not None
        self.count = 0
        running: Any = desk.source._session
        for name in ("rows", "run", "copy"):
            setattr(running, name, self._counting(getattr(running, name)))

    def _counting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.count += 1
            return method(*arguments)

        return counted

    def by(self, work: Callable[[], object]) -> int:
        before = self.count
        work()
        return self.count - before


@pytest.fixture
def desk(database: Database) -> Desk:
    for table in TABLES:
        database.execute(
            f"CREATE TABLE {table} (k int PRIMARY KEY, v text,"
            " updated timestamptz NOT NULL DEFAULT now())"
        )
    made = Desk(settings_for(database, tables=TABLES)).open()
    made.settle()
    return made


def test_an_idle_poll_asks_one_question_however_many_tables(desk: Desk) -> None:
    asked = Asked(desk)
    desk.tick()  # the first one expects rows again, and begins and ends a transaction
    counts = [asked.by(desk.tick) for _ in range(20)]
    assert counts == [1] * 20
    assert desk.capture.is_settled
    assert desk.capture.pause_seconds > 0.9 * desk.settings.poll_seconds
    desk.capture.close()


def test_a_poll_that_finds_rows_asks_few_questions(desk: Desk, database: Database) -> None:
    # GIVEN polls that have prepared what they ask
    asked = Asked(desk)
    with session(database, autocommit=True) as execute:
        execute("INSERT INTO t VALUES (0, 'x')")
        desk.settle()

        # WHEN a row comes
        execute("INSERT INTO t VALUES (1, 'x')")
        count = asked.by(desk.tick)

    # THEN: clock, tables, snapshot, who is open and prepared, the end; and a COPY and a check
    # for each table
    assert desk.values("k") == [0, 1]
    assert count <= 6 + 2 * len(TABLES)
    desk.capture.close()


def test_the_next_poll_takes_clock_and_snapshot_at_once_and_tables_as_they_were(
    desk: Desk, database: Database
) -> None:
    # GIVEN a poll that found rows
    asked = Asked(desk)
    with session(database, autocommit=True) as execute:
        execute("INSERT INTO t VALUES (0, 'x')")
        desk.settle()
        execute("INSERT INTO t VALUES (1, 'x')")
        desk.tick()

        # WHEN there are rows again
        execute("INSERT INTO t VALUES (2, 'x')")
        count = asked.by(desk.tick)

    # THEN: snapshot with clock, who is open and prepared, the end; a COPY and a check a table
    assert desk.values("k") == [0, 1, 2]
    assert count <= 4 + 2 * len(TABLES)
    desk.capture.close()


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_changes_between_two_such_polls_is_looked_at_anew(
    desk: Desk, database: Database, change: str
) -> None:
    # GIVEN polls that find rows, one behind the other
    with session(database, autocommit=True) as execute:
        for number in range(3):
            execute("INSERT INTO t VALUES (%s, 'x')", (number,))
            desk.tick()
        # WHEN the table changes and a row comes, and another table has one
        execute(change)
        execute("INSERT INTO t (k, updated) VALUES (99, now())")
        execute("INSERT INTO u VALUES (100, 'x')")
        # THEN a poll may come to nothing, and the next one sends both
        desk.settle()
    assert {0, 1, 2, 99, 100} <= set(desk.values("k"))
    desk.capture.close()
