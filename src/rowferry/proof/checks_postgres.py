"""Checks of the database: reached, allowed, and the tables fit for being read."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, not a module

from rowferry.config import Mode, Settings
from rowferry.errors import AccessDenied, Code, ConfigError
from rowferry.flow.capture.catalog import NULLABLE, split_name
from rowferry.flow.capture.postgres import place_of, translated
from rowferry.flow.capture.statements import TIMES
from rowferry.proof.checks import Finding, modes_of, ok, problem, warning
from rowferry.proof.database import connect

OLDEST_VERSION = 130_000
_MOST_CLOCK_SECONDS = 30.0
_SERVER = """
    SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
           (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
           extract(epoch FROM clock_timestamp()), current_setting('server_version')
"""
_TABLE = """
    SELECT c.oid, c.relkind,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
           row_security_active(c.oid),
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s
"""
_TIMESTAMP = f"""
    SELECT format_type(a.atttypid, a.atttypmod),
           (WITH RECURSIVE t(oid) AS (
              SELECT a.atttypid
              UNION SELECT y.typbasetype FROM t JOIN pg_type y ON y.oid = t.oid
                     WHERE y.typtype = 'd')
            SELECT y.oid FROM t JOIN pg_type y ON y.oid = t.oid WHERE y.typtype <> 'd'),
           {NULLABLE},
           EXISTS (SELECT FROM pg_index i
                   WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum
                     AND i.indisvalid AND i.indpred IS NULL)
    FROM pg_attribute a WHERE a.attrelid = %s AND a.attname = %s AND NOT a.attisdropped
"""  # noqa: S608 - a constant
_OF_THE_PATH = """
    SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
      AND ARRAY[t.oid, t.typelem, t.typbasetype] && '{regclass, regcollation, regconfig,
          regdictionary, regoper, regoperator, regproc, regprocedure, regtype}'::regtype[]::oid[]
      AND (SELECT source FROM pg_settings WHERE name = 'search_path')
          NOT IN ('user', 'database user')
