"""Lines of a few rows, value by value: the same bytes where columns would cost more than they save.

Kinds whose form takes thought (floats, wide decimals, far dates, nested values) are left to the
columns' writers, so that each form is written down once.
"""

import base64
import json.encoder
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from rowferry.kernel.lines_pieces import rows_of
from rowferry.kernel.lines_times import dates_of
from rowferry.kernel.lines_values import Decimals, pieces_of

_DAY, _SECOND = 86_400_000_000, 1_000_000  # in microseconds
_INFINITIES = {2**63 - 1: '"infinity"', -(2**63): '"-infinity"'}
_NARROW = 18  # digits

Write = Callable[[Any], str]
quote: Write = json.encoder.encode_basestring


def single_lines(names: Sequence[str], columns: Sequence[pa.Array], style: Decimals) -> list[bytes]:
    """The lines of the rows, a newline at the end of each."""
    keys = (quote(name).replace("%", "%%") + ":%s" for name in names)
    line = "{" + ",".join(keys) + "}\n"
    cells = [_texts(column, style) for column in columns]
    return [(line % row).encode() for row in zip(*cells, strict=True)]


def _texts(values: pa.Array, style: Decimals) -> list[str]:
    write = _writer(values.type, style)
    if write is None:
        whole = rows_of(pieces_of(values, style), len(values))
        return [text.decode() for text in whole.to_pylist()]
    if pt.is_temporal(values.type):
        values = values.view(pa.int32() if pt.is_date32(values.type) else pa.int64())
    return ["null" if value is None else write(value) for value in values.to_pylist()]


def _writer(kind: pa.DataType, style: Decimals) -> Write | None:
    """What writes a value of the type; None where that is the columns' business."""
    for fits, write in _WRITERS:
        if fits(kind):
            return write
    if pt.is_decimal(kind) and kind.precision <= _NARROW:
        return "{:f}".format if style == "number" else '"{:f}"'.format
    if pt.is_timestamp(kind) and kind.unit == "us":
        return _zoned_timestamp if kind.tz else _local_timestamp
    return None


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _base64(value: bytes) -> str:
    return f'"{base64.b64encode(value).decode()}"'


@lru_cache(10_000)
def _date(days: int) -> str:
    text = rows_of(dates_of(pa.array([days], pa.date32())), 1)[0].as_py()
    return str(text, "ascii")


def _zoned_timestamp(value: int) -> str:
    return _INFINITIES.get(value) or f'{_moment(value)}Z"'


def _local_timestamp(value: int) -> str:
    return _INFINITIES.get(value) or f'{_moment(value)}"'


def _moment(value: int) -> str:
    days, micros = divmod(value, _DAY)
    seconds, fraction = divmod(micros, _SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(days)[:-1]}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:06d}"


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Write], ...] = (
    (pt.is_string, quote),
    (pt.is_integer, str),
    (pt.is_boolean, _boolean),
    (pt.is_date32, _date),
    (pt.is_binary, _base64),
)
