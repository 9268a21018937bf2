"""Kafka Connect's and Debezium's types in Avro schemas: what `connect.name` says → logical types.

Connect's own types carry Avro's logical type beside their name; Debezium's carry the name only.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

CONNECT_NAME: Final = "connect.name"
DEBEZIUM: Final = '"io.debezium.'  # how the names of its types begin in a schema
VARIABLE_SCALE: Final = "io.debezium.data.VariableScaleDecimal"
ZONED_TIMESTAMP: Final = "io.debezium.time.ZonedTimestamp"
NANO_TIME: Final = "io.debezium.time.NanoTime"

_LOGICAL: Final = {
    ("int", "io.debezium.time.Date"): "date",
    ("int", "io.debezium.time.Time"): "time-millis",
    ("long", "io.debezium.time.MicroTime"): "time-micros",
    ("long", "io.debezium.time.Timestamp"): "local-timestamp-millis",
    ("long", "io.debezium.time.MicroTimestamp"): "local-timestamp-micros",
    ("long", "io.debezium.time.NanoTimestamp"): "local-timestamp-nanos",
    ("string", "io.debezium.data.Json"): "json",
}
_NAMED: Final = ("record", "error", "enum", "fixed")
_PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

Names = dict[str, Mapping[str, Any]]  # full name → definition


def spelled_out(schema: Any, elsewhere: Mapping[str, Any] | None = None) -> tuple[Any, Names]:
    """The schema with every type by its full name, and the definitions by theirs.

    Debezium's types have the logical type that they are. elsewhere: full name → definition of
    types of other schemas, which are put where they are used first.
    """
    speller = _Speller(elsewhere or {})
    return speller.spell(schema, ""), speller.names


def with_references(text: str, referred: Iterable[str]) -> str:
    """A schema's JSON text with the types of others inside, each where it is used first.

    What is no schema is left as it is: the gate of the codec refuses it.
    """
    try:
        elsewhere: Names = {}
        for other in referred:
            elsewhere |= spelled_out(json.loads(other))[1]
        return json.dumps(spelled_out(json.loads(text), elsewhere)[0])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text


class _Speller:
    """Walks one schema, in the order in which Avro defines names."""

    def __init__(self, elsewhere: Mapping[str, Any]) -> None:
        self.names: Names = {}
        self._elsewhere = elsewhere

    def spell(self, schema: Any, namespace: str) -> Any:
        if isinstance(schema, list):
            return [self.spell(branch, namespace) for branch in schema]
        if isinstance(schema, str):
            return self._by_name(schema, namespace)
        kind = schema["type"]
        if not isinstance(kind, str):  # {"type": {"type": …}}
            return {**schema, "type": self.spell(kind, namespace)}
        if kind in _NAMED:
            return self._definition(schema, namespace)
        if kind in ("array", "map"):
            inside = "items" if kind == "array" else "values"
            return {**schema, inside: self.spell(schema[inside], namespace)}
        name = schema.get(CONNECT_NAME)
        logical = _LOGICAL.get((kind, name)) if isinstance(name, str) else None
        told = {**schema, "logicalType": logical} if logical else dict(schema)
        return told if kind in _PRIMITIVES else {**told, "type": self._by_name(kind, namespace)}

    def _by_name(self, name: str, namespace: str) -> Any:
        if name in _PRIMITIVES:
            return name
        for full in (name,) if "." in name else (f"{namespace}.{name}".lstrip("."), name):
            if full in self.names:
                return full
            if full in self._elsewhere:
                return self.spell(self._elsewhere[full], "")
        return name  # of nothing: for the gate to judge

    def _definition(self, schema: Mapping[str, Any], namespace: str) -> Any:
        name, space = str(schema["name"]), schema.get("namespace")
        space = namespace if space is None else space
        full = name if "." in name else f"{space}.{name}".lstrip(".")
        if full in self.names:  # defined here and in a schema that is referred to
            return full
        told = {key: value for key, value in schema.items() if key != "namespace"}
        told["name"] = full
        self.names[full] = told
        if "fields" in schema:
            inner = full.rpartition(".")[0]
            fields = [{**f, "type": self.spell(f["type"], inner)} for f in schema["fields"]]
            told["fields"] = fields
        return told


def line_schema(schema: Mapping[str, Any], unwrap: str | None = None) -> Mapping[str, Any]:
    """The schema of what lines have for the values of a schema: what is text there is a string.

    unwrap: the row of an envelope is meant, where the schema is one's.
    """
    told, names = spelled_out(schema)
    row = row_of_envelope(told, names) if unwrap else None
    found: Mapping[str, Any] = _as_text(row or told, names)
    return found


def is_variable_scale(schema: Any) -> bool:
    """Whether a definition has the name of Debezium's decimals of any scale, and their form."""
    match schema:
        case {
            "type": "record",
            "connect.name": name,
            "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
        }:
            return bool(name == VARIABLE_SCALE)
    return False


def _as_text(schema: Any, names: Names) -> Any:
    """The schema with a string for each type that becomes text."""
    if isinstance(schema, list):
        return [_as_text(part, names) for part in schema]
    if not isinstance(schema, dict):
        is_name = isinstance(schema, str)
        return "string" if is_name and is_variable_scale(names.get(schema)) else schema
    if is_variable_scale(schema) or schema.get(CONNECT_NAME) == NANO_TIME:
        return "string"
    return {key: _as_text(part, names) for key, part in schema.items()}


def row_of_envelope(told: Any, names: Names) -> Mapping[str, Any] | None:
    """The record of `after`, in a spelled out schema with `op` beside it; None for any other."""
    if not isinstance(told, dict) or told.get("type") != "record":
        return None
    types = {field["name"]: field["type"] for field in told["fields"]}
    op, before, row = (_present(types.get(name), names) for name in ("op", "before", "after"))
    if _kind(op) not in ("string", "enum") or not isinstance(types.get("after"), list):
        return None
    return row if isinstance(row, dict) and _kind(row) == _kind(before) == "record" else None


def _present(avro: Any, names: Names) -> Any:
    """The definition of a type, of the other one where it may be null."""
    match avro:
        case ["null", only] | [only, "null"]:
            return _present(only, names)
        case str():
            return names.get(avro, avro)
    return avro


def _kind(avro: Any) -> Any:
    return avro.get("type") if isinstance(avro, Mapping) else avro
