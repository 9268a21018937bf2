"""The race that ordinary pollers lose: writers whose transactions commit late, in every way."""

import random
import threading
import time

import psycopg2
import pytest

from capture_desk import Desk, settings_for
from fix_stack import Database

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE t (id int PRIMARY KEY, v bigint NOT NULL, note text, updated timestamptz);
CREATE INDEX ON t (updated);
INSERT INTO t SELECT i, -i, 'old', now() - interval '1 day' FROM generate_series(1, 500) i
"""
WRITE = """
INSERT INTO t VALUES (%s, %s, NULL, now())
ON CONFLICT (id) DO UPDATE SET v = excluded.v, updated = excluded.updated
"""


class Writer(threading.Thread):
    """Writes unique values with savepoints, rollbacks, pauses and prepared transactions."""

    def __init__(self, number: int, database: Database, seed: int, until: float) -> None:
        super().__init__()
        self._number, self._dsn, self._until = number, database.dsn, until
        self._dice = random.Random(seed * 100 + number)
        self._count = 0

    def run(self) -> None:
        connection = psycopg2.connect(self._dsn)
        try:
            with connection.cursor() as cursor:
                while time.monotonic() < self._until:
                    self._transaction(connection, cursor)
        finally:
            connection.close()

    def _transaction(
        self, connection: "psycopg2.extensions.connection", cursor: "psycopg2.extensions.cursor"
    ) -> None:
        dice = self._dice
        cursor.execute("SELECT now()")  # the transaction's time is taken here
        time.sleep(dice.choice([0, 0, 0, 0.01, 0.3, 1.0]))
        for _ in range(dice.randrange(1, 5)):
            is_kept = dice.random() < 0.7
            if dice.random() < 0.6:
                cursor.execute("SAVEPOINT s")
                self._write(cursor)
                cursor.execute("RELEASE s" if is_kept else "ROLLBACK TO s")
            else:
                self._write(cursor)
            time.sleep(dice.choice([0, 0, 0.02]))
        end = dice.random()
        if end < 0.15:
            connection.rollback()
        elif end < 0.3:
            gid = f"{self._number}-{self._count}"
            cursor.execute("PREPARE TRANSACTION %s", (gid,))
            connection.rollback()
            time.sleep(dice.choice([0, 0.1, 0.6]))
            connection.autocommit = True
            cursor.execute("COMMIT PREPARED %s", (gid,))
            connection.autocommit = False
        else:
            connection.commit()

    def _write(self, cursor: "psycopg2.extensions.cursor") -> None:
        self._count += 1
        # keys of its own, so that writers do not wait for each other
        key = 1 + self._number + 6 * self._dice.randrange(120)
        cursor.execute(WRITE, (key, self._number * 1_000_000 + self._count))


def idle_then_write(database: Database, seconds: float) -> threading.Thread:
    """`BEGIN; SELECT now();`, nothing for a while, then one row."""

    def run() -> None:
        connection = psycopg2.connect(database.dsn)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT now()")
                time.sleep(seconds)
                cursor.execute(WRITE, (9999, 9_999_999))
            connection.commit()
        finally:
            connection.close()

    return threading.Thread(target=run)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_row_is_lost_or_sent_twice_among_late_commits(database: Database, seed: int) -> None:
    # GIVEN writers with savepoints, rollbacks, prepared and idle transactions, and no allowance
    database.execute(TABLE)
    settings = settings_for(database, epsilon_seconds=0.0, slice_rows=50, load_chunk_rows=100)
    desk = Desk(settings)
    desk.open()
    dice = random.Random(seed)
    began = time.monotonic()
    until = began + 12
    writers: list[threading.Thread] = [Writer(n, database, seed, until) for n in range(6)]
    writers.append(idle_then_write(database, 9))
    for writer in writers:
        writer.start()
    # WHEN the capture polls, gives up polls, crashes, and a rewrite of the table comes between
    rewritten_at = None
    while time.monotonic() < until:
        desk.tick(give_up_at=dice.choice([None, None, None, 0, 1]))
        if dice.random() < 0.05:
            desk.crash()
        if seed == 2 and rewritten_at is None and time.monotonic() > began + 6:
            rewritten_at = len(desk.rows)
            database.execute("ALTER TABLE t ALTER COLUMN note TYPE varchar(9) USING note")
        time.sleep(0.03)
    for writer in writers:
        writer.join()
    desk.settle()
    # THEN each row's last version arrived, and none twice but for the rewrite
    final = {row[0] for row in database.query("SELECT v FROM t")}
    assert final - set(desk.values()) == set()
    assert 9_999_999 in desk.values()
    assert len(desk.rows) > 900
    assert rewritten_at is not None or desk.twice() == []
