"""What a COPY hands over as columns, and what a value that they cannot hold means."""

import pyarrow as pa

from rowferry.errors import Code, Unreadable
from rowferry.kernel.copy_blocks import CopyBlocks
from rowferry.kernel.copy_cells import Uncarriable


def carried(rows: CopyBlocks, table: str) -> pa.RecordBatch:
    """The columns of a COPY. Raises Unreadable where they cannot hold a value."""
    try:
        return rows.finish()
    except Uncarriable as error:
        count = len(error.rows)
        raise Unreadable(
            Code.UNCARRIABLE,
            f"{count} value{'s' if count != 1 else ''} of column {error.column!r} cannot be"
            f" carried: {error.reason}",
            where=table,
            advice="correct the rows, or leave them out with ROWFERRY_FILTER; see ROWFERRY_ARRAYS,"
            " ROWFERRY_NUMERIC_SPECIAL and, for a column of its own form, docs/types.md",
        ) from error
