"""FILTER: a condition of the user's, checked at start so that it cannot be more than that."""

import re

from rowferry.config import Mode
from rowferry.errors import AccessDenied, Code, ConfigError
from rowferry.flow.capture.postgres import Session, Undefined
from rowferry.flow.capture.statements import quoted
from rowferry.model import Table

_TOKENS = re.compile(
    r"""(?P<string>[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*")
    |(?P<bad>[eE]'|--|/\*|;|\$[A-Za-z_0-9]*\$|'|")|(?P<word>[A-Za-z_]\w*)|(?P<paren>[()])|.""",
    re.VERBOSE | re.DOTALL,
)
_FORBIDDEN = {"select", "with", "table", "values", "union", "into", "over"}
_MUTABLE = re.compile(
    r"\b(now|current_date|current_time|current_timestamp|localtime|localtimestamp|random"
    r"|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|current_user|user"
    r"|session_user|nextval|currval|current_setting)\b",
    re.IGNORECASE,
)
_SCRATCH = "rowferry_filter_check"


def checked_filter(session: Session, table: Table, condition: str, mode: Mode) -> None:
    """See that it is one condition on the table's own columns.

    In incremental mode it must give the same answer for a row at any time: a row that a later
    moment would let through changes nothing that a poll could see. PostgreSQL itself is asked,
    by the rules of a partial index, where the role may make a temporary table.
    Raises ConfigError.
    """
    what = "ROWFERRY_FILTER"
    shape = _shape_of(condition)
    if shape:
        advice = "write one condition on the table's columns, as behind WHERE"
        raise ConfigError(Code.CONFIG, f"{what}: {shape}", where=table.qualified, advice=advice)
    name = f"{quoted(table.schema)}.{quoted(table.name)}"
    try:
        session.rows(f"EXPLAIN SELECT 1 FROM {name} WHERE ({condition})")  # noqa: S608 - checked
    except (ConfigError, Undefined) as error:
        raise ConfigError(
            Code.CONFIG, f"{what}: {error.what}", where=table.qualified, advice="repair it"
        ) from error
    if mode is Mode.INCREMENTAL:
        _check_immutable(session, table, condition)


def _shape_of(condition: str) -> str:
    """What is wrong with the condition's outer form; empty where nothing is."""
    depth = 0
    for token in _TOKENS.finditer(condition):
        if token["bad"]:
            return f"{token['bad']} has no place in it"
        if token["word"] and token["word"].lower() in _FORBIDDEN:
            return f"{token['word'].upper()} has no place in it; subqueries are not allowed"
        depth += {"(": 1, ")": -1}.get(token["paren"] or "", 0)
        if depth < 0:
            return "a parenthesis is closed that was not opened"
    return "a parenthesis is not closed" if depth else ""


def _check_immutable(session: Session, table: Table, condition: str) -> None:
    name = f"{quoted(table.schema)}.{quoted(table.name)}"
    session.run("BEGIN READ WRITE")
    try:
        session.run(f"CREATE TEMP TABLE {_SCRATCH} (LIKE {name}) ON COMMIT DROP")
        session.run(f"CREATE INDEX ON pg_temp.{_SCRATCH} ((1)) WHERE ({condition})")
    except AccessDenied as error:
        found = _MUTABLE.search(condition)
        if found:
            raise _mutable(table, f"{found[0]} changes with time or session") from error
    except (ConfigError, Undefined) as error:
        raise _mutable(table, error.what) from error
    finally:
        if session.in_transaction:
            session.run("ROLLBACK")


def _mutable(table: Table, why: str) -> ConfigError:
    return ConfigError(
        Code.CONFIG,
        f"ROWFERRY_FILTER must give the same answer for a row at any time: {why}",
        where=table.qualified,
        advice="use columns, constants and immutable functions only, or mode full",
    )
