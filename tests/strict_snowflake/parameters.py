"""Session parameters that change what a statement means, or how much of its answer is given."""

import re
from collections.abc import Mapping
from typing import Any

from strict_snowflake.stages import SqlError

_I = re.IGNORECASE
_FORMATS = {
    "DATE_INPUT_FORMAT": re.compile(r"::\s*DATE\b", _I),
    "TIME_INPUT_FORMAT": re.compile(r"::\s*TIME\b", _I),
    "TIMESTAMP_INPUT_FORMAT": re.compile(r"::\s*TIMESTAMP", _I),
}
_TEXT_OR_QUOTED = re.compile(r"'(?:[^'\\]|''|\\.)*'|(?<!:)\"(?:[^\"]|\"\")+\"", re.DOTALL)

Parameters = Mapping[str, str]


def as_understood(parameters: Parameters, sql: str) -> str:
    """The statement as this session takes it. Raises SqlError for texts of another form.

    A cast to a date or a time is refused wherever the session's format is not AUTO: staged lines
    have them in ISO's form.
    """
    for name, cast in _FORMATS.items():
        if parameters.get(name, "AUTO").upper() != "AUTO" and cast.search(sql):
            raise SqlError("100040", "22007", f"A text is not as {name} says.")
    if _is_true(parameters, "QUOTED_IDENTIFIERS_IGNORE_CASE"):
        return _TEXT_OR_QUOTED.sub(_in_upper_case, sql)
    return sql


def most_rows(parameters: Parameters) -> int | None:
    """How many rows of an answer are given; None for all."""
    return int(parameters.get("ROWS_PER_RESULTSET", 0)) or None


def cut_short(parameters: Parameters, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with no more rows than the session wants; Arrow's are cut by the engine."""
    if "rowset" not in answer or most_rows(parameters) is None:
        return answer
    rows = answer["rowset"][: most_rows(parameters)]
    return {**answer, "rowset": rows, "total": len(rows), "returned": len(rows)}


def _is_true(parameters: Parameters, name: str) -> bool:
    return parameters.get(name, "FALSE").upper() == "TRUE"


def _in_upper_case(found: re.Match[str]) -> str:
    return found[0].upper() if found[0].startswith('"') else found[0]
