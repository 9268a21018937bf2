"""The value of a JSON line as what PostgreSQL's input function takes."""

import base64
import re
from typing import Any

from rowferry.types import Kind, Wire


def literal_of(wire: Wire, value: Any) -> str | None:
    """What PostgreSQL's input function takes, from the value of a JSON line."""
    if value is None:
        return None
    if wire.element is not None:
        return "{" + ",".join(item_of(wire, item) for item in value) + "}"
    if wire.kind is Kind.COMPOSITE:
        fields = (quoted(literal_of(f, value[f.name]), "") for f in wire.fields)
        return "(" + ",".join(fields) + ")"
    if wire.kind is Kind.HSTORE:
        return ",".join(f"{quoted(k, '')}=>{quoted(v, 'NULL')}" for k, v in value.items())
    return scalar_of(wire, value)


def item_of(array: Wire, item: Any) -> str:
    assert array.element is not None
    is_nested = isinstance(item, list)
    text = literal_of(array if is_nested else array.element, item)
    return str(text) if is_nested else quoted(text, "NULL")


def scalar_of(wire: Wire, value: Any) -> str:
    if wire.kind is Kind.BYTES:
        return "\\x" + base64.b64decode(value, validate=True).hex()
    if wire.kind in (Kind.DATE, Kind.TIMESTAMP) and "infinity" not in value:
        return ad_or_bc(value)
    if wire.kind is Kind.BOOL:
        return str(value).lower()
    assert isinstance(value, str)
    return value


def quoted(text: str | None, null: str) -> str:
    if text is None:
        return null
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ad_or_bc(text: str) -> str:
    found = re.fullmatch(r"([+-]?\d{4,})(-\d\d-\d\d.*)", text)
    assert found, text
    year = int(found[1])
    return f"{year:04d}{found[2]}" if year > 0 else f"{1 - year:04d}{found[2]} BC"


def refuse(constant: str) -> None:
    raise AssertionError(f"JSON has no {constant}")
