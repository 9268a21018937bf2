"""Values whose form only a foreign schema's `connect.name` tells → the form that ours have.

VariableScaleDecimal, a record of scale and digits, becomes their text, as a numeric without
precision; NanoTime a time; ZonedTimestamp, a text, gets six digits where it has no more.
"""

from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from rowferry.kernel.avro import Tally
from rowferry.kernel.long_decimals import digits_text
from rowferry.kernel.nested import with_fields, with_items, with_map_items
from rowferry.types.connect import NANO_TIME, ZONED_TIMESTAMP, Names, is_variable_scale

Convert = Callable[[pa.Array, Tally], pa.Array]

_ZONED: Final = r"^(?P<moment>.+T\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,6})0*)?Z$"
_FRACTION_DIGITS: Final = 6


def converted(batch: pa.RecordBatch, record: Any, names: Names, tally: Tally) -> pa.RecordBatch:
    """A batch of a spelled out record, its values in our form.

    tally: is charged for the texts of decimals. Raises OverBudget.
    """
    columns, fields = [], []
    for field, values, avro in zip(batch.schema, batch.columns, record["fields"], strict=True):
        convert = conversion(avro["type"], names)
        column = convert(values, tally) if convert else values
        columns.append(column)
        fields.append(field.with_type(column.type) if convert else field)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def conversion(avro: Any, names: Names) -> Convert | None:
    """What changes a column of the type; None where it has its form already."""
    match avro:
        case str() if avro in names:
            return conversion(names[avro], names)
        case ["null", only] | [only, "null"]:
            return conversion(only, names)
        case {"type": str(kind), "connect.name": str(name)} if (kind, name) in _LEAVES:
            return _LEAVES[kind, name]
        case {"type": list() | dict() as inside}:
            return conversion(inside, names)
        case {"type": str()}:
            return _nested(avro, names)
    return None


def _nested(avro: Any, names: Names) -> Convert | None:
    match avro:
        case _ if is_variable_scale(avro):
            return _variable_scale
        case {"type": "array", "items": items} if inner := conversion(items, names):
            return _in_lists(inner)
        case {"type": "map", "values": values} if inner := conversion(values, names):
            return _in_maps(inner)
        case {"type": "record", "fields": fields}:
            inners = [conversion(field["type"], names) for field in fields]
            return _in_structs(inners) if any(inners) else None
    return None


def _in_lists(inner: Convert) -> Convert:
    def convert(values: pa.Array, tally: Tally) -> pa.Array:
        items = inner(values.values, tally)
        return with_items(values, items, values.type.value_field.with_type(items.type))

    return convert


def _in_maps(inner: Convert) -> Convert:
    def convert(values: pa.Array, tally: Tally) -> pa.Array:
        items = inner(values.items, tally)
        return with_map_items(values, items, values.type.item_field.with_type(items.type))

    return convert


def _in_structs(inners: list[Convert | None]) -> Convert:
    def convert(values: pa.Array, tally: Tally) -> pa.Array:
        children, fields = [], []
        for place, inner in enumerate(inners):
            child = values.field(place)
            child = inner(child, tally) if inner else child
            children.append(child)
            fields.append(values.type.field(place).with_type(child.type))
        return with_fields(values, children, fields)

    return convert


def _variable_scale(values: pa.Array, tally: Tally) -> pa.Array:
    """Any scale, below zero, too: 12 with scale -2 is 1200."""
    scales, digits = values.field(0).to_pylist(), values.field(1).to_pylist()
    texts: list[str | None] = []
    for scale, raw, there in zip(scales, digits, values.is_valid().to_pylist(), strict=True):
        text = None if raw is None or not there else digits_text(raw, scale)
        tally.charge(len(text or ""))  # ten bytes of a message are up to 200,000 of text
        texts.append(text)
    return pa.array(texts, pa.utf8())


def _nano_time(values: pa.Array, _tally: Tally) -> pa.Array:
    return values.view(pa.time64("ns"))


def _zoned_timestamp(values: pa.Array, _tally: Tally) -> pa.Array:
    """In UTC, with up to six digits: as ours. All others stay as they were written."""
    parts = pc.extract_regex(values, pattern=_ZONED)
    fraction = pc.utf8_rpad(pc.struct_field(parts, "fraction"), _FRACTION_DIGITS, padding="0")
    moment = pc.struct_field(parts, "moment")
    ours = pc.binary_join_element_wise(moment, ".", fraction, "Z", "")
    return pc.coalesce(ours, values)


_LEAVES: Final[dict[tuple[str, str], Convert]] = {
    ("long", NANO_TIME): _nano_time,
    ("string", ZONED_TIMESTAMP): _zoned_timestamp,
}
