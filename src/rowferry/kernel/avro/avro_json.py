"""Unions as text: Avro's JSON form, which names the branch, of raw values.

Numbers that JSON lacks are the strings "NaN", "Infinity", "-Infinity"; bytes are text of the
characters U+0000 to U+00FF, as the Avro specification has it; decimals are strings of digits.
"""

import decimal
import json
import math
from typing import Any

from rowferry.kernel.avro.reasons import UnwritableError
from rowferry.kernel.avro.shapes import (
    Array,
    Boolean,
    Bytes,
    Decimal,
    Enum,
    Fixed,
    Float,
    Map,
    Null,
    Optional,
    Record,
    Shape,
    Text,
    Union,
    Varint,
)


def text_of(union: Union, branch: int, value: Any) -> str | None:
    """The text of a union's value; None for its null."""
    if isinstance(union.branches[branch], Null):
        return None
    return _compact({union.names[branch]: _to_json(union.branches[branch], value)})


def value_of(union: Union, text: str | None) -> tuple[int, Any]:
    """The branch and raw value of a union's text. Raises UnwritableError."""
    try:
        if text is None:
            return union.names.index("null"), None
        ((name, value),) = json.loads(text).items()
        branch = union.names.index(name)
        return branch, _from_json(union.branches[branch], value)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        what = "a union's text is not the Avro-JSON form of a branch"
        raise UnwritableError(what) from None  # its text may hold the value


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _float_to_json(number: float) -> float | str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _to_json(shape: Shape, value: Any) -> Any:  # noqa: PLR0911 - a line a shape
    match shape:
        case Float():
            return _float_to_json(value)
        case Bytes() | Fixed():
            return value.decode("latin-1")
        case Decimal():
            return format(value, "f")
        case Array(items=items):
            return [_to_json(items, item) for item in value]
        case Map(entries=entries):
            return {key: _to_json(entries.fields[1], item) for key, item in value}
        case Record(names=names, fields=fields):
            cells = zip(names, fields, value, strict=True)
            return {name: _to_json(field, cell) for name, field, cell in cells}
        case Optional(inner=inner):
            return None if value is None else _to_json(inner, value)
        case Union():
            return None if value is None else json.loads(value)
    return value


def _from_json(shape: Shape, value: Any) -> Any:  # noqa: PLR0911 - a line a shape
    match shape:
        case Float():
            return float(value)
        case Bytes() | Fixed():
            return value.encode("latin-1")
        case Decimal():
            return decimal.Decimal(value)
        case Array(items=items):
            return [_from_json(items, item) for item in value]
        case Map(entries=entries):
            return [(key, _from_json(entries.fields[1], item)) for key, item in value.items()]
        case Record(names=names, fields=fields):
            cells = zip(names, fields, strict=True)
            return tuple(_from_json(field, value[name]) for name, field in cells)
        case Optional(inner=inner):
            return None if value is None else _from_json(inner, value)
        case Union():
            return None if value is None else _compact(value)
    return _checked(shape, value)


def _checked(shape: Shape, value: Any) -> Any:
    """The value as it is, if it is of the shape's kind."""
    kinds: dict[type[Shape], type] = {Boolean: bool, Varint: int, Text: str, Enum: str}
    if type(value) is not kinds[type(shape)]:
        raise TypeError
    if isinstance(shape, Varint) and value not in range(
        -(1 << shape.bits - 1), 1 << shape.bits - 1
    ):
        raise ValueError
    return value
