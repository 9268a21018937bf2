"""Reads COPY INTO <table>."""

import re
from dataclasses import dataclass

from strict_snowflake.stages import SqlError
from strict_snowflake.statements import (
    IDENTIFIER,
    LOCATION,
    QUALIFIED,
    Location,
    file_format,
    location,
    options,
    without_file_format,
)

MOST_FILES = 1000

_F = re.IGNORECASE | re.DOTALL
_COPY = re.compile(
    rf"COPY\s+INTO\s+(?P<table>{QUALIFIED})\s*(?P<columns>\([^()]*\))?\s*FROM\s+"
    rf"(?:\(\s*(?P<select>SELECT\s+.*?\s+FROM\s+){LOCATION}"
    rf"(?P<alias>\s+(?:AS\s+)?{IDENTIFIER})?\s*\)"
    rf"|(?P<plain>'?@[^\s;]+))(?P<rest>.*)",
    _F,
)
_PLAIN = re.compile(LOCATION, _F)
_FILES = re.compile(r"FILES\s*=\s*\((?P<names>.*?)\)", _F)
_NAME = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Copy:
    """select: the text from SELECT to FROM, with $1 in it; None takes whole rows."""

    table: str
    columns: str | None
    select: str | None
    alias: str
    source: Location
    files: tuple[str, ...] | None
    pattern: str | None
    file_format: dict[str, str]
    force: bool
    on_error: str
    purge: bool
    by_column_name: bool
    loads_uncertain: bool


def read_copy(sql: str) -> Copy | None:
    """The COPY INTO a table that the text is; None for any other. Raises SqlError."""
    match = _COPY.fullmatch(sql)
    if match is None:
        return None
    plain = _PLAIN.fullmatch(match["plain"]) if match["plain"] else match
    if plain is None:
        raise SqlError("001003", "42000", "SQL compilation error:\nsyntax error near the stage.")
    rest = match["rest"]
    files = _FILES.search(rest)
    given = options(without_file_format(_FILES.sub("", rest)))
    return Copy(
        table=match["table"],
        columns=match["columns"],
        select=match["select"],
        alias=(match["alias"] or "").strip(),
        source=location(plain),
        files=_names(files["names"]) if files else None,
        pattern=given.get("PATTERN"),
        file_format=file_format(rest),
        force=given.get("FORCE") == "TRUE",
        on_error=given.get("ON_ERROR", "ABORT_STATEMENT").upper(),
        purge=given.get("PURGE") == "TRUE",
        by_column_name=given.get("MATCH_BY_COLUMN_NAME", "NONE") != "NONE",
        loads_uncertain=given.get("LOAD_UNCERTAIN_FILES") == "TRUE",
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.replace("''", "'") for name in _NAME.findall(text))
    if len(names) > MOST_FILES:
        raise SqlError(
            "001024",
            "22023",
            f"SQL compilation error:\nFILES takes at most {MOST_FILES} names, not {len(names)}.",
        )
    return names