"""
_FUTURE = "SELECT EXISTS (SELECT FROM {table} WHERE {column} > {now} + interval '1 hour')"
# Now, as a column without time zone has it at the latest: in the zone that the settings name, or
# in the one that is first in each new day.
_LOCAL_NOW = "(now() AT TIME ZONE {zone})"
_LATEST_NOW = "((now() AT TIME ZONE 'UTC') + interval '14 hours')"
_KINDS = {"r": "a table", "p": "a partitioned table"}


def check_postgres(settings: Settings) -> Iterator[Finding]:
    """The server answers, is the primary, and each table can be read exactly."""
    where = place_of(settings)
    with closing(connect(settings)) as connection, translated(where):
        yield from _server(connection, where)
        for table, mode in modes_of(settings).items():
            yield from _table(connection, settings, table, mode)


def _row(connection: Connection, query: Any, values: tuple[Any, ...] = ()) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()


def _server(connection: Connection, where: str) -> Iterator[Finding]:
    number, is_standby, is_superuser, seconds, version = _row(connection, _SERVER)
    if int(number) < OLDEST_VERSION:
        old = f"PostgreSQL {version} is too old: 13 is the least"
        yield problem("postgres", ConfigError(Code.CONFIG, old, where=where, advice="upgrade it"))
    elif is_standby == "t":
        text = "the server is a standby, which does not show the primary's writers"
        advice = "set POSTGRES_HOST to the primary"
        yield problem("postgres", ConfigError(Code.PG_STANDBY, text, where=where, advice=advice))
    else:
        yield ok("postgres", f"reached; PostgreSQL {version}")
    if is_superuser == "t":
        yield warning(
            "postgres.role",
            "POSTGRES_USER is a superuser; SELECT on the tables is enough",
            "run the SQL that `rowferry init` prints, and use that role",
        )
    skew = float(seconds) - time.time()
    if abs(skew) > _MOST_CLOCK_SECONDS:
        yield warning(
            "postgres.clock",
            f"the server's clock is {skew:+.0f} s from this machine's",
            "set both by NTP; where applications set the timestamp, see CLOCK_SKEW_SECONDS",
        )


def _table(connection: Connection, settings: Settings, table: str, mode: Mode) -> Iterator[Finding]:
    name = f"table {table}"
    found = _row(connection, _TABLE, split_name(table))
    if found is None:
        text = "the table does not exist"
        advice = "see ROWFERRY_TABLES; upper and lower case count"
        yield problem(name, ConfigError(Code.TABLE_GONE, text, where=table, advice=advice))
        return
    oid, kind, may_read, hides_rows, has_key = found
    refusals = (
        (kind not in _KINDS, "it is neither a table nor a partitioned one", "name a table"),
        (has_key != "t", "it has no primary key", f"ALTER TABLE {table} ADD PRIMARY KEY (…)"),
        (hides_rows == "t", "row-level security may hide rows", "use a role with BYPASSRLS"),
    )
    if may_read != "t":
        schema, user = split_name(table)[0], settings.postgres_user
        grant = f"GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {table} TO {user}"
        text = "no SELECT, or no USAGE on its schema"
        yield problem(name, AccessDenied(Code.PG_AUTH, text, where=table, advice=grant))
        return
    refused = [(text, advice) for applies, text, advice in refusals if applies]
    for text, advice in refused:
        yield problem(name, ConfigError(Code.TABLE_UNFIT, text, where=table, advice=advice))
    if not refused:
        yield ok(name, f"{_KINDS[kind]} with a primary key, and SELECT on it")
    yield from _names(connection, settings, table, int(oid))
    if mode is Mode.INCREMENTAL:
        yield from _timestamp(connection, settings, table, int(oid))


def _names(connection: Connection, settings: Settings, table: str, oid: int) -> Iterator[Finding]:
    """Names of objects are written with their schema only where the path does not find them.

    The path is the role's, for filters may need it; what another path would change, no poll sees.
    """
    columns = _row(connection, _OF_THE_PATH, (oid,))[0]
    if columns:
        yield warning(
            f"table {table} search_path",
            f"the text of {columns} changes with the search_path, which is not the role's own",
            f"ALTER ROLE {settings.postgres_user} SET search_path = pg_catalog; append schemas"
            " that ROWFERRY_FILTER needs",
        )


def _timestamp(
    connection: Connection, settings: Settings, table: str, oid: int
) -> Iterator[Finding]:
    column = settings.of(table).timestamp_column or settings.timestamp_column
    name = f"table {table} column {column}"
    found = _row(connection, _TIMESTAMP, (oid, column))
    if found is None or int(found[1]) not in TIMES:
        text = "no such column" if found is None else f"{found[0]} is no timestamp"
        advice = "set ROWFERRY_TIMESTAMP_COLUMN, or ROWFERRY_MODE=full"
        yield problem(name, ConfigError(Code.TABLE_UNFIT, text, where=table, advice=advice))
        return
    kind, base, is_nullable, has_index = found
    identifiers = {
        "table": sql.Identifier(*split_name(table)),
        "column": sql.Identifier(column),
    }
    if has_index != "t":
        with connection.cursor() as cursor:
            index = sql.SQL("CREATE INDEX CONCURRENTLY ON {table} ({column})")
            text = index.format(**identifiers).as_string(cursor)
        yield warning(name, "no index begins with it: each poll reads the whole table", text)
        return
    yield ok(name, f"{kind}, indexed{', may be NULL' if is_nullable == 't' else ''}")
    now = _now_of(TIMES[int(base)], settings.timestamp_zone)
    if _row(connection, sql.SQL(_FUTURE).format(**identifiers, now=now))[0] == "t":
        yield warning(
            name,
            "rows are stamped more than an hour ahead: they are carried, but who wrote them?",
            "see the application's clock",
        )


def _now_of(kind: str, zone: str | None) -> sql.Composable:
    """The latest time that a column of this type may hold for now."""
    if kind == "timestamptz":
        return sql.SQL("now()")
    if zone is None:
        return sql.SQL(_LATEST_NOW)
    return sql.SQL(_LOCAL_NOW).format(zone=sql.Literal(zone))
