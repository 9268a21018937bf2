"""When forms of a cell are the same value: Avro's raw one, JSON's of a line, PostgreSQL's text.

Apart from the product's own codecs on purpose: what is proved must not be proved by itself.
Raw means without logical types: a timestamp is its microseconds, a decimal its bytes.
"""

import base64
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import partial
from typing import Any

from rowferry.proof.calendar import (
    INFINITIES,
    days_of,
    iso_of_postgres,
    micros_of,
    micros_of_day,
    nanos_of,
)
from rowferry.proof.line_json import JsonValue, Members, with_each_name_once
from rowferry.types import original_name

Schema = Any  # an Avro schema, as JSON has it
_EXACT = Context(prec=200_000, traps=[Inexact, InvalidOperation])  # a numeric's digits and more
Function = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How each form of a cell becomes one hashable value, equal for equal cells only.

    Each function may raise ValueError, TypeError, KeyError or ArithmeticError for what is no
    value of the type. text is None where PostgreSQL's text form is not taken apart.
    """

    raw: Function
    json: Function
    text: Function | None


def form_of(schema: Schema, named: dict[str, Schema] | None = None) -> Form:
    """The form of an Avro type; named: the records and enums that were met before."""
    named = {} if named is None else named
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        if len(branches) != 1:
            return _UNION
        return _nullable(form_of(branches[0], named))
    if isinstance(schema, str):
        return form_of(named[schema], named) if schema in named else _PLAIN[schema]
    return _form_of_object(schema, named)


def _form_of_object(schema: Mapping[str, Any], named: dict[str, Schema]) -> Form:
    kind, logical = schema["type"], schema.get("logicalType")
    if "name" in schema:
        named[schema["name"]] = schema
        named[f"{schema.get('namespace', '')}.{schema['name']}".lstrip(".")] = schema
    if isinstance(kind, str) and (kind, logical) in _LOGICAL:
        return _LOGICAL[kind, logical]
    if logical == "decimal":
        return _decimal(schema)
    if isinstance(kind, str) and kind in _NESTED:
        return _NESTED[kind](schema, named)
    return form_of(kind, named)


def without_logical_types(schema: Schema) -> Schema:
    """The schema that reads the same bytes as raw values."""
    if isinstance(schema, dict):
        kept = {k: without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
        return {k: v for k, v in kept.items() if k not in ("precision", "scale")}
    return [without_logical_types(part) for part in schema] if isinstance(schema, list) else schema


def _nullable(inner: Form) -> Form:
    def or_none(function: Function) -> Function:
        return lambda value: None if value is None else function(value)

    text = or_none(inner.text) if inner.text else None
    json = inner.json if inner.json is JsonValue else or_none(inner.json)  # its own null
    return Form(or_none(inner.raw), json, text)


def _same(value: Any) -> Any:
    return value


def _only(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _one_of_several(value: Any) -> bool:
    """Whether a line names one of the types; what follows the name is not looked at."""
    if value is None:
        return False
    (_,) = _only(Members, value).values()
    return True


def _boolean(text: str) -> bool:
    return {"t": True, "true": True, "f": False, "false": False}[text]


def _base64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))


def _double(value: Any) -> str:
    """Floats by their shortest digits: so NaN equals NaN, and -0 is not 0."""
    number = float(_only(str, value) if isinstance(value, str) else value)
    return repr(number)


def _single(value: Any) -> str:
    number = float(value)
    if not math.isfinite(number):
        return repr(number)
    return repr(struct.unpack("f", struct.pack("f", number))[0])


def _decimal(schema: Mapping[str, Any]) -> Form:
    scale = int(schema.get("scale", 0))

    def of_raw(raw: bytes) -> Decimal:
        unscaled = int.from_bytes(raw, "big", signed=True)
        digits = tuple(int(digit) for digit in str(abs(unscaled)))
        return Decimal((int(unscaled < 0), digits, -scale))

    def of_json(value: Any) -> Decimal:
        if isinstance(value, bool | float):
            raise TypeError("not an exact number")
        return Decimal(value)

    def of_text(text: str) -> Decimal:
        number = Decimal(text)
        if not number.is_finite():
            return number
        return number.quantize(Decimal((0, (1,), -scale)), context=_EXACT)

    return Form(of_raw, of_json, of_text)


def _array(schema: Mapping[str, Any], named: dict[str, Schema]) -> Form:
    item = form_of(schema["items"], named)
    of_text = item.text

    def of_array_text(text: str) -> Any:
        from psycopg2.extensions import STRINGARRAY

        return of_items(STRINGARRAY(text, None) if isinstance(text, str) else text)

    def of_items(items: list[Any]) -> Any:
        return tuple(of_text(inner) for inner in items) if of_text else ()

    return Form(
        lambda raw: tuple(item.raw(inner) for inner in raw),
        lambda value: tuple(item.json(inner) for inner in _only(list, value)),
        of_array_text if of_text else None,
    )


def _map(schema: Mapping[str, Any], named: dict[str, Schema]) -> Form:
    value_form = form_of(schema["values"], named)

    def of(function: Function, pairs: Mapping[str, Any]) -> Any:
        members = with_each_name_once(pairs).items()
        return tuple(sorted((key, function(value)) for key, value in members))

    return Form(partial(of, value_form.raw), partial(of, value_form.json), None)


def _record(schema: Mapping[str, Any], named: dict[str, Schema]) -> Form:
    fields = schema["fields"]
    forms = [form_of(field["type"], named) for field in fields]
    names = [field["name"] for field in fields]
    originals = [original_name(field) for field in fields]

    def of_raw(raw: Mapping[str, Any]) -> Any:
        return tuple(form.raw(raw[name]) for form, name in zip(forms, names, strict=True))

    def of_json(value: Mapping[str, Any]) -> Any:
        if list(with_each_name_once(value)) not in (originals, names):
            raise KeyError("other fields than the schema's")
        return tuple(form.json(cell) for form, cell in zip(forms, value.values(), strict=True))

    return Form(of_raw, of_json, None)


def _millis(raw: int) -> int:
    """Milliseconds as microseconds, the infinities apart."""
    return raw if raw in INFINITIES else 1000 * raw


def _cut_to_millis(micros: int) -> int:
    return micros if micros in INFINITIES else micros // 1000 * 1000


def _moment_of_postgres(text: str) -> int:
    return micros_of(iso_of_postgres(text))


_INTEGER = Form(_same, partial(_only, int), int)
_STRING = Form(_same, partial(_only, str), _same)
_BYTES = Form(_same, _base64, _hexadecimal)
_MICROS = Form(_same, micros_of, _moment_of_postgres)
_MILLIS = Form(_millis, micros_of, lambda text: _cut_to_millis(_moment_of_postgres(text)))
_NANOS = Form(_same, nanos_of, None)
_UNION = Form(lambda raw: raw is not None, _one_of_several, None)

_PLAIN: dict[str, Form] = {
    "null": Form(_same, _same, _same),
    "boolean": Form(_same, partial(_only, bool), _boolean),
    "int": _INTEGER,
    "long": _INTEGER,
    "float": Form(_single, _single, _single),
    "double": Form(_double, _double, _double),
    "string": _STRING,
    "bytes": _BYTES,
}

_LOGICAL: dict[tuple[Any, str | None], Form] = {
    ("int", "date"): Form(_same, days_of, lambda text: days_of(iso_of_postgres(text))),
    ("int", "time-millis"): Form(lambda raw: 1000 * raw, micros_of_day, None),
    ("long", "time-micros"): Form(_same, micros_of_day, micros_of_day),
    ("long", "timestamp-millis"): _MILLIS,
    ("long", "timestamp-micros"): _MICROS,
    ("long", "timestamp-nanos"): _NANOS,
    ("long", "local-timestamp-millis"): _MILLIS,
    ("long", "local-timestamp-micros"): _MICROS,
    ("long", "local-timestamp-nanos"): _NANOS,
    ("string", "json"): Form(_same, JsonValue, _same),
    ("string", "uuid"): _STRING,
}

_NESTED: dict[Any, Callable[[Mapping[str, Any], dict[str, Schema]], Form]] = {
    "array": _array,
    "map": _map,
    "record": _record,
    "enum": lambda _schema, _named: _STRING,
    "fixed": lambda _schema, _named: _BYTES,
}
