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


def test_a_transaction_idle_before_its_first_write_holds_nothing_up(
    desk: Desk, database: Database
) -> None:
    desk.open()
    desk.settle()
    with session(database) as idle:
        # GIVEN an open transaction without a write
        idle("SELECT now()")
        desk.settle()
        # WHEN others write, THEN their rows flow
        for number in range(5):
            database.execute("INSERT INTO t VALUES (%s, %s)", (number, number))
            assert desk.settle() == 1
        # WHEN it writes at last, THEN its row arrives
        idle("INSERT INTO t VALUES (9, 9, NULL, now())")
        idle("COMMIT")
        assert desk.settle() == 1
    assert desk.values() == [0, 1, 2, 3, 4, 9]


def test_three_polls_given_up_in_a_row_lose_nothing(desk: Desk, database: Database) -> None:
    # GIVEN a transaction that began long ago
    desk.open()
    desk.settle()
    with session(database) as late:
        late("INSERT INTO t VALUES (1, 1, NULL, now())")
        for number in (10, 11):
            database.execute("INSERT INTO t VALUES (%s, %s)", (number, number))
            desk.settle()
        # WHEN it ends, and three polls that see it come to nothing
        late("COMMIT")
    for number in (12, 13, 14):
        database.execute("INSERT INTO t VALUES (%s, %s)", (number, number))
        assert desk.tick(give_up_at=0) == 0
    # THEN the fourth sends it
    desk.settle()
    assert sorted(desk.values()) == [1, 10, 11, 12, 13, 14]


def test_a_transaction_that_ends_between_snapshot_and_sample_is_not_missed(
    database: Database,
) -> None:
    # GIVEN no allowance for clocks, and a transaction that is open in the snapshot
    database.execute(TABLE)
    desk = Desk(settings_for(database, epsilon_seconds=0.0)).open()
    desk.settle()
    assert desk.source is not None
    with session(database) as late:
        late("INSERT INTO t VALUES (1, 1, NULL, now())")
        database.execute("INSERT INTO t VALUES (2, 2)")
        # WHEN it ends right behind the snapshot, before the sample
        desk.source.between = lambda: late("COMMIT")
        assert desk.tick() == 1
        desk.source.between = lambda: None
    # THEN the next poll sends it
    database.execute("INSERT INTO t VALUES (3, 3)")
    desk.settle()
    assert sorted(desk.values()) == [1, 2, 3]


def test_writers_that_are_open_at_the_first_sample_are_not_missed(
    desk: Desk, database: Database
) -> None:
    database.execute("INSERT INTO t SELECT i, i, NULL, now() FROM generate_series(1, 50) i")
    with session(database) as one, session(database) as two:
        # GIVEN writers that are open when the capture sees the table for the first time
        one("INSERT INTO t VALUES (100, 100, NULL, now())")
        two("SELECT now()")
        desk.open()
        desk.tick()
        # WHEN one ends during the load, the other behind it
        one("COMMIT")
        desk.settle()
        two("INSERT INTO t VALUES (200, 200, NULL, now()); COMMIT")
        desk.settle()
    # THEN all rows arrived, and once
    assert sorted(desk.values()) == [*range(1, 51), 100, 200]


def test_prepared_transactions_arrive_when_they_commit(desk: Desk, database: Database) -> None:
    desk.open()
    desk.settle()
    # GIVEN a prepared transaction, and a capture that is taken up twice meanwhile
    with session(database) as writer:
        writer("INSERT INTO t VALUES (1, 1, NULL, now()); PREPARE TRANSACTION 'p1'")
    database.execute("INSERT INTO t VALUES (2, 2)")
    desk.settle()
    desk.crash()
    database.execute("INSERT INTO t VALUES (3, 3)")
    desk.settle()
    assert desk.values() == [2, 3]
    # WHEN it commits
    with session(database, autocommit=True) as writer:
        writer("COMMIT PREPARED 'p1'")
    # THEN its row arrives
    assert desk.settle() == 1
    assert desk.twice() == []


