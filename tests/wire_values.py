"""Random values of every kind of wire, in the forms that copy_bytes packs."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from copy_bytes import inside
from rowferry.types import Kind, Wire

LONG_MAX = 2**63 - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NUMERALS = st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "0.000"]) | st.builds(
    lambda sign, whole, fraction: f"{sign}{whole}{'.' if fraction else ''}{fraction}",
    st.sampled_from(["", "-"]),
    st.integers(1, 10**40) | st.integers(0, 40).map(lambda zeros: 10**zeros),
    st.text("0123456789", max_size=30),
)  # of numerics without precision, as PostgreSQL prints them
PLAIN: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.BOOL: st.booleans(),
    Kind.INT16: st.integers(-(2**15), 2**15 - 1),
    Kind.INT32: st.integers(-(2**31), 2**31 - 1),
    Kind.OID: st.integers(0, 2**32 - 1),
    Kind.INT64: st.integers(-LONG_MAX - 1, LONG_MAX),
    Kind.FLOAT32: st.floats(width=32),
    Kind.FLOAT64: st.floats(),
    Kind.TEXT: TEXT,
    Kind.JSON: TEXT,
    Kind.JSONB: TEXT,
    Kind.BYTES: st.binary(max_size=12),
    Kind.UUID: st.uuids().map(str),
    Kind.DATE: st.integers(-2_440_588, 2_145_042_905) | st.sampled_from([2**31 - 1, -(2**31)]),
    Kind.TIME: st.integers(0, 86_400_000_000),
    Kind.TIMESTAMP: st.integers(-210_866_803_200_000_000, LONG_MAX - 1)
    | st.integers(-(10**15), 2 * 10**15)
    | st.sampled_from([LONG_MAX, -LONG_MAX - 1]),
}


def values_of(wire: Wire) -> st.SearchStrategy[Any]:
    """Values of the wire, None among them."""
    return st.none() | present(wire)


def present(wire: Wire) -> st.SearchStrategy[Any]:
    if wire.element is not None:
        return st.tuples(*[st.integers(1, 3)] * wire.depth).flatmap(
            lambda sizes: arrays_of(wire.element, sizes)
        ) | st.just([])
    if wire.kind is Kind.COMPOSITE:
        return st.fixed_dictionaries({name: values_of(field) for name, field in inside(wire)})
    if wire.kind is Kind.HSTORE:
        return st.dictionaries(TEXT, st.none() | TEXT, max_size=3).map(lambda d: list(d.items()))
    if wire.kind is Kind.NUMERIC and wire.arrow_type == pa.utf8():
        return NUMERALS
    if wire.kind is Kind.NUMERIC:
        precision, scale = wire.arrow_type.precision, wire.arrow_type.scale
        most = 10**precision - 1
        return st.integers(-most, most).map(lambda unscaled: decimal_of(unscaled, scale))
    return PLAIN[wire.kind]


def arrays_of(element: Wire | None, sizes: tuple[int, ...]) -> st.SearchStrategy[list[Any]]:
    assert element is not None
    size, *inner = sizes
    items = arrays_of(element, tuple(inner)) if inner else values_of(element)
    return st.lists(items, min_size=size, max_size=size)


def decimal_of(unscaled: int, scale: int) -> Decimal:
    """Exact, however many digits."""
    digits = tuple(int(digit) for digit in str(abs(unscaled)))
    return Decimal((int(unscaled < 0), digits, -scale))
