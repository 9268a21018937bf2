"""Random rows through binary COPY: columns equal the values, broken bytes raise ValueError."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copy_bytes import copy_of
from copy_ways import read
from rowferry.types import Kind, Wire
from wire_values import values_of
from wires import NESTED, PRODUCTS, SCALARS, wires_of

WIRES = {wire.name: wire for wire in wires_of(*SCALARS, *NESTED)}
A_FEW = settings(max_examples=settings().max_examples // 6)  # of each wire


def plain(array: pa.Array) -> list[Any]:
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    values: list[Any] = array.to_pylist()
    return values


def same(wire: Wire, found: list[Any], written: list[Any]) -> bool:
    """Equal, NaN to itself, and -0.0 not to 0.0."""
    if wire.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return [repr(value) for value in found] == [repr(value) for value in written]
    return found == written


@pytest.mark.parametrize("name", WIRES)
@A_FEW
@given(data=st.data())
def test_columns_equal_what_was_sent(name: str, data: st.DataObject) -> None:
    wire = WIRES[name]
    values = data.draw(st.lists(values_of(wire), max_size=8))
    batch = read([wire], copy_of([wire], [[value] for value in values]))
    assert same(wire, plain(batch.column(0)), values)


@given(data=st.data())
def test_rows_of_many_columns_keep_together(data: st.DataObject) -> None:
    wires = [
        *wires_of(*PRODUCTS),
        *data.draw(st.lists(st.sampled_from(list(WIRES.values())), max_size=4)),
    ]
    rows = data.draw(st.lists(st.tuples(*map(values_of, wires)), max_size=5))
    batch = read(wires, copy_of(wires, rows))
    for place, wire in enumerate(wires):
        assert same(wire, plain(batch.column(place)), [row[place] for row in rows])


@given(data=st.data())
def test_broken_bytes_raise_value_error_and_nothing_else(data: st.DataObject) -> None:
    # GIVEN a COPY of random columns, some of whose bytes are overwritten, cut out or doubled
    wires = data.draw(st.lists(st.sampled_from(list(WIRES.values())), min_size=1, max_size=3))
    rows = data.draw(st.lists(st.tuples(*map(values_of, wires)), min_size=1, max_size=4))
    chunks = copy_of(wires, rows)
    for _ in range(data.draw(st.integers(1, 3))):
        broken = bytearray(chunks[which := data.draw(st.integers(0, len(chunks) - 1))])
        at = data.draw(st.integers(0, len(broken)))
        patch = data.draw(
            st.sampled_from([b"", b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\x80", b"\x01"])
        )
        broken[at : at + data.draw(st.integers(0, 4))] = patch
        chunks[which] = bytes(broken)
    # WHEN it is read THEN it is columns, or a ValueError
    try:
        batch = read(wires, chunks)
    except ValueError:
        return
    batch.validate()
    assert batch.schema.types == [wire.arrow_type for wire in wires]
