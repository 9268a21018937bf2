"""Connections to PostgreSQL, and what its errors mean: the only place that knows the driver."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.errorcodes
from psycopg2 import extensions

from rowferry.config import Settings
from rowferry.errors import (
    AccessDenied,
    Code,
    ConfigError,
    NeedsPerson,
    RowferryError,
    Transient,
    Unreadable,
)
from rowferry.types import TEXT_SETTINGS

CONNECT_TIMEOUT_SECONDS = 10
LOCK_TIMEOUT_SECONDS = 2
LOOPBACK = ("localhost", "127.0.0.1", "::1", "")

_SESSION = {
    **TEXT_SETTINGS,
    "default_transaction_read_only": "on",
    "jit": "off",  # compiling costs more than a small poll
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "row_security": "off",  # rows that it would hide are an error then, and not left out
    "standard_conforming_strings": "on",
}
_LIMITS = {  # what ends a session that takes its time, and the least version that has it
    "statement_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
    "idle_session_timeout": 140_000,
    "transaction_timeout": 170_000,
}
_OPEN = (extensions.TRANSACTION_STATUS_INTRANS, extensions.TRANSACTION_STATUS_INERROR)
_TRANSIENT = ("08", "25P03", "25P04", "40", "53", "55", "57", "58")  # SQLSTATEs, or their classes
_HIDES_ROWS = "check_enable_rls"  # the server's function that refuses to leave rows out
_UNCARRIABLE = {
    "22003": "it is out of the range of the form that the settings want",
    "22021": "a text is not of the database's encoding",
    "22P05": "a text has a character that UTF-8 has not",
}
_SILENT = "22"  # data exceptions: their messages quote values


class Session:
    """One connection, in autocommit; statements return the rows of the last one of them."""

    def __init__(self, connection: "extensions.connection", where: str) -> None:
        self.where = where
        self._connection = connection
        self._cursor = connection.cursor()
        self._prepared: dict[str, str] = {}
        self.version = connection.server_version

    def rows(self, statement: str, parameters: Sequence[Any] | None = None) -> list[Any]:
        """Run, and fetch all."""
        with translated(self.where):
            self._cursor.execute(statement, parameters)
            return self._cursor.fetchall()

    def row(self, statement: str, parameters: Sequence[Any] | None = None) -> Any:
        """Run, and fetch the only row."""
        return self.rows(statement, parameters)[0]

    def again(self, statement: str) -> list[Any]:
        """As rows(), for what is asked again and again: the server parses and plans it once."""
        name = self._prepared.get(statement)
        if name is None:
            name = f"rowferry_{len(self._prepared)}"
            self.run(f"PREPARE {name} AS {statement}")
            self._prepared[statement] = name
        return self.rows(f"EXECUTE {name}")

    def run(self, statement: str) -> None:
        """Run something that returns nothing."""
        with translated(self.where):
            self._cursor.execute(statement)

    def copy(self, statement: str, write: Callable[[bytes], object]) -> None:
        """Run a COPY … TO STDOUT; write takes a row at a time."""
        with translated(self.where):
            self._cursor.copy_expert(statement, _Sink(write))

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed ones included; False on a broken connection."""
        return self._connection.get_transaction_status() in _OPEN

    def close(self) -> None:
        """Close; a broken connection is closed as well."""
        self._cursor.close()
        self._connection.close()


class _Sink:
    """What copy_expert() wants: an object that writes."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write


def connected(settings: Settings) -> Session:
    """Connect, with a session whose text forms and limits are pinned.

    Raises Transient where the server cannot be reached, AccessDenied, ConfigError.
    """
    connection = opened(settings)
    connection.autocommit = True
    session = Session(connection, place_of(settings))
    pinned = {**_SESSION, **unlimited(session.version)}
    session.run("; ".join(f"SET {name} = '{value}'" for name, value in pinned.items()))
    return session


def unlimited(version: int) -> dict[str, str]:
    """Settings by which a server of this version lets a session take its time."""
    return {name: "0" for name, least in _LIMITS.items() if version >= least}


def place_of(settings: Settings) -> str:
    """The database, for people."""
    return f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_db}"


def opened(settings: Settings) -> "extensions.connection":
    """Connect, and leave the session as it is. Raises as connected() does."""
    is_local = settings.postgres_host in LOOPBACK or settings.postgres_host.startswith("/")
    mode = settings.postgres_sslmode or ("prefer" if is_local else "verify-full")
    root = settings.postgres_sslrootcert or ("system" if mode == "verify-full" else None)
    try:
        return psycopg2.connect(
            host=settings.postgres_host,
            port=settings.postgres_port,
            dbname=settings.postgres_db,
            user=settings.postgres_user,
            password=settings.postgres_password.get_secret_value(),
            sslmode=mode,
            sslrootcert=root,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=30_000,
            application_name="rowferry",
        )
    except psycopg2.OperationalError as error:
        where = place_of(settings)
        raise _refused(str(error), where, settings.postgres_user) from error


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the driver's errors into the product's."""
    try:
        yield
    except (psycopg2.Error, psycopg2.Warning) as error:
        raise meaning(error, where) from error


