"""Tables that change under the capture's hands, and values that no mapping holds."""

import time
from typing import Any

import psycopg2
import pytest
from structlog.testing import capture_logs

from capture_desk import Desk, settings_for
from fix_stack import Database, PostgresServer
from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, Unreadable
from rowferry.flow.capture import statements
from rowferry.flow.capture.incremental import LOCKED_SECONDS
from rowferry.flow.capture.postgres import connected
from rowferry.model import Table

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, updated timestamptz DEFAULT clock_timestamp());
CREATE INDEX ON t (updated);
"""
OTHER_KEY = "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (v)"


@pytest.mark.parametrize("mode", ["incremental", "full"])
def test_another_primary_key_begins_anew_what_was_read_in_the_order_of_the_old(
    database: Database, mode: str
) -> None:
    # GIVEN a load, or scan, that has come half way in the order of the key
    database.execute(TABLE)
    database.execute("INSERT INTO t SELECT n, 1000 - n FROM generate_series(1, 300) n")
    desk = Desk(settings_for(database, mode=mode, load_chunk_rows=100, slice_rows=100)).open()
    while sum(desk.slices) < 100:
        desk.tick(confirm=False)
        desk.crash()
    # WHEN the key becomes another one, in whose order the rest lies elsewhere
    database.execute(OTHER_KEY)
    desk.settle()
    # THEN no row is missing
    assert set(desk.values()) == set(range(700, 1000))


def test_another_primary_key_begins_anew_a_poll_that_is_sent_in_slices(database: Database) -> None:
    # GIVEN a poll in slices, its first one sent
    database.execute(TABLE)
    desk = Desk(settings_for(database, slice_rows=100)).open()
    desk.settle()
    database.execute("INSERT INTO t SELECT n, 1000 - n, now() FROM generate_series(1, 300) n")
    desk.tick(confirm=False)
    assert desk.slices[-1] == 100
    # WHEN the key changes, and a successor takes over
    database.execute(OTHER_KEY)
    desk.crash()
    desk.settle()
    # THEN
    assert set(desk.values()) == set(range(700, 1000))


@pytest.fixture
def half_loaded(database: Database) -> Desk:
    """A capture that has read the first chunks of a partition of 300 rows, in one tick."""
    database.execute(
        f"{TABLE} ALTER TABLE t RENAME TO part;"
        "CREATE TABLE t (LIKE part INCLUDING ALL) PARTITION BY RANGE (id);"
        "ALTER TABLE t ATTACH PARTITION part FOR VALUES FROM (0) TO (1000);"
        "INSERT INTO t SELECT n, n FROM generate_series(1, 300) n"
    )
    desk = Desk(settings_for(database, load_chunk_rows=50)).open()
    while not desk.values():
        desk.tick(give_up_at=2)
    assert len(desk.values()) < 300
    return desk


SWAPPED = "ALTER TABLE part RENAME TO part_old; CREATE TABLE part (LIKE part_old INCLUDING ALL);"
FOREIGN = "INSERT INTO part SELECT n, -n FROM generate_series(1, 400) n"


@pytest.mark.parametrize("others", ["", FOREIGN])
def test_a_partition_whose_name_goes_to_another_table_is_loaded_to_its_end(
    half_loaded: Desk, database: Database, others: str
) -> None:
    database.execute(SWAPPED + others)
    half_loaded.settle()
    assert sorted(half_loaded.values()) == list(range(1, 301))


def test_a_name_that_goes_to_another_table_behind_the_snapshot_is_noticed(
    half_loaded: Desk, database: Database
) -> None:
    # GIVEN a snapshot in which the name is the partition's still
    source = half_loaded.source
    assert source is not None

    def swap_once() -> None:
        source.between = lambda: None
        database.execute(SWAPPED)

    source.between = swap_once
    # WHEN it is read by its name, THEN the other table is not taken for it
    half_loaded.settle()
    assert sorted(half_loaded.values()) == list(range(1, 301))


def test_a_composite_type_that_changes_is_noticed(database: Database) -> None:
    # GIVEN
    database.execute("CREATE TYPE inner_t AS (a int); CREATE TYPE spot AS (x int, i inner_t[])")
    database.execute(TABLE + "ALTER TABLE t ADD COLUMN place spot, ADD COLUMN places spot[]")
    desk = Desk(settings_for(database)).open()
    database.execute("INSERT INTO t VALUES (1, 1, now(), ROW(7, NULL), NULL)")
    desk.settle()
    # WHEN fields come, and go, in it and deep inside
    database.execute("ALTER TYPE spot ADD ATTRIBUTE y text")
    database.execute("INSERT INTO t VALUES (2, 2, now(), ROW(7, NULL, 'y'), NULL)")
    desk.settle()
    database.execute("ALTER TYPE inner_t ADD ATTRIBUTE b text; ALTER TYPE spot DROP ATTRIBUTE x")
    new = "ROW(ARRAY[ROW(1,'b')::inner_t],'y')::spot"
    database.execute(f"INSERT INTO t VALUES (3, 3, now(), {new}, ARRAY[{new}])")
    desk.settle()
    # THEN each row came with the fields of its time
    last = {"i": [{"a": 1, "b": "b"}], "y": "y"}
    assert [row["place"] for row in desk.rows] == [
        {"x": 7, "i": None},
        {"x": 7, "i": None, "y": "y"},
        last,
    ]
    assert desk.rows[-1]["places"] == [last]


def test_a_timestamp_that_gets_coarser_gets_its_allowance(database: Database) -> None:
    database.execute(TABLE)
    desk = Desk(settings_for(database, epsilon_seconds=0.0)).open()
    desk.settle()
    database.execute("ALTER TABLE t ALTER updated TYPE timestamptz(0)")
    for number in range(5):
        database.execute("INSERT INTO t VALUES (%s, %s)", (number, number))
        assert desk.settle() >= 1
    assert desk.values() == [0, 1, 2, 3, 4]


def test_a_not_null_that_is_not_valid_hides_no_row_without_timestamp(database: Database) -> None:
    # GIVEN a row without timestamp that no poll has seen
    database.execute(TABLE)
    desk = Desk(settings_for(database)).open()
    desk.settle()
    database.execute("INSERT INTO t VALUES (1, 1, NULL)")
    # WHEN there shall be no more such rows
    database.execute("ALTER TABLE t ADD CONSTRAINT c NOT NULL updated NOT VALID")
    desk.settle()
    # THEN the one that is there arrives
    assert desk.values() == [1]


def test_a_column_is_nullable_until_its_not_null_is_valid(database: Database) -> None:
    # GIVEN
    database.execute(TABLE + "ALTER TABLE t ADD COLUMN w int")
    database.execute("INSERT INTO t VALUES (1, 1)")
    desk = Desk(settings_for(database)).open()
    desk.settle()

    def nullable_after(change: str) -> list[str]:
        database.execute(f"{change}; UPDATE t SET w = 7, updated = clock_timestamp()")
        tables: list[Table] = []
        while not tables:
            for one in desk.capture.tick():
                tables.append(one.rows.table)
                desk.capture.confirm(one)
        return [column.name for column in tables[-1].columns if column.nullable]

    # WHEN, THEN a change of the constraint alone is noticed
    not_valid = "ALTER TABLE t ADD CONSTRAINT c NOT NULL w NOT VALID"
    assert nullable_after(not_valid) == ["updated", "w"]
    assert nullable_after("ALTER TABLE t VALIDATE CONSTRAINT c") == ["updated"]
    assert nullable_after(f"ALTER TABLE t DROP CONSTRAINT c; {not_valid}") == ["updated", "w"]


@pytest.mark.parametrize(
    ("column", "kind", "value", "reason"),
    [
        ("n", "numeric(10,2)", "'NaN'", "NaN or Infinity in a decimal"),
        ("a", "int[]", "'[0:1]={1,2}'", "a lower bound other than 1"),
        ("w", "timestamptz", "'294276-12-31'", "too far in the future for Avro"),
    ],
)
def test_values_that_no_mapping_holds_are_told_by_table_column_and_number(
    database: Database, column: str, kind: str, value: str, reason: str
) -> None:
    # GIVEN
    database.execute(TABLE + f"ALTER TABLE t ADD COLUMN {column} {kind}")
    desk = Desk(settings_for(database)).open()
    database.execute("INSERT INTO t VALUES (1, 1)")
    desk.settle()
    # WHEN
    rows = f"SELECT n, n, now(), {value} FROM generate_series(4711, 4712) n"
    database.execute(f"INSERT INTO t {rows}")
    # THEN nothing is sent, and the error tells where, but no value
    for _ in range(2):
        with pytest.raises(Unreadable) as refused:
            desk.settle()
        assert (refused.value.code, refused.value.exit_code) == (Code.UNCARRIABLE, 7)
        assert refused.value.where == "public.t"
        assert refused.value.what == f"2 values of column {column!r} cannot be carried: {reason}"
        assert "4711" not in str(refused.value)
    assert desk.values() == [1]
    # WHEN the rows are corrected, THEN all arrive
    database.execute(f"UPDATE t SET {column} = NULL, updated = now()")
    desk.settle()
    assert sorted(desk.values()) == [1, 1, 4711, 4712]


def test_the_settings_carry_what_would_stop(database: Database) -> None:
    database.execute(TABLE + "ALTER TABLE t ADD COLUMN n numeric(10,2), ADD COLUMN a int[]")
    odd: dict[str, Any] = {"numeric_special": "null", "arrays": "text"}
    desk = Desk(settings_for(database, **odd)).open()
    database.execute("INSERT INTO t VALUES (1, 1, now(), 'NaN', '[0:1]={1,2}')")
    desk.settle()
    assert (desk.rows[0]["n"], desk.rows[0]["a"]) == (None, "[0:1]={1,2}")


def test_a_number_beyond_a_double_is_told_as_what_cannot_be_carried(database: Database) -> None:
    database.execute(TABLE + "ALTER TABLE t ADD COLUMN n numeric")
    own = {"public.t": {"columns": {"n": {"as": "double"}}}}
    settings = settings_for(database)
    desk = Desk(Settings.model_validate({**settings.model_dump(), "table": own})).open()
    database.execute("INSERT INTO t VALUES (1, 1, now(), 1.5)")
    desk.settle()
    assert desk.rows[0]["n"] == 1.5
    database.execute("INSERT INTO t VALUES (2, 2, now(), 1e400)")
    with pytest.raises(Unreadable) as refused:
        desk.settle()
    assert (refused.value.where, refused.value.exit_code) == ("public.t", 7)
    assert "1e400" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t RENAME updated TO changed"],
)
def test_a_table_that_cannot_be_captured_any_more_is_named(database: Database, change: str) -> None:
    database.execute(TABLE)
    desk = Desk(settings_for(database)).open()
    desk.settle()
    database.execute(change)
    database.execute("INSERT INTO t (id, v) VALUES (1, 1)")
    with pytest.raises(ConfigError) as refused:
        desk.settle()
    assert (refused.value.code, refused.value.where) == (Code.TABLE_UNFIT, "public.t")


def test_a_filter_whose_column_is_gone_stops_its_table_after_a_while(database: Database) -> None:
    # GIVEN
    database.execute(TABLE + "ALTER TABLE t ADD COLUMN w int DEFAULT 1")
    desk = Desk(settings_for(database, filter="w = 1")).open()
    desk.settle()
    # WHEN the filter's column goes for a moment, THEN it is waited for, which is told
    database.execute("INSERT INTO t VALUES (1, 1); ALTER TABLE t RENAME w TO x")
    with capture_logs() as events:
        desk.tick()
        desk.tick()
    assert [(e["event"], e["table"]) for e in events] == [("table.waiting", "public.t")]
    assert "undefined_column" in events[0]["reason"]
    database.execute("ALTER TABLE t RENAME x TO w")
    desk.later += 2 * LOCKED_SECONDS
    desk.settle()
    assert desk.values() == [1]
    # WHEN it is gone for good, THEN the table is named, and nothing is lost
    database.execute("INSERT INTO t VALUES (2, 2); ALTER TABLE t RENAME w TO x")
    desk.tick()
    desk.tick()
    desk.later += LOCKED_SECONDS
    with pytest.raises(ConfigError, match="undefined_column") as refused:
        desk.tick()
    assert (refused.value.code, refused.value.where) == (Code.TABLE_UNFIT, "public.t")
    assert "ROWFERRY_FILTER" in refused.value.advice
    database.execute("ALTER TABLE t RENAME x TO w")
    desk.crash()
    desk.settle()
    assert desk.values() == [1, 2]


def test_text_that_is_not_utf8_is_told_without_the_text(postgres: PostgresServer) -> None:
    # GIVEN a database that checks no encoding
    database = postgres.new_database()
    name = f"{database.name}_raw"
    maker = psycopg2.connect(database.dsn)
    maker.autocommit = True
    try:
        with maker.cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'"
            )
            try:
                _refuse_raw_text(postgres, database, name)
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        maker.close()
        postgres.drop_database(database)


def _refuse_raw_text(postgres: PostgresServer, database: Database, name: str) -> None:
    raw = psycopg2.connect(postgres.dsn_of(name))
    with raw, raw.cursor() as cursor:
        cursor.execute(TABLE + "ALTER TABLE t ADD COLUMN s text")
        cursor.execute("INSERT INTO t VALUES (1, 1, now(), E'secret\\xff')")
        cursor.execute(f"GRANT SELECT ON t TO {database.reader}")
    raw.close()
    desk = Desk(settings_for(database, postgres_db=name)).open()
    # WHEN, THEN
    with pytest.raises(Unreadable) as refused:
        desk.settle()
    assert (refused.value.where, refused.value.exit_code) == ("public.t", 7)
    assert "secret" not in str(refused.value)
    desk.capture.close()


def test_looking_at_a_table_costs_a_poll_little(database: Database) -> None:
    """All tables are looked at in one round trip, at every tick."""
    columns = ", ".join(f"c{n} text" for n in range(50))
    database.execute(TABLE + f"CREATE TABLE wide (id int PRIMARY KEY, {columns})")
    session = connected(settings_for(database))
    try:
        tables = [Table(1, "public", name, (), ()) for name in ("t", "wide")]
        query = statements.identity_of(tables)
        session.rows(query)
        best = min(_seconds(lambda: session.rows(query)) for _ in range(10))
    finally:
        session.close()
    assert best < 0.02


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
