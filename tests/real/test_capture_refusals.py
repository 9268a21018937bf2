"""What cannot be captured is refused at the start, with the repair; nothing is half captured."""

from typing import Any

import pytest

from capture_desk import Desk, settings_for
from fix_stack import Database
from rowferry.errors import AccessDenied, ConfigError, RowferryError, Transient

pytestmark = pytest.mark.real

GOOD = "CREATE TABLE t (id int PRIMARY KEY, v int, updated timestamptz DEFAULT now())"
Refusal = tuple[str, dict[str, Any], type[RowferryError], str]

REFUSALS: dict[str, Refusal] = {
    "missing table": ("SELECT 1", {}, ConfigError, "no such table"),
    "no key": (
        "CREATE TABLE t (id int, updated timestamptz)",
        {},
        ConfigError,
        "ADD PRIMARY KEY",
    ),
    "no timestamp": (
        "CREATE TABLE t (id int PRIMARY KEY)",
        {},
        ConfigError,
        "ROWFERRY_TIMESTAMP_COLUMN",
    ),
    "no kind of timestamp": (
        "CREATE TABLE t (id int PRIMARY KEY, updated text)",
        {},
        ConfigError,
        "not a timestamp",
    ),
    "view": ("CREATE VIEW t AS SELECT 1 AS id, now() AS updated", {}, ConfigError, "a view"),
    "row security": (
        f"{GOOD}; ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        {},
        ConfigError,
        "row-level security",
    ),
    "wrong password": (GOOD, {"postgres_password": "wrong"}, AccessDenied, "POSTGRES_PASSWORD"),
    "wrong user": (GOOD, {"postgres_user": "nobody_here"}, AccessDenied, "POSTGRES_USER"),
    "wrong database": (GOOD, {"postgres_db": "not_there"}, ConfigError, "POSTGRES_DB"),
    "unreachable": (GOOD, {"postgres_port": 1}, Transient, "cannot be reached"),
    "no TLS": (GOOD, {"postgres_sslmode": "require"}, ConfigError, "POSTGRES_SSLMODE"),
    "filter: syntax": (GOOD, {"filter": "v >"}, ConfigError, "ROWFERRY_FILTER"),
    "filter: no such column": (GOOD, {"filter": "w > 1"}, ConfigError, "ROWFERRY_FILTER"),
    "filter: breaks out": (GOOD, {"filter": "true) OR (true"}, ConfigError, "parenthesis"),
    "filter: open": (GOOD, {"filter": "(v > 1"}, ConfigError, "parenthesis"),
    "filter: comment": (GOOD, {"filter": "v > 1 --"}, ConfigError, "no place"),
    "filter: two statements": (GOOD, {"filter": "true; DROP TABLE t"}, ConfigError, "no place"),
    "filter: subquery": (
        GOOD,
        {"filter": "v IN (SELECT 1)"},
        ConfigError,
        "subqueries are not allowed",
    ),
    "filter: time": (GOOD, {"filter": "updated > now() - interval '1 day'"}, ConfigError, "IMMUT"),
    "filter: chance": (GOOD, {"filter": "random() > 0.5"}, ConfigError, "IMMUTABLE"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused_with_its_repair(database: Database, name: str) -> None:
    ddl, overrides, kind, words = REFUSALS[name]
    database.execute(ddl)
    desk = Desk(settings_for(database, **overrides))
    with pytest.raises(kind) as told:
        desk.open()
    text = str(told.value)
    assert words in text
    assert told.value.advice or kind is Transient
    assert len(text.splitlines()) == 1
    desk.capture.close()


def test_a_role_without_select_is_told_the_grant(database: Database) -> None:
    database.execute(f"{GOOD}; REVOKE ALL ON t FROM {database.reader}")
    with pytest.raises(AccessDenied, match=r"GRANT SELECT ON public\.t"):
        Desk(settings_for(database)).open()


def test_select_that_is_taken_away_later_ends_in_access_denied(database: Database) -> None:
    database.execute(GOOD)
    desk = Desk(settings_for(database)).open()
    desk.settle()
    database.execute(f"INSERT INTO t VALUES (1, 1); REVOKE ALL ON t FROM {database.reader}")
    with pytest.raises(AccessDenied, match="GRANT SELECT"):
        desk.settle()
    desk.capture.close()


def test_row_security_that_is_switched_on_later_stops_and_loses_nothing(database: Database) -> None:
    # GIVEN a capture that runs
    database.execute(GOOD)
    desk = Desk(settings_for(database)).open()
    desk.settle()
    # WHEN rows come, and are hidden, before it looks again
    database.execute("INSERT INTO t VALUES (1, 1); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    with pytest.raises(AccessDenied, match="row-level security") as told:
        desk.settle()
    # THEN it says so, and what repairs it
    assert (told.value.where, told.value.exit_code) == ("public.t", 3)
    assert "BYPASSRLS" in told.value.advice
    # WHEN it is repaired, THEN all rows arrive
    database.execute("INSERT INTO t VALUES (2, 2); ALTER TABLE t DISABLE ROW LEVEL SECURITY")
    desk.crash()
    desk.settle()
    assert sorted(desk.values()) == [1, 2]
    desk.capture.close()


HOSTILE = [
    't"; DROP TABLE t; --',
    "t'); SELECT pg_sleep(1); --",
    "Wütend Größe",
    "a.b.c",
    "%s %(x)s {}",
    "select",
    "back\\slash",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_names(database: Database, name: str) -> None:
    # GIVEN a table and columns whose names would be something else if they were not quoted
    quoted = '"' + name.replace('"', '""') + '"'
    database.execute(
        f"CREATE TABLE {quoted} ({quoted} text PRIMARY KEY, v int, updated timestamptz)"
    )
    database.execute(f"INSERT INTO {quoted} VALUES ('a''b\\c', 1, now()), ('x', 2, NULL)")
    settings = settings_for(
        database, tables=(f"public.{name}",), topic="one", slice_rows=1, load_chunk_rows=1
    )
    # WHEN it is captured, in slices whose cursors hold hostile values too
    desk = Desk(settings).open()
    desk.settle()
    database.execute(f"UPDATE {quoted} SET v = v + 10, updated = now()")
    desk.settle()
    # THEN all is there
    assert sorted(desk.values()) == [1, 2, 11, 12]


@pytest.mark.parametrize("condition", ["v > 10 AND v <> 12", "(v)::text LIKE '1%'", "v = 11"])
def test_a_filter_lets_through_what_meets_it(database: Database, condition: str) -> None:
    database.execute(GOOD)
    database.execute("INSERT INTO t SELECT i, i, now() FROM generate_series(1, 20) i")
    desk = Desk(settings_for(database, filter=condition)).open()
    desk.settle()
    database.execute("UPDATE t SET v = 11, updated = now() WHERE id = 5")
    desk.settle()
    want = [row[0] for row in database.query(f"SELECT v FROM t WHERE {condition}")]
    assert sorted(desk.values()) == sorted(want)


def test_the_filter_is_checked_for_a_role_without_temporary_tables(database: Database) -> None:
    database.execute(GOOD)
    database.execute(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    with pytest.raises(ConfigError, match="now"):
        Desk(settings_for(database, filter="updated > now()")).open()
    Desk(settings_for(database, filter="v > 1")).open().capture.close()
