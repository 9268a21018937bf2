"""Incremental capture against a real server: what is committed arrives, once."""

import pytest

from capture_desk import Desk, session, settings_for
from fix_stack import Database

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, note text,
                updated timestamptz DEFAULT clock_timestamp());
CREATE INDEX ON t (updated)
"""


@pytest.fixture
def desk(database: Database) -> Desk:
    database.execute(TABLE)
    return Desk(settings_for(database, slice_rows=1000))


def test_rows_that_were_there_and_rows_that_come_arrive_once(
    desk: Desk, database: Database
) -> None:
    # GIVEN a table with rows
    database.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 100) i")
    # WHEN the capture starts, and rows come later
    desk.open()
    desk.settle()
    assert sorted(desk.values()) == list(range(1, 101))
    database.execute("INSERT INTO t SELECT i, i FROM generate_series(101, 110) i")
    database.execute("UPDATE t SET v = 1000, updated = now() WHERE id = 1")
    # THEN each arrives once
    assert desk.settle() == 11
    assert desk.settle() == 0
    assert sorted(desk.values()) == [*range(1, 111), 1000]


def test_a_transaction_that_commits_late_is_not_missed(desk: Desk, database: Database) -> None:
    # GIVEN a transaction that took its time long ago and stays open
    desk.open()
    desk.settle()
    with session(database) as late:
        late("INSERT INTO t VALUES (1, 1, 'late', now())")
        desk.settle()
        database.execute("INSERT INTO t VALUES (2, 2)")
        assert desk.settle() == 1
        # WHEN it commits behind others
        late("COMMIT")
        # THEN its row arrives
        assert desk.settle() == 1
    assert desk.values() == [2, 1]
