"""Columns → JSON lines: fixed key order, no spaces, the same bytes each time."""

from collections.abc import Collection
from functools import lru_cache
from json import dumps

import pyarrow as pa

from rowferry.kernel.lines_json import JsonForm
from rowferry.kernel.lines_pieces import Piece, Unjoined, joined_already, unjoined
from rowferry.kernel.lines_single import single_lines
from rowferry.kernel.lines_told import as_told
from rowferry.kernel.lines_values import Decimals, pieces_of

FEWEST_ROWS_IN_COLUMNS = 64  # below, the columns' calls cost more than plain Python


def encode_lines(
    batch: pa.RecordBatch,
    *,
    only: Collection[str] | None = None,
    decimals: Decimals = "number",
    json: JsonForm = "string",
) -> Unjoined:
    """The rows as JSON objects with a newline each.

    The columns come in the batch's order, those of `only` where it is given: a batch of deletes
    names its key columns and the metadata. decimals: "string" quotes those that are numbers
    otherwise; more than 38 digits are always quoted. json: whether texts that their fields tell to
    be JSON are strings or what they say. At most 2 GiB of lines.
    """
    batch = as_told(batch, json)
    names = [name for name in batch.schema.names if only is None or name in only]
    columns = [batch.column(name) for name in names]
    if names and 0 < batch.num_rows < FEWEST_ROWS_IN_COLUMNS:
        lines = single_lines(names, columns, decimals)
        return joined_already(pa.array(lines, pa.binary()))
    line: list[Piece] = []
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        line.append((b"," if place else b"{") + _key(name))
        line.extend(pieces_of(column, decimals))
    line.append(b"}\n" if names else b"{}\n")
    return unjoined(line, batch.num_rows)


@lru_cache(4096)
def _key(name: str) -> bytes:
    return dumps(name, ensure_ascii=False).encode() + b":"
