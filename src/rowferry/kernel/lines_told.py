"""Columns whose form only the metadata of their fields tells, made into what a line has for them.

Decimals of more digits than Arrow has, which are bytes, become text: they are over 38 digits by
far, so that lines have them as strings, as other long decimals. Unions become JSON.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.types as pt

from rowferry.kernel.long_decimals import digits_text
from rowferry.kernel.nested import with_fields, with_items, with_map_items

_JSON = pa.json_(pa.utf8())


def as_told(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, such columns replaced wherever they are; else the batch itself."""
    if not any(_concerns(field) for field in batch.schema):
        return batch
    pairs = zip(batch.schema, batch.columns, strict=True)
    columns = [_converted(field, values) for field, values in pairs]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _concerns(field: pa.Field) -> bool:
    return _logical(field.metadata) is not None or any(map(_concerns, _inside(field.type)))


def _logical(metadata: Mapping[bytes, bytes] | None) -> bytes | None:
    logical = metadata.get(b"logicalType") if metadata else None
    return logical if logical in (b"decimal", b"avro-json") else None


def _inside(kind: pa.DataType) -> list[pa.Field]:
    if pt.is_list(kind):
        return [kind.value_field]
    if pt.is_map(kind):
        return [kind.item_field]
    return [kind.field(place) for place in range(kind.num_fields)] if pt.is_struct(kind) else []


def _converted(field: pa.Field, values: pa.Array) -> pa.Array:
    logical = _logical(field.metadata)
    if logical == b"avro-json":
        return pa.ExtensionArray.from_storage(_JSON, values)
    if logical == b"decimal":
        scale = int(field.metadata[b"scale"])
        texts = [None if raw is None else digits_text(raw, scale) for raw in values.to_pylist()]
        return pa.array(texts, pa.utf8())
    if not _concerns(field):
        return values
    kind = field.type  # the array's own may have lost the metadata inside
    if pt.is_struct(kind):
        fields = _inside(kind)
        children = [_converted(each, values.field(place)) for place, each in enumerate(fields)]
        told = [pa.field(f.name, child.type) for f, child in zip(fields, children, strict=True)]
        return with_fields(values, children, told)
    if pt.is_list(kind):
        return with_items(values, _converted(kind.value_field, values.values))
    return with_map_items(values, _converted(kind.item_field, values.items))