class LockNotAvailable(Transient):
    """Somebody holds the table's lock."""


class Undefined(Transient):
    """A table or column is not what the catalog said a moment ago."""


def meaning(error: Exception, where: str) -> RowferryError:
    """What an error in a session means."""
    state = getattr(error, "pgcode", None)
    if state is None:
        return Transient(Code.PG_CONN, f"connection lost ({_first_line(error)})", where=where)
    what = f"PostgreSQL: {_named(state)}"
    if not state.startswith(_SILENT):
        what += f": {_first_line(error)}"
    if state in ("42P01", "42703", "XX000", "3F000"):
        return Undefined(Code.PG_CONN, what, where=where)
    if state == "55P03":
        return LockNotAvailable(Code.PG_CONN, what, where=where)
    if state.startswith(_TRANSIENT):
        return Transient(Code.PG_CONN, what, where=where)
    if state == "42501" or state.startswith("28"):
        return _denied(error, what, where)
    return _of_the_table(state, what, where)


def _named(state: str) -> str:
    """A SQLSTATE with its name; those of extensions, and of people's own functions, have none."""
    try:
        return f"{psycopg2.errorcodes.lookup(state).lower()} ({state})"
    except KeyError:
        return f"error {state}"


def _denied(error: Exception, what: str, where: str) -> AccessDenied:
    """What the role may not do; messages are in the server's language, its functions are not."""
    diagnostics = getattr(error, "diag", None)
    if getattr(diagnostics, "source_function", None) == _HIDES_ROWS:
        what = f"row-level security hides rows of the table: {what}"
        advice = "use a role with BYPASSRLS, or DISABLE ROW LEVEL SECURITY on the table"
        return AccessDenied(Code.PG_AUTH, what, where=where, advice=advice)
    advice = "GRANT SELECT on the table, and USAGE on its schema, to POSTGRES_USER"
    return AccessDenied(Code.PG_AUTH, what, where=where, advice=advice)


def _of_the_table(state: str, what: str, where: str) -> NeedsPerson:
    """An error that its rows, or the filter, are the cause of."""
    if state in _UNCARRIABLE:
        return Unreadable(
            Code.UNCARRIABLE,
            f"a value cannot be carried: {_UNCARRIABLE[state]}",
            where=where,
            advice="correct the rows, or leave them out with ROWFERRY_FILTER",
        )
    return ConfigError(Code.CONFIG, what, where=where, advice="see ROWFERRY_FILTER and the table")


_WRONG_LOGIN = (
    "authentication failed|no password supplied|is not permitted to log in"
    "|role .* does not exist|permission denied for database"
)
_REFUSALS: tuple[tuple[str, type[NeedsPerson], Code, str], ...] = (
    (
        _WRONG_LOGIN,
        AccessDenied,
        Code.PG_AUTH,
        "check POSTGRES_USER and POSTGRES_PASSWORD, and GRANT CONNECT",
    ),
    (r"no pg_hba.conf entry", AccessDenied, Code.PG_AUTH, "have pg_hba.conf let this host in"),
    (r"database .* does not exist", ConfigError, Code.CONFIG, "check POSTGRES_DB"),
    (
        r"certificate|does not support SSL|sslmode|sslrootcert|SSL error",
        ConfigError,
        Code.CONFIG,
        "check POSTGRES_SSLMODE and POSTGRES_SSLROOTCERT",
    ),
)


def _refused(message: str, where: str, user: str) -> RowferryError:
    """What a connection that was not made means; libpq gives no SQLSTATE for it."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    told = lines[-1] if lines else "no reason given"
    for pattern, kind, code, advice in _REFUSALS:
        if re.search(pattern, message):
            return kind(code, f"PostgreSQL refuses {user}: {told}", where=where, advice=advice)
    return Transient(Code.PG_CONN, f"PostgreSQL cannot be reached: {told}", where=where)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
