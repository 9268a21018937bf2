"""Dates and times as JSON: ISO 8601, with as many digits of a year as it needs."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowferry.kernel.lines_numbers import digits_of, divided, without_nulls
from rowferry.kernel.lines_pieces import Block, Piece, cells_of, either, rows_of

_SECONDS_AN_HOUR, _SECONDS_A_DAY = 3_600, 86_400
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, from 1970
_LAST_PLAIN_YEAR = 9999
_MOST_DAYS_IN_A_TABLE = 1 << 17

Longs = npt.NDArray[np.int64]


def dates_of(values: pa.Array) -> list[Piece]:
    """Dates: "2026-11-24"."""
    days = _integers(values, pa.int32())
    return _quoted(days, np.iinfo(np.int32), days, [])


def timestamps_of(values: pa.Array) -> list[Piece]:
    """Timestamps: "2026-11-24T15:04:05.000000", with Z where the type has a zone."""
    ticks = _integers(values, pa.int64())
    per_second = _PER_SECOND[values.type.unit]
    seconds, fraction = divided(ticks, per_second)
    days, second = divided(seconds, _SECONDS_A_DAY)
    clock = _clock(second, fraction, values.type.unit)
    zone = b"Z" if values.type.tz else b""
    return _quoted(ticks, np.iinfo(np.int64), days, [b"T", *clock, zone])


def times_of(values: pa.Array) -> list[Piece]:
    """Times of day: "15:04:05.000000", 24:00:00 included.

    What others' topics may hold beyond a day has more hours, or a sign: "-00:00:01.000000".
    """
    ticks = _integers(values, pa.int64() if values.type.bit_width == 64 else pa.int32())  # noqa: PLR2004
    parts = divided(np.abs(ticks).view(np.uint64), _PER_SECOND[values.type.unit])
    seconds, fraction = (part.astype(np.int64) for part in parts)
    if not ((ticks < 0) | (seconds > _SECONDS_A_DAY)).any():
        return [b'"', *_clock(seconds, fraction, values.type.unit), b'"']
    hours, second = divided(seconds, _SECONDS_AN_HOUR)
    clock, *rest = _clock(second, fraction, values.type.unit)
    sign = either(pa.array(ticks < 0), b"-", b"", len(ticks))
    return [b'"', sign, _padded(hours, 2), clock[:, 2:], *rest, b'"']


def _integers(values: pa.Array, kind: pa.DataType) -> Longs:
    integers: npt.NDArray[Any] = without_nulls(values.view(kind), 0).to_numpy()
    return integers.astype(np.int64, copy=False)


def _clock(second: Longs, fraction: Longs, unit: str) -> tuple[Block, bytes, Block]:
    width = 9 if unit == "ns" else 6
    scaled = fraction * (10**width // _PER_SECOND[unit])
    return _looked_up(_seconds_table(), second), b".", digits_of(scaled, width)


@cache
def _seconds_table() -> Block:
    """From "00:00:00" to "24:00:00", a row a second."""
    second = np.arange(_SECONDS_A_DAY + 1)
    colon = np.full((len(second), 1), ord(":"), np.uint8)
    hours, minutes, seconds = (
        digits_of(part, 2) for part in (second // 3600, second // 60 % 60, second % 60)
    )
    return np.hstack([hours, colon, minutes, colon, seconds])


def _quoted(raw: Longs, bounds: "np.iinfo[Any]", days: Longs, rest: list[Piece]) -> list[Piece]:
    """Date and rest in quotes; the raw values at the bounds are the infinities."""
    least, greatest = int(days.min()), int(days.max())
    if least >= _FIRST_DAY and greatest <= _LAST_DAY:
        return [b'"', _plain_days(days, least, greatest), *rest, b'"']
    year, month_and_day = _calendar(days)
    text = rows_of([_years(year), month_and_day, *rest], len(days))
    infinite = either(pa.array(raw == bounds.max), b"infinity", b"-infinity", len(days))
    finite = pa.array((raw != bounds.max) & (raw != bounds.min))
    return [b'"', either(finite, text, infinite, len(days)), b'"']


def _plain_days(days: Longs, least: int, greatest: int) -> Block:
    """Days as "2026-11-24"; those that lie close together are looked up."""
    if greatest - least >= min(_MOST_DAYS_IN_A_TABLE, 4 * len(days)):
        year, month_and_day = _calendar(days)
        return np.hstack([digits_of(year, 4), month_and_day])
    year, month_and_day = _calendar(np.arange(least, greatest + 1))
    return _looked_up(np.hstack([digits_of(year, 4), month_and_day]), days - least)


def _looked_up(table: Block, rows: Longs) -> Block:
    return cells_of(table).take(rows).view(np.uint8).reshape(len(rows), table.shape[1])


def _calendar(days: Longs) -> tuple[Longs, Block]:
    """Year, counted by astronomers (0 is 1 BC), and "-11-24", by the Gregorian calendar."""
    day = days.astype("M8[D]")
    month = day.astype("M8[M]")
    months = month.astype(np.int64)
    dash = np.full((len(days), 1), ord("-"), np.uint8)
    day_of_month = (day - month.astype("M8[D]")).astype(np.int64) + 1
    parts = [dash, digits_of(months % 12 + 1, 2), dash, digits_of(day_of_month, 2)]
    return months // 12 + 1970, np.hstack(parts)


def _years(year: Longs) -> pa.Array:
    """Years as "0044", "-0044", "+10000"."""
    late = either(pa.array(year > _LAST_PLAIN_YEAR), b"+", b"", len(year))
    sign = either(pa.array(year < 0), b"-", late, len(year))
    return rows_of([sign, _padded(np.abs(year), 4)], len(year))


def _padded(values: Longs, width: int) -> pa.Array:
    """Numbers of at least `width` digits, zeros in front."""
    return pc.utf8_lpad(pa.array(values).cast(pa.utf8()), width, "0").cast(pa.binary())
