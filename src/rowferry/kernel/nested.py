"""Arrow lists, maps and structs with other values inside: their nulls and lengths stay."""

from collections.abc import Sequence

import pyarrow as pa


def with_items(values: pa.ListArray, items: pa.Array, field: pa.Field | None = None) -> pa.Array:
    """A list array with other items; field: theirs, where it is to be more than a type."""
    return _rebuilt(pa.list_(field or items.type), values, items)


def with_map_items(values: pa.MapArray, items: pa.Array, field: pa.Field | None = None) -> pa.Array:
    """A map array with other items under its keys."""
    kind = pa.map_(pa.utf8(), field or items.type)
    fields = [kind.key_field, kind.item_field]
    return _rebuilt(kind, values, pa.StructArray.from_arrays([values.keys, items], fields=fields))


def with_fields(
    values: pa.StructArray, children: Sequence[pa.Array], fields: Sequence[pa.Field]
) -> pa.Array:
    """A struct array with other columns."""
    mask = values.is_null() if values.null_count else None
    return pa.StructArray.from_arrays(list(children), fields=list(fields), mask=mask)


def _rebuilt(kind: pa.DataType, values: pa.Array, child: pa.Array) -> pa.Array:
    buffers = values.buffers()[:2]
    return pa.Array.from_buffers(kind, len(values), buffers, offset=values.offset, children=[child])
