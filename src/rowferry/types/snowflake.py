"""Avro types ↔ Snowflake's: what holds a value as its line has it, and what holds what."""

import re
from dataclasses import dataclass
from typing import Any

MOST_DIGITS, MOST_SCALE = 38, 37
MICROSECONDS = 6
_DESCRIBED = re.compile(r"(?P<base>[A-Z_]+)(?:\((?P<first>\d+)(?:,\s*(?P<second>\d+))?\))?.*")
_SAME = {
    **dict.fromkeys(("TEXT", "STRING", "CHAR", "CHARACTER"), "VARCHAR"),
    **dict.fromkeys(("DECIMAL", "NUMERIC", "INT", "INTEGER", "BIGINT"), "NUMBER"),
    **dict.fromkeys(("DOUBLE", "REAL", "FLOAT4", "FLOAT8"), "FLOAT"),
}


@dataclass(frozen=True, slots=True)
class SnowflakeType:
    """A column's type. digits, scale: of a NUMBER; scale of a time: its fraction's digits."""

    base: str
    digits: int | None = None
    scale: int | None = None

    @property
    def sql(self) -> str:
        """As it stands in a statement."""
        given = [str(number) for number in (self.digits, self.scale) if number is not None]
        return f"{self.base}({','.join(given)})" if given else self.base

    def holds(self, other: "SnowflakeType") -> bool:
        """Whether a column of this type keeps each value of the other whole.

        Text and VARIANT keep the form that the line has.
        """
        if self.base in ("VARCHAR", "VARIANT"):
            return True
        if self.base != other.base:
            return False
        return (self.scale or 0) >= (other.scale or 0) and self.whole_digits >= other.whole_digits

    @property
    def whole_digits(self) -> int:
        """The digits before a NUMBER's point."""
        return self.digits - (self.scale or 0) if self.digits else 0

    def wider(self, other: "SnowflakeType") -> "SnowflakeType":
        """A type that keeps the values of both whole."""
        if self.holds(other):
            return self
        if other.holds(self):
            return other
        if self.base == other.base == "NUMBER":
            scale = max(self.scale or 0, other.scale or 0)
            return _number(max(self.whole_digits, other.whole_digits) + scale, scale)
        return VARIANT


TEXT = SnowflakeType("VARCHAR")
VARIANT = SnowflakeType("VARIANT")
WHOLE = SnowflakeType("NUMBER", MOST_DIGITS, 0)
MOMENT = SnowflakeType("TIMESTAMP_TZ", scale=MICROSECONDS)
FLOAT, BINARY = SnowflakeType("FLOAT"), SnowflakeType("BINARY")

_LOGICAL = {
    "date": SnowflakeType("DATE"),
    "time-micros": SnowflakeType("TIME", scale=MICROSECONDS),
    "time-millis": SnowflakeType("TIME", scale=MICROSECONDS),
    "local-timestamp-micros": SnowflakeType("TIMESTAMP_NTZ", scale=MICROSECONDS),
    "local-timestamp-millis": SnowflakeType("TIMESTAMP_NTZ", scale=MICROSECONDS),
    "timestamp-micros": MOMENT,
    "timestamp-millis": MOMENT,
}
_PLAIN = {
    "boolean": SnowflakeType("BOOLEAN"),
    "int": WHOLE,
    "long": WHOLE,
    "float": FLOAT,
    "double": FLOAT,
    "bytes": BINARY,
    "fixed": BINARY,
    "string": TEXT,
    "enum": TEXT,
    "array": SnowflakeType("ARRAY"),
    "map": SnowflakeType("OBJECT"),
    "record": SnowflakeType("OBJECT"),
}


def snowflake_type(avro: Any, *, nests_json: bool = False) -> SnowflakeType:
    """The type of a column for the values of an Avro type; VARIANT where that can be anything.

    nests_json: whether lines have texts that are JSON as what they say.
    """
    if isinstance(avro, list):
        kinds = [each for each in avro if each != "null"]
        return snowflake_type(kinds[0], nests_json=nests_json) if len(kinds) == 1 else VARIANT
    if not isinstance(avro, dict):
        return _PLAIN.get(avro, VARIANT)  # a named type that stands elsewhere in the schema
    logical = avro.get("logicalType")
    if logical == "decimal":
        return _number(int(avro["precision"]), int(avro.get("scale", 0)))
    if logical == "json" and nests_json:
        return VARIANT
    return _LOGICAL.get(str(logical)) or snowflake_type(avro["type"], nests_json=nests_json)


def described_type(text: str) -> SnowflakeType:
    """The type as DESCRIBE TABLE tells it: `NUMBER(10,2)`, `VARCHAR(16777216)`."""
    found = _DESCRIBED.fullmatch(text.strip().upper())
    if found is None:
        return SnowflakeType(text)
    base = _SAME.get(found["base"], found["base"])
    first = int(found["first"]) if found["first"] else None
    if base == "NUMBER":
        return SnowflakeType(base, first or MOST_DIGITS, int(found["second"] or 0))
    if base.startswith("TIME"):
        return SnowflakeType(base, scale=9 if first is None else first)
    return SnowflakeType(base)


def _number(digits: int, scale: int) -> SnowflakeType:
    """NUMBER where it has the digits; lines have longer numbers as text."""
    fits = digits <= MOST_DIGITS and 0 <= scale <= min(digits, MOST_SCALE)
    return SnowflakeType("NUMBER", digits, scale) if fits else TEXT
