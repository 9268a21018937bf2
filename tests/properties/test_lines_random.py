"""Random columns as JSON lines: what json reads equals the values, exactly."""

import base64
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copy_bytes import copy_of, inside
from line_bytes import lines_of
from rowferry.kernel.copy import CopyReader
from rowferry.types import Kind, Wire
from wire_values import decimal_of, values_of
from wires import NESTED, SCALARS, wires_of

WIRES = {wire.name: wire for wire in wires_of(*SCALARS, *NESTED)}
A_FEW = settings(max_examples=settings().max_examples // 6)  # of each wire
MOST_DIGITS_OF_A_NUMBER = 38
DAY = 86_400_000_000


def expected(wire: Wire, value: Any) -> Any:
    """The value of a line, written the plain way."""
    if value is None:
        return None
    if wire.element is not None:
        return [expected(wire if isinstance(v, list) else wire.element, v) for v in value]
    if wire.kind is Kind.COMPOSITE:
        return {name: expected(field, value[name]) for name, field in inside(wire)}
    if wire.kind is Kind.HSTORE:
        return dict(value)
    return scalar(wire, value)


def scalar(wire: Wire, value: Any) -> Any:
    write = SCALAR_FORMS.get(wire.kind)
    return value if write is None else write(wire, value)


def decimal(wire: Wire, value: Any) -> Any:
    if wire.arrow_type == pa.utf8():
        return value
    text = f"{value:f}"
    return text if wire.arrow_type.precision > MOST_DIGITS_OF_A_NUMBER else Decimal(text)


def special(_wire: Wire, value: float) -> Any:
    return value if math.isfinite(value) else SPECIAL[str(value)]


def date(_wire: Wire, value: int) -> str:
    return day(value) if abs(value) < 2**31 - 1 else infinity(value)


def timestamp(wire: Wire, value: int) -> str:
    zone = "Z" if wire.arrow_type.tz else ""
    if abs(value) >= 2**63 - 1:
        return infinity(value)
    return f"{day(value // DAY)}T{clock(value % DAY)}{zone}"


SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
SCALAR_FORMS: dict[Kind, Callable[[Wire, Any], Any]] = {
    Kind.NUMERIC: decimal,
    Kind.BYTES: lambda _wire, value: base64.b64encode(value).decode(),
    Kind.FLOAT32: special,
    Kind.FLOAT64: special,
    Kind.DATE: date,
    Kind.TIME: lambda _wire, value: clock(value),
    Kind.TIMESTAMP: timestamp,
}


def infinity(value: int) -> str:
    return "infinity" if value > 0 else "-infinity"


def day(days: int) -> str:
    """By Howard Hinnant's civil_from_days, not by the kernel's tables."""
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    month = month_from_march + (3 if month_from_march < 10 else -9)
    year = year_of_era + era * 400 + (month <= 2)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return (
        f"{sign}{abs(year):04d}-{month:02d}-{of_year - (153 * month_from_march + 2) // 5 + 1:02d}"
    )


def clock(micros: int) -> str:
    seconds, fraction = divmod(micros, 1_000_000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:06d}"


def number(text: str) -> Decimal:
    return Decimal(text)


def read(line: str) -> Any:
    return json.loads(line, parse_int=number, parse_float=number, parse_constant=refuse)


def refuse(constant: str) -> None:
    raise AssertionError(f"JSON has no {constant}")


def same(wire: Wire, got: Any, want: Any) -> bool:
    """Equal; a float if the digits give it again, as a float4 where it is one."""
    if wire.kind in (Kind.FLOAT32, Kind.FLOAT64) and isinstance(got, Decimal):
        width = np.float32 if wire.kind is Kind.FLOAT32 else np.float64
        return bool(width(str(got)) == width(want)) and str(got).startswith("-") == (
            np.signbit(want).item()
        )
    if isinstance(want, Decimal):
        return isinstance(got, Decimal) and got.as_tuple() == want.as_tuple()
    return bool(got == want)


@pytest.mark.parametrize("name", WIRES)
@A_FEW
@given(data=st.data())
def test_lines_hold_the_values_exactly(name: str, data: st.DataObject) -> None:
    wire = WIRES[name]
    values = data.draw(st.lists(values_of(wire), min_size=1, max_size=8))
    batch = CopyReader([wire]).read(copy_of([wire], [[value] for value in values]))
    lines = lines_of(batch).split("\n")
    assert lines.pop() == ""
    for line, value in zip(lines, values, strict=True):
        got, want = read(line), expected(wire, value)
        assert list(got) == [name]
        assert same(wire, got[name], want), line


@given(precision=st.integers(1, 76), data=st.data(), style=st.sampled_from(["number", "string"]))
def test_decimals_keep_every_digit(precision: int, data: st.DataObject, style: Any) -> None:
    scale = data.draw(st.integers(0, precision))
    most = 10**precision - 1
    unscaled = data.draw(st.lists(st.none() | st.integers(-most, most), min_size=1, max_size=6))
    kind = pa.decimal128 if precision <= MOST_DIGITS_OF_A_NUMBER else pa.decimal256
    values = [None if each is None else decimal_of(each, scale) for each in unscaled]
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind(precision, scale))], ["d"])
    quotes = '"' if style == "string" or precision > MOST_DIGITS_OF_A_NUMBER else ""
    texts = ["null" if v is None else f"{quotes}{plain(v)}{quotes}" for v in values]
    lines = "".join(f'{{"d":{text}}}\n' for text in texts)
    assert lines_of(batch, decimals=style) == lines


def plain(value: Decimal) -> str:
    return f"{value:f}".replace("-0", "0") if not value else f"{value:f}"


@given(
    texts=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
    start=st.integers(0, 3),
)
def test_text_is_escaped_as_json_wants_and_no_more(texts: list[str | None], start: int) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.utf8())], ["t"]).slice(start)
    lines = [json.dumps({"t": t}, ensure_ascii=False, separators=(",", ":")) for t in texts[start:]]
    assert lines_of(batch) == "".join(f"{line}\n" for line in lines)


@given(st.lists(st.binary(max_size=9), min_size=1), st.integers(0, 3))
def test_bytes_are_base64(values: list[bytes], start: int) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.binary())], ["b"]).slice(start)
    lines = [f'{{"b":"{base64.b64encode(value).decode()}"}}\n' for value in values[start:]]
    assert lines_of(batch) == "".join(lines)
