"""Lines by both ways that the kernel has: of the rows as they are, and of very many of them."""

from typing import Any

import pyarrow as pa

from rowferry.kernel.lines import FEWEST_ROWS_IN_COLUMNS, encode_lines


def lines_of(batch: pa.RecordBatch, **options: Any) -> str:
    """The lines of the batch, which must be the same however many rows there are."""
    few = encode_lines(batch, **options)
    many = encode_lines(pa.concat_batches([batch] * FEWEST_ROWS_IN_COLUMNS), **options)
    whole = bytes(few.whole)
    assert bytes(many.whole) == whole * FEWEST_ROWS_IN_COLUMNS
    lines = whole.split(b"\n")
    assert few.bounds.tolist() == [sum(len(x) + 1 for x in lines[:n]) for n in range(len(lines))]
    middle = many.between(batch.num_rows, 3 * batch.num_rows)
    assert bytes(middle) == 2 * whole  # cut anywhere
    return whole.decode()
