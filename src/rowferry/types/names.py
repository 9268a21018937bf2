"""Names of PostgreSQL in Avro, which allows fewer, and back."""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

NAME_PROPERTY = "rowferry.name"  # of an Avro field or record: the name that PostgreSQL has
KEY_PROPERTY = "rowferry.key"  # of a value schema: the key's column names, in key order
_AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def avro_name(name: str) -> str:
    """A name that Avro allows, another one for each name: `unit price` → `unit_x20_price`."""
    plain = re.sub(r"_(?=x[0-9a-f]+(?:_|[^A-Za-z0-9_]))", "_x5f_", name)  # looks like an escape
    valid = re.sub(r"[^A-Za-z0-9_]", lambda found: f"_x{ord(found[0]):x}_", plain)
    return f"_x{ord(valid[0]):x}_{valid[1:]}" if valid[:1].isdigit() else valid


def is_avro_name(text: str) -> bool:
    """Whether Avro allows the text as a name, or as an enum's symbol."""
    return _AVRO_NAME.fullmatch(text) is not None


def original_name(named: Mapping[str, Any]) -> str:
    """The name that PostgreSQL has for an Avro field or record."""
    return str(named.get(NAME_PROPERTY, named["name"]))


def named(name: str, **rest: Any) -> dict[str, Any]:
    """An Avro field or record of a PostgreSQL name, which is kept where Avro does not allow it."""
    valid = avro_name(name)
    kept = {} if valid == name else {NAME_PROPERTY: name}
    return {"name": valid, **rest, **kept}


def restored(batch: pa.RecordBatch, schema: Mapping[str, Any]) -> pa.RecordBatch:
    """A decoded batch with the names that PostgreSQL has, inside composites too.

    schema: the record that the batch was decoded with. Nothing is copied.
    """
    fields = schema["fields"]
    if not fields:
        return batch
    columns, renamed = [], []
    for array, known, field in zip(batch.columns, batch.schema, fields, strict=True):
        kind = _restored_type(known.type, field["type"])
        columns.append(array.view(kind) if kind else array)
        renamed.append(known.with_name(original_name(field)).with_type(kind or known.type))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(renamed))


def _restored_type(kind: pa.DataType, avro: Any) -> pa.DataType | None:
    """The type with the fields' original names; None where it has them already."""
    match avro:
        case ["null", only] | [only, "null"]:
            return _restored_type(kind, only)
        case {"type": "record", "fields": fields}:
            return _restored_struct(kind, fields)
        case {"type": "array", "items": items}:
            item = _restored_type(kind.value_type, items)
            return pa.list_(kind.value_field.with_type(item)) if item else None
        case {"type": "map", "values": values}:
            value = _restored_type(kind.item_type, values)
            return pa.map_(pa.utf8(), kind.item_field.with_type(value)) if value else None
        case _:
            return None


def _restored_struct(kind: pa.DataType, fields: list[Mapping[str, Any]]) -> pa.DataType | None:
    inner = [kind.field(place) for place in range(kind.num_fields)]
    types = [_restored_type(f.type, each["type"]) for f, each in zip(inner, fields, strict=True)]
    renamed = [
        field.with_name(original_name(each)).with_type(restored_type or field.type)
        for field, each, restored_type in zip(inner, fields, types, strict=True)
    ]
    return None if renamed == inner else pa.struct(renamed)
