"""Columns → JSON lines: fixed key order, no spaces, the same bytes each time."""

import json
from collections.abc import Collection
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowferry.kernel.lines_pieces import Piece, rows_of
from rowferry.kernel.lines_values import Decimals, pieces_of


def encode_lines(
    batch: pa.RecordBatch,
    *,
    only: Collection[str] | None = None,
    decimals: Decimals = "number",
) -> tuple[pa.Buffer, npt.NDArray[np.int32]]:
    """The rows as JSON objects with a newline each, and where each begins (one bound more).

    The columns come in the batch's order, those of `only` where it is given: a batch of deletes
    names its key columns and the metadata. decimals: "string" quotes those that are numbers
    otherwise; more than 38 digits are always quoted. At most 2 GiB of lines.
    """
    count = batch.num_rows
    line: list[Piece] = []
    names = [name for name in batch.schema.names if only is None or name in only]
    for place, name in enumerate(names):
        line.append((b"," if place else b"{") + _key(name))
        line.extend(pieces_of(batch.column(name), decimals))
    line.append(b"}\n" if names else b"{}\n")
    rows = rows_of(line, count)
    _, offsets, octets = rows.buffers()
    bounds = np.frombuffer(offsets, np.int32, count + 1)
    return octets.slice(0, int(bounds[-1])), bounds


@lru_cache(4096)
def _key(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode() + b":"