def test_a_large_poll_is_sliced_and_goes_on_where_a_crash_left_it(
    desk: Desk, database: Database
) -> None:
    desk.open()
    desk.settle()
    # GIVEN one transaction that is five slices large, ties of its timestamp and a NULL one apart
    database.execute("INSERT INTO t SELECT i, i, NULL, now() FROM generate_series(1, 4900) i")
    database.execute("INSERT INTO t SELECT i, i, NULL, NULL FROM generate_series(5001, 7500) i")
    # WHEN slices are given up, or committed without the capture's knowing
    desk.tick(give_up_at=2)
    desk.crash()
    database.execute("UPDATE t SET v = -v, updated = now() WHERE id IN (1, 4900, 7500)")
    desk.tick(confirm=False)
    desk.crash()
    desk.settle()
    # THEN every row arrived once, and no slice was larger than the limit
    final = {row[0] for row in database.query("SELECT v FROM t")}
    assert final <= set(desk.values())
    assert desk.twice() == []
    assert max(desk.slices) <= 1000


def test_an_alter_while_slices_are_pending_loses_nothing(desk: Desk, database: Database) -> None:
    desk.open()
    desk.settle()
    database.execute("INSERT INTO t SELECT i, i, NULL, now() FROM generate_series(1, 3500) i")
    desk.tick(give_up_at=2)
    # WHEN the table is rewritten in the middle of it
    database.execute("ALTER TABLE t ALTER COLUMN id TYPE bigint")
    desk.settle()
    # THEN nothing is missing; what was sent before may come again
    assert set(desk.values()) == set(range(1, 3501))
    assert len(desk.twice()) <= 2000


def test_a_rewrite_during_the_load_loses_nothing(desk: Desk, database: Database) -> None:
    database.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 3000) i")
    desk.settings = desk.settings.model_copy(update={"load_chunk_rows": 500})
    loading = Desk(desk.settings).open()
    for _ in range(3):
        loading.tick()
    # WHEN the table is rewritten while a part of it is loaded
    database.execute("ALTER TABLE t ALTER COLUMN id TYPE bigint")
    loading.settle()
    # THEN nothing is missing
    assert set(loading.values()) == set(range(1, 3001))


def test_a_load_goes_on_where_a_crash_left_it(database: Database) -> None:
    database.execute(TABLE)
    database.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 3000) i")
    desk = Desk(settings_for(database, load_chunk_rows=700)).open()
    for _ in range(12):
        desk.tick(give_up_at=1)
        desk.tick(confirm=False)
        desk.crash()
        database.execute("UPDATE t SET v = v + 100000, updated = now() WHERE id % 500 = 0")
    desk.settle()
    final = {row[0] for row in database.query("SELECT v FROM t")}
    assert final <= set(desk.values())
    assert desk.twice() == []


def test_a_table_swapped_by_renames_is_loaded_anew(desk: Desk, database: Database) -> None:
    database.execute("INSERT INTO t VALUES (1, 1)")
    desk.open()
    desk.settle()
    # WHEN another table takes the name
    database.execute(
        "CREATE TABLE n (LIKE t INCLUDING ALL);"
        "INSERT INTO n VALUES (5, 5, NULL, now() - interval '1 day'), (6, 6, NULL, NULL);"
        "ALTER TABLE t RENAME TO old; ALTER TABLE n RENAME TO t"
    )
    desk.settle()
    # THEN all of its rows arrive
    assert sorted(desk.values()) == [1, 5, 6]


def test_a_column_that_is_added_is_carried_from_then_on(desk: Desk, database: Database) -> None:
    database.execute("INSERT INTO t VALUES (1, 1)")
    desk.open()
    desk.settle()
    database.execute("ALTER TABLE t ADD COLUMN colour text, DROP COLUMN note")
    database.execute("INSERT INTO t (id, v, colour) VALUES (2, 2, 'red')")
    desk.settle()
    assert "colour" not in desk.rows[0]
    assert desk.rows[1]["colour"] == "red"
    assert "note" not in desk.rows[1]


