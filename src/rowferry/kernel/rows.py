"""Columns → Python rows, exactly: where Python's own type cannot hold a value, the line's text.

Dates, times and timestamps are datetime's where it has the value; infinity, years outside 1 to
9999, 24:00:00 and nanoseconds are the text that a line has for them.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.types as pt

from rowferry.kernel.lines_pieces import rows_of
from rowferry.kernel.lines_values import pieces_of
from rowferry.kernel.long_decimals import digits_text

Row = dict[str, Any]

_NANOSECONDS_A: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_MICROSECOND: Final = 1_000  # in nanoseconds
_SECOND: Final = 1_000_000  # in microseconds
_DAY: Final = 86_400 * _SECOND
_FIRST_DAY: Final = 1 - date(1970, 1, 1).toordinal()
_LAST_DAY: Final = date.max.toordinal() - date(1970, 1, 1).toordinal()
_ZONED: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL: Final = _ZONED.replace(tzinfo=None)
_ODD: Final = object()  # in place of a value that Python's type cannot hold


def python_rows(batch: pa.RecordBatch) -> list[Row]:
    """A dict a row, its keys in the batch's order."""
    names = batch.schema.names
    if not names:
        return [{} for _ in range(batch.num_rows)]
    cells = [_cells(f, values) for f, values in zip(batch.schema, batch.columns, strict=True)]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def _cells(field: pa.Field, values: pa.Array) -> list[Any]:
    """The values, None for null; the field's metadata says what the type cannot."""
    kind, told = field.type, field.metadata or {}
    logical = told.get(b"logicalType")
    if logical == b"avro-json":
        return _each(values, json.loads)
    if logical == b"decimal":
        scale = int(told[b"scale"])
        return _each(values, lambda raw: _decimal(digits_text(raw, scale)))
    if pt.is_list(kind) or pt.is_map(kind):
        return _lists(kind, values)
    if pt.is_struct(kind):
        return _structs(kind, values)
    if pt.is_temporal(kind):
        return _moments(values)
    cells: list[Any] = values.to_pylist()
    return cells


def _each(values: pa.Array, convert: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in values.to_pylist()]


def _decimal(text: str) -> Decimal | str:
    """Python's decimals have exponents of up to 18 digits."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def _lists(kind: pa.DataType, values: pa.Array) -> list[Any]:
    bounds = values.offsets.to_pylist()
    valid = values.is_valid().to_pylist()
    first, last = bounds[0], bounds[-1]
    spans = [(a - first, b - first) for a, b in pairwise(bounds)]
    if pt.is_list(kind):
        items = _cells(kind.value_field, values.values[first:last])
        whole: list[Any] = [items[a:b] for a, b in spans]
    else:
        keys = values.keys[first:last].to_pylist()
        items = _cells(kind.item_field, values.items[first:last])
        whole = [dict(zip(keys[a:b], items[a:b], strict=True)) for a, b in spans]
    return [each if there else None for each, there in zip(whole, valid, strict=True)]


def _structs(kind: pa.DataType, values: pa.Array) -> list[Any]:
    fields = [kind.field(place) for place in range(kind.num_fields)]
    cells = [_cells(field, values.field(place)) for place, field in enumerate(fields)]
    names = [field.name for field in fields]
    rows = zip(*cells, strict=True) if cells else [()] * len(values)
    valid = values.is_valid().to_pylist()
    return [
        dict(zip(names, row, strict=True)) if there else None
        for row, there in zip(rows, valid, strict=True)
    ]


def _moments(values: pa.Array) -> list[Any]:
    """Dates, times and timestamps, from the integers that they are."""
    kind = values.type
    convert = _converter(kind)
    raw = values.view(pa.int32() if kind.bit_width == 32 else pa.int64())  # noqa: PLR2004
    cells = _each(raw, convert)
    odd = [place for place, cell in enumerate(cells) if cell is _ODD]
    if odd:
        some = values.take(pa.array(odd))
        texts = rows_of(pieces_of(some, "number"), len(some)).to_pylist()
        for place, text in zip(odd, texts, strict=True):
            cells[place] = json.loads(text)
    return cells


def _converter(kind: pa.DataType) -> Callable[[int], Any]:
    if pt.is_date32(kind):
        return _date
    make = _time if pt.is_time(kind) else partial(_timestamp, _ZONED if kind.tz else _LOCAL)
    return partial(_from_micros, make, _NANOSECONDS_A[kind.unit])


def _date(days: int) -> Any:
    if not _FIRST_DAY <= days <= _LAST_DAY:
        return _ODD
    return date.fromordinal(days - _FIRST_DAY + 1)


def _from_micros(make: Callable[[int], Any], nanoseconds: int, ticks: int) -> Any:
    micros, rest = divmod(ticks * nanoseconds, _MICROSECOND)
    return _ODD if rest else make(micros)


def _timestamp(epoch: datetime, micros: int) -> Any:
    if not _FIRST_DAY * _DAY <= micros < (_LAST_DAY + 1) * _DAY:
        return _ODD
    return epoch + timedelta(microseconds=micros)


def _time(micros: int) -> Any:
    if not 0 <= micros < _DAY:
        return _ODD
    seconds, fraction = divmod(micros, _SECOND)
    minutes, second = divmod(seconds, 60)
    return time(minutes // 60, minutes % 60, second, fraction)
