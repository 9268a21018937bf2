"""Columns whose form only the metadata of their fields tells, made into what a line has for them.

Decimals of more digits than Arrow has, which are bytes, become text: they are over 38 digits by
far, so that lines have them as strings, as other long decimals. Unions become JSON, and texts that
are JSON do where it is to be nested.
"""

from collections.abc import Mapping
from functools import partial

import pyarrow as pa
import pyarrow.types as pt

from rowferry.kernel.lines_json import JsonForm, json_values
from rowferry.kernel.long_decimals import digits_text
from rowferry.kernel.nested import with_fields, with_items, with_map_items

_JSON = pa.json_(pa.utf8())


def as_told(batch: pa.RecordBatch, json: JsonForm = "string") -> pa.RecordBatch:
    """The batch, such columns replaced wherever they are; else the batch itself."""
    concerns = partial(_concerns, json)
    if not any(map(concerns, batch.schema)):
        return batch
    pairs = zip(batch.schema, batch.columns, strict=True)
    columns = [_converted(json, field, values) for field, values in pairs]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _concerns(json: JsonForm, field: pa.Field) -> bool:
    if _logical(json, field.metadata) is not None:
        return True
    return any(_concerns(json, each) for each in _inside(field.type))


def _logical(json: JsonForm, metadata: Mapping[bytes, bytes] | None) -> bytes | None:
    logical = metadata.get(b"logicalType") if metadata else None
    if logical == b"json" and json == "nested":
        return logical
    return logical if logical in (b"decimal", b"avro-json") else None


def _inside(kind: pa.DataType) -> list[pa.Field]:
    if pt.is_list(kind):
        return [kind.value_field]
    if pt.is_map(kind):
        return [kind.item_field]
    return [kind.field(place) for place in range(kind.num_fields)] if pt.is_struct(kind) else []


def _as_told(logical: bytes, field: pa.Field, values: pa.Array) -> pa.Array:
    if logical == b"json":
        return json_values(values)
    if logical == b"avro-json":
        return pa.ExtensionArray.from_storage(_JSON, values)
    scale = int(field.metadata[b"scale"])
    texts = [None if raw is None else digits_text(raw, scale) for raw in values.to_pylist()]
    return pa.array(texts, pa.utf8())


def _converted(json: JsonForm, field: pa.Field, values: pa.Array) -> pa.Array:
    logical = _logical(json, field.metadata)
    if logical is not None:
        return _as_told(logical, field, values)
    if not _concerns(json, field):
        return values
    kind = field.type  # the array's own may have lost the metadata inside
    if pt.is_struct(kind):
        fields = _inside(kind)
        children = [_converted(json, each, values.field(n)) for n, each in enumerate(fields)]
        told = [pa.field(f.name, child.type) for f, child in zip(fields, children, strict=True)]
        return with_fields(values, children, told)
    if pt.is_list(kind):
        return with_items(values, _converted(json, kind.value_field, values.values))
    return with_map_items(values, _converted(json, kind.item_field, values.items))
