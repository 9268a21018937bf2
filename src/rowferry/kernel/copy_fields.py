"""Which reader reads which kind of value; for COPY rows and for pgoutput's binary tuples."""

from collections.abc import Callable

import pyarrow as pa

from rowferry.kernel.copy_cells import Cells
from rowferry.kernel.copy_nested import read_array, read_composite, read_hstore
from rowferry.kernel.copy_numeric import read_decimal
from rowferry.kernel.copy_numeric_text import read_numeric_text
from rowferry.kernel.copy_scalars import (
    read_bool,
    read_date,
    read_jsonb,
    read_number,
    read_text,
    read_timestamp,
    read_uuid,
)
from rowferry.types import Kind, Wire


def _read_numeric(wire: Wire, cells: Cells) -> pa.Array:
    is_decimal = pa.types.is_decimal(wire.arrow_type)
    return read_decimal(wire, cells) if is_decimal else read_numeric_text(cells)


_READERS: dict[Kind, Callable[[Wire, Cells], pa.Array]] = {
    Kind.BOOL: read_bool,
    Kind.INT16: read_number,
    Kind.INT32: read_number,
    Kind.OID: read_number,
    Kind.INT64: read_number,
    Kind.FLOAT32: read_number,
    Kind.FLOAT64: read_number,
    Kind.NUMERIC: _read_numeric,
    Kind.HSTORE: read_hstore,
    Kind.TEXT: read_text,
    Kind.JSON: read_text,
    Kind.JSONB: read_jsonb,
    Kind.BYTES: read_text,
    Kind.UUID: read_uuid,
    Kind.DATE: read_date,
    Kind.TIME: read_number,
    Kind.TIMESTAMP: read_timestamp,
}


def read_cells(wire: Wire, cells: Cells) -> pa.Array:
    """The Arrow array of a column's binary values.

    Raises ValueError for malformed bytes, Uncarriable for values that the mapping cannot hold.
    """
    if wire.element is not None:
        return read_array(wire, wire.element, cells, read_cells)
    if wire.kind is Kind.COMPOSITE:
        return read_composite(wire, cells, read_cells)
    return _READERS[wire.kind](wire, cells)
