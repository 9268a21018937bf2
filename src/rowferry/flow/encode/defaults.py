"""Constant defaults of columns as Avro's: with them, adding a NOT NULL column breaks no reader."""

import re
from typing import Any

_WHOLE = re.compile(r"'?(-?\d+)'?(?:::(?:smallint|integer|bigint))?")
_LABEL = re.compile(r"'([A-Za-z0-9_]+)'::.+")
_TEXT = re.compile(r"'((?:[^']|'')*)'::(?:text|character varying)(?:\(\d+\))?")


def constant_of(default: str | None, avro: Any) -> Any:
    """The value of a default's SQL as an Avro schema has it; None where it is no plain constant.

    Of ints, longs, booleans, strings and enums only: others' forms in a schema are not their SQL.
    """
    if default is None:
        return None
    if avro in ("int", "long") and (found := _WHOLE.fullmatch(default)):
        number = int(found[1])
        bits = 31 if avro == "int" else 63
        return number if -(1 << bits) <= number < 1 << bits else None
    if avro == "boolean" and default in ("true", "false"):
        return default == "true"
    if isinstance(avro, dict) and avro["type"] == "enum" and (found := _LABEL.fullmatch(default)):
        return found[1] if found[1] in avro["symbols"] else None
    if avro == "string" and (found := _TEXT.fullmatch(default)):
        return found[1].replace("''", "'")
    return None
