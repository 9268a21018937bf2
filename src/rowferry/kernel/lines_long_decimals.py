"""Decimals of more digits than Arrow has: big-endian bytes by the metadata of their fields → text.

They are over 38 digits by far, so that lines have them as strings, as other long decimals.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.types as pt

_PIECE_DIGITS = 4000  # Python refuses to write more than 4300 at once
_PIECE = 10**_PIECE_DIGITS


def with_digits(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, such bytes replaced by their digits wherever they are; else the batch itself."""
    if not any(_concerns(field) for field in batch.schema):
        return batch
    pairs = zip(batch.schema, batch.columns, strict=True)
    columns = [_converted(field, values) for field, values in pairs]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _concerns(field: pa.Field) -> bool:
    return _scale_of(field.metadata) is not None or any(map(_concerns, _inside(field.type)))


def _inside(kind: pa.DataType) -> list[pa.Field]:
    if pt.is_list(kind):
        return [kind.value_field]
    if pt.is_map(kind):
        return [kind.item_field]
    return [kind.field(place) for place in range(kind.num_fields)] if pt.is_struct(kind) else []


def _scale_of(metadata: Mapping[bytes, bytes] | None) -> int | None:
    if not metadata or metadata.get(b"logicalType") != b"decimal":
        return None
    return int(metadata[b"scale"])


def _converted(field: pa.Field, values: pa.Array) -> pa.Array:
    scale = _scale_of(field.metadata)
    if scale is not None:
        texts = [None if raw is None else digits_text(raw, scale) for raw in values.to_pylist()]
        return pa.array(texts, pa.utf8())
    if not _concerns(field):
        return values
    kind = field.type  # the array's own may have lost the metadata inside
    if pt.is_struct(kind):
        return _struct(kind, values)
    buffers, length, start = values.buffers()[:2], len(values), values.offset
    if pt.is_list(kind):
        items = _converted(kind.value_field, values.values)
        return pa.Array.from_buffers(
            pa.list_(items.type), length, buffers, children=[items], offset=start
        )
    items = _converted(kind.item_field, values.items)
    entries = pa.StructArray.from_arrays([values.keys, items], names=["key", "value"])
    whole = pa.map_(pa.utf8(), items.type)
    required = pa.StructArray.from_arrays(
        entries.flatten(), fields=[whole.key_field, whole.item_field]
    )
    return pa.Array.from_buffers(whole, length, buffers, children=[required], offset=start)


def _struct(kind: pa.DataType, values: pa.Array) -> pa.Array:
    fields = _inside(kind)
    children = [_converted(field, values.field(place)) for place, field in enumerate(fields)]
    renewed = [pa.field(f.name, child.type) for f, child in zip(fields, children, strict=True)]
    return pa.StructArray.from_arrays(children, fields=renewed, mask=values.is_null())


def digits_text(raw: bytes, scale: int) -> str:
    """All digits, whatever Python's limit on those of an integer's text."""
    unscaled = int.from_bytes(raw, "big", signed=True)
    digits = _decimal_text(abs(unscaled)).rjust(scale + 1, "0")
    sign = "-" if unscaled < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits


def _decimal_text(number: int) -> str:
    """The digits of a number, in pieces that Python turns into text."""
    pieces = []
    while number >= _PIECE:
        number, low = divmod(number, _PIECE)
        pieces.append(str(low).rjust(_PIECE_DIGITS, "0"))
    return "".join([str(number), *reversed(pieces)])
