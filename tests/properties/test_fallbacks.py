"""No value of a table's usual columns goes through Python one by one; what does is counted."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copy_bytes import copy_of
from rowferry.config import Settings
from rowferry.flow.encode.schema import value_schema
from rowferry.kernel.avro import AvroCodec
from rowferry.kernel.copy import CopyReader
from rowferry.model import Column, Table
from rowferry.types import wire_of
from wire_values import values_of
from wires import NESTED, PRODUCTS, SCALARS

COPIES = 50  # of a few drawn rows: enough for the way of many rows


@pytest.mark.parametrize("columns", [PRODUCTS, SCALARS, NESTED], ids=["shop", "scalars", "nested"])
@settings(max_examples=5)
@given(st.data())
def test_no_value_of_a_table_goes_through_python_on_its_way_to_a_message_and_back(
    columns: Sequence[Column], data: st.DataObject
) -> None:
    # GIVEN rows of a table, as COPY gives them
    wires = [wire_of(column) for column in columns]
    row = st.tuples(*(values_of(wire) for wire in wires)).filter(
        lambda values: all(
            column.nullable or value is not None
            for column, value in zip(columns, values, strict=True)
        )
    )
    some = data.draw(st.lists(row, min_size=2, max_size=3))
    batch = CopyReader(wires).read(copy_of(wires, some * COPIES))
    # WHEN they are encoded and decoded
    table = Table(1, "public", "t", tuple(columns), ())
    codec = AvroCodec(value_schema(table, Settings()))
    named = batch.rename_columns(codec.arrow_schema.names)
    decoded = codec.decode(codec.encode(named, 7))
    # THEN nothing was done value by value
    assert decoded.bad == {}
    assert decoded.batch.num_rows == len(some) * COPIES
    assert codec.fallbacks == {}
