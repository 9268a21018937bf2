"""Full mode against a real server: the whole table, each scan, resumable."""

import pytest

from capture_desk import Desk, settings_for
from fix_stack import Database

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE t (id text, part int, v int, PRIMARY KEY (part, id));
INSERT INTO t SELECT i::text, i % 3, i FROM generate_series(1, 1000) i
"""


def test_a_full_scan_gives_every_row_in_slices_and_then_waits(database: Database) -> None:
    database.execute(TABLE)
    desk = Desk(settings_for(database, mode="full", slice_rows=300)).open()
    desk.settle()
    assert sorted(desk.values()) == list(range(1, 1001))
    assert max(desk.slices) <= 300
    # WHEN the next scan is not due, THEN nothing comes, also for a successor
    database.execute("UPDATE t SET v = v + 1")
    assert desk.settle() == 0
    desk.crash()
    assert desk.settle() == 0


def test_a_full_scan_goes_on_where_a_crash_left_it(database: Database) -> None:
    database.execute(TABLE)
    desk = Desk(settings_for(database, mode="full", slice_rows=100)).open()
    for at in (1, 3, 2):
        desk.tick(give_up_at=at)
        desk.crash()
    desk.tick(confirm=False)
    desk.crash()
    desk.settle()
    assert sorted(desk.values()) == list(range(1, 1001))


def test_each_run_of_once_scans_again(database: Database) -> None:
    database.execute(TABLE)
    settings = settings_for(database, mode="full")
    desk = Desk(settings, once=True).open()
    assert desk.settle() == 1000
    again = Desk(settings, once=True)
    again.durable = desk.durable
    again.open()
    assert again.settle() == 1000


def test_modes_are_switched_without_reading_everything_again(database: Database) -> None:
    database.execute(TABLE)
    database.execute("ALTER TABLE t ADD COLUMN updated timestamptz DEFAULT now()")
    desk = Desk(settings_for(database)).open()
    assert desk.settle() == 1000
    full = Desk(settings_for(database, mode="full"))
    full.durable = desk.durable
    assert full.open().settle() == 1000
    # WHEN it goes back to incremental, THEN only what was written since comes
    database.execute("UPDATE t SET v = -1, updated = now() WHERE id = '7'")
    desk = Desk(settings_for(database))
    desk.durable = full.durable
    assert desk.open().settle() == 1


def test_tables_of_both_modes_share_a_capture(database: Database) -> None:
    database.execute(TABLE)
    database.execute("CREATE TABLE u (id int PRIMARY KEY, v int, updated timestamptz)")
    tables = {"public.t": {"mode": "full"}}
    settings = settings_for(database, tables=("public.t", "public.u"), table=tables)
    desk = Desk(settings).open()
    database.execute("INSERT INTO u VALUES (1, 5000, now())")
    desk.settle()
    database.execute("INSERT INTO u VALUES (2, 5001, now())")
    desk.settle()
    assert sorted(desk.values()) == [*range(1, 1001), 5000, 5001]
