"""How a setting is declared, and the kinds of lists and choices that settings are."""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field


class Delivery(StrEnum):
    """Small fresh files, or large cheap ones."""

    STREAMING = "streaming"
    BATCH = "batch"


class Unreadables(StrEnum):
    """What the receiver does with a record that cannot be read."""

    STOP = "stop"
    DEAD_LETTER = "dead_letter"


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


_NAMED = re.compile(r'(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)')


def _with_schema(tables: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_plain_name(table) for table in tables)


def _plain_name(table: str) -> str:
    """`t` → `public.t`; `"My Schema"."T"` → `My Schema.T`, unless a name holds a dot."""
    found = _NAMED.fullmatch(table)
    if found is None:
        return table if "." in table else f"public.{table}"
    names = [(part or "public").strip('"').replace('""', '"') for part in found.groups()]
    return table if any("." in name for name in names) else ".".join(names)


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
TableNames = Annotated[Names, AfterValidator(_with_schema)]


def setting(default: Any, help: str, *, unit: str = "", **limits: Any) -> Any:  # noqa: A002
    """Declare a setting; limits are pydantic's. What a command cannot do without, it names."""
    return Field(default, description=help, json_schema_extra={"unit": unit}, **limits)
