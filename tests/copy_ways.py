"""A binary COPY read in both ways: what a few rows' reader gives is what the columns' one gives."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as pt

from rowferry.kernel.copy import CopyReader, without_frame
from rowferry.kernel.copy_few import FewReader
from rowferry.types import Wire


def read(wires: Sequence[Wire], chunks: Sequence[bytes]) -> pa.RecordBatch:
    """As CopyReader, whose errors these are; the short way may only agree, or leave it to it."""
    try:
        rows = without_frame(chunks)
    except ValueError:
        return CopyReader(wires).read(chunks)
    few = FewReader(wires).read(rows)
    try:
        columns = by_columns(wires, chunks)
    except ValueError:
        assert few is None
        raise
    if few is not None:
        few.validate()
        assert alike(few, columns)
    return columns


def by_columns(wires: Sequence[Wire], chunks: Sequence[bytes]) -> pa.RecordBatch:
    """The columns' way, which is taken wherever columns are chosen."""
    return CopyReader(wires).read(chunks, only=[wire.name for wire in wires])


def alike(some: pa.RecordBatch, others: pa.RecordBatch) -> bool:
    """Equal to the bit, NaNs and zeros too."""
    return some.schema.equals(others.schema, check_metadata=True) and all(
        _bits(one).equals(other)
        for one, other in zip(some.columns, map(_bits, others.columns), strict=True)
    )


def _bits(array: pa.Array) -> pa.Array:
    if pt.is_floating(array.type):
        return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return array