def test_partitions_are_captured_and_new_ones_are_loaded(database: Database) -> None:
    # GIVEN a partitioned table of which the role may read the parent only
    database.execute(
        "CREATE TABLE t (id int, v int, updated timestamptz DEFAULT now(), PRIMARY KEY (id))"
        " PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100);"
        "INSERT INTO t SELECT i, i FROM generate_series(1, 50) i"
    )
    database.execute(f"REVOKE ALL ON t1 FROM {database.reader}")
    desk = Desk(settings_for(database, load_chunk_rows=20)).open()
    desk.settle()
    # WHEN a table with old rows is attached
    database.execute(
        "CREATE TABLE t2 (LIKE t INCLUDING ALL);"
        "INSERT INTO t2 SELECT i, i, now() - interval '1 day' FROM generate_series(101, 150) i"
    )
    database.execute("INSERT INTO t VALUES (60, 60)")
    desk.settle()
    database.execute("ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (100) TO (200)")
    database.execute("INSERT INTO t VALUES (160, 160)")
    desk.settle()
    # THEN its rows arrive too, once
    assert sorted(desk.values()) == [*range(1, 51), 60, *range(101, 151), 160]


def test_a_load_moves_no_row_that_a_poll_moves(desk: Desk, database: Database) -> None:
    """The first poll and the load are complements, with rows of every kind of timestamp."""
    database.execute(
        "INSERT INTO t SELECT i, i, NULL, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'infinity'"
        " WHEN 2 THEN '2099-01-01' WHEN 3 THEN '0044-03-15 BC' ELSE now() END"
        " FROM generate_series(1, 500) i"
    )
    desk.open()
    desk.tick()
    database.execute("UPDATE t SET v = v + 1000, updated = now() WHERE id <= 100")
    desk.settle()
    final = {row[0] for row in database.query("SELECT v FROM t")}
    assert set(desk.values()) == final
    assert desk.twice() == []


@pytest.mark.parametrize("kind", ["timestamp", "timestamp(0)", "date", "timestamptz(3)"])
def test_every_kind_of_timestamp_column_works(database: Database, kind: str) -> None:
    database.execute(f"CREATE TABLE t (id int PRIMARY KEY, v int, updated {kind} DEFAULT now())")
    desk = Desk(settings_for(database)).open()
    desk.settle()
    with session(database) as late:
        late("INSERT INTO t VALUES (1, 1)")
        database.execute("INSERT INTO t VALUES (2, 2)")
        desk.settle()
        late("COMMIT")
    desk.settle()
    desk.crash()
    database.execute("INSERT INTO t VALUES (3, 3)")
    desk.settle()
    assert desk.values() == [2, 1, 3]


def test_a_slice_holds_no_more_bytes_than_it_may(database: Database) -> None:
    # GIVEN rows of 100 kB that do not compress, in the table and later in one transaction
    database.execute(TABLE)
    fill = (
        "INSERT INTO t SELECT i, i, (SELECT string_agg(md5(random()::text || i || j), '')"
        " FROM generate_series(1, 3200) j), now() FROM generate_series(%s, %s) i"
    )
    database.execute(fill, (1, 40))
    desk = Desk(settings_for(database, slice_bytes=1_000_000)).open()
    desk.settle()
    database.execute(fill, (41, 80))
    desk.settle()
    # THEN all of it came once, in pieces
    assert sorted(desk.values()) == list(range(1, 81))
    assert max(desk.slices) <= 12


def test_a_transaction_of_300_000_rows_survives_crashes_in_its_middle(database: Database) -> None:
    database.execute(TABLE)
    desk = Desk(settings_for(database, slice_rows=70_000)).open()
    desk.settle()
    database.execute("INSERT INTO t SELECT i, i, NULL, now() FROM generate_series(1, 300000) i")
    for at in (1, 2, 1):
        desk.tick(give_up_at=at)
        desk.crash()
    desk.settle()
    assert len(desk.rows) == 300_000
    assert desk.twice() == []
