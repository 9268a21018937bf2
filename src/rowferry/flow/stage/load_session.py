"""One session of the loader: statements with a deadline, and what their errors mean."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, RowferryError, Transient, Unreadable
from rowferry.flow.stage.deadline import StillUnderWay, within
from rowferry.flow.stage.snowflake_errors import code_of, translate
from rowferry.flow.stage.snowflake_location import Location
from rowferry.flow.stage.snowflake_login import connection_parameters, log_in

LOCK_SECONDS = 60
_ANSWER_SECONDS = 90  # of one HTTP request; Snowflake answers "still running" after 45
_GRACE_SECONDS = 30.0
_NO_OBJECT = (2003, 2043)
_PRIVILEGE = (3001, 3041)
_NO_WAREHOUSE = 606
_AGAIN = {
    625: "another transaction has the lock on a table of ours",
    670: "our transaction was aborted, for it blocked others",
    91016: "a file went away after it was listed",
}
_OF_A_ROW = range(100_000, 101_000)  # Snowflake's numbers for what a value or line is not
_PLACE = re.compile(r"File '(?P<file>[^']*)', line (?P<line>\d+)")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a statement's answer, and how many rows it changed."""

    rows: list[tuple[Any, ...]]
    changed: int


class MissingTable(ConfigError):
    """A statement about a table that is not there, or hidden from the role."""


class MissingPrivilege(AccessDenied):
    """The role may not do this; the login was good."""


class LoadSession:
    """Logs in when needed; one thread. An error ends the session, and its open transaction.

    Raises Transient (LOAD_DOWN), also for what was under way at a deadline: its outcome is
    unknown until the ledger says it; AccessDenied, ConfigError, DataAtRisk (STAGE_GONE),
    Unreadable for a row that does not fit its column, MissingTable.
    """

    def __init__(self, settings: Settings, location: Location) -> None:
        self._settings, self._location = settings, location
        connection_parameters(settings)  # wrong settings are told at once
        self._connection: Any = None

    def run(self, statement: str) -> Answer:
        """Run a statement and take its whole answer."""
        try:
            if self._connection is None:
                self._connection = self._within_deadline(self._open)
            connection = self._connection
            return self._within_deadline(lambda: _execute(connection, statement))
        except (MissingPrivilege, MissingTable, Unreadable):  # only the statement failed
            raise
        except BaseException:
            self.forget()
            raise

    def rollback(self) -> None:
        """Undo what is open; where that fails the session's end does it."""
        if self._connection is not None:
            with suppress(Transient):
                self.run("ROLLBACK")

    def forget(self) -> None:
        """End the session in the background; the next statement logs in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            threading.Thread(target=_close, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Log out."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)

    def _open(self) -> Any:
        deadline = round(self._settings.load_deadline_seconds)
        connection = log_in(
            self._settings, network_timeout=max(1, deadline), socket_timeout=_ANSWER_SECONDS
        )
        _execute(
            connection,
            f"ALTER SESSION SET LOCK_TIMEOUT = {LOCK_SECONDS}, TIMEZONE = 'UTC', "
            f"STATEMENT_TIMEOUT_IN_SECONDS = {deadline}, ABORT_DETACHED_QUERY = TRUE, "
            "AUTOCOMMIT = TRUE, DATE_INPUT_FORMAT = 'AUTO', TIME_INPUT_FORMAT = 'AUTO', "
            "TIMESTAMP_INPUT_FORMAT = 'AUTO'",
        )
        return connection

    def _within_deadline(self, action: Callable[[], Result]) -> Result:
        from snowflake.connector.errors import Error

        seconds = self._settings.load_deadline_seconds
        try:
            return within(seconds + _GRACE_SECONDS, action)
        except StillUnderWay:
            raise Transient(Code.LOAD_DOWN, f"a statement took more than {seconds:g} s") from None
        except Error as error:
            raise meaning(error, self._location) from None
        except OSError as error:
            what = f"Snowflake is not reached: {type(error).__name__}"
            raise Transient(Code.LOAD_DOWN, what) from None


def meaning(error: Exception, location: Location) -> RowferryError:
    """What an error of the connector means to the loader; no text of it may hold a cell."""
    code = code_of(error)
    if code in _OF_A_ROW:
        return _unfit(error, code, location)
    if code in _AGAIN:
        return Transient(Code.LOAD_DOWN, f"Snowflake answers {code}: {_AGAIN[code]}")
    if code in _NO_OBJECT:
        return MissingTable(
            Code.CONFIG,
            "a table is missing, or hidden from SNOWFLAKE_ROLE",
            advice="see rowferry load --print-ddl",
        )
    if code == _NO_WAREHOUSE:
        what = "SNOWFLAKE_WAREHOUSE: required for loading, or not to be used by this role"
        return ConfigError(Code.CONFIG, what)
    if code in _PRIVILEGE:
        return MissingPrivilege(
            Code.SF_AUTH,
            "the role lacks a privilege for loading",
            advice="have the grants run that rowferry load --print-ddl prints",
        )
    told = translate(error, location)
    return Transient(Code.LOAD_DOWN, told.what) if isinstance(told, Transient) else told


def _unfit(error: Exception, code: int, location: Location) -> Unreadable:
    """A row that its column refuses; Snowflake's text shows the value, ours the line."""
    found = _PLACE.search(str(getattr(error, "msg", None) or ""))
    return Unreadable(
        Code.UNCARRIABLE,
        f"a row does not fit the target (Snowflake's error {code}); nothing of its files is loaded",
        where=f"{found['file']} line {found['line']}" if found else f"@{location.place}",
        advice="make its column VARCHAR or VARIANT, or set ROWFERRY_LOAD_COLUMNS=variant",
    )


def _execute(connection: Any, statement: str) -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return Answer([tuple(row) for row in cursor.fetchall()], cursor.rowcount or 0)


def _close(connection: Any) -> None:
    from snowflake.connector.errors import Error

    with suppress(Error, OSError):
        connection.close(retry=False)
