"""Rows as Snowflake's JSON result format carries them."""

import secrets
from collections.abc import Sequence
from typing import Any

TEXT = "text"
FIXED = "fixed"


def column(name: str, kind: str = TEXT) -> dict[str, Any]:
    """One entry of `rowtype`."""
    is_text = kind == TEXT
    return {
        "name": name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": kind,
        "length": 16777216 if is_text else None,
        "byteLength": 16777216 if is_text else None,
        "precision": None if is_text else 38,
        "scale": None if is_text else 0,
        "collation": None,
    }


def rows_answer(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    """`data` of an answer with these rows; columns are (name, type)."""
    return {
        "parameters": [],
        "rowtype": [column(name, kind) for name, kind in columns],
        "rowset": [[None if cell is None else str(cell) for cell in row] for row in rows],
        "total": len(rows),
        "returned": len(rows),
        "queryId": query_id(),
        "queryResultFormat": "json",
    }


def status_answer(words: str) -> dict[str, Any]:
    """One row, one column, as DDL answers."""
    return rows_answer([("status", TEXT)], [[words]])


def query_id() -> str:
    """A new id in Snowflake's shape."""
    h = secrets.token_hex(16)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
