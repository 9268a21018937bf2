"""A block of rows ↔ its messages: as many at once as the processor's cache holds."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import pyarrow as pa

from rowferry.kernel.avro.cursor import REASONS, ZEROS, Block, Cursor
from rowferry.kernel.avro.decode import decode
from rowferry.kernel.avro.encode import encode_field
from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.frames import HEADER_BYTES, require_header
from rowferry.kernel.avro.pieces import Pieces
from rowferry.kernel.avro.reasons import Reason
from rowferry.kernel.avro.shapes import Optional, Record, Shape
from rowferry.kernel.avro.weights import BLOCK_BYTES, OverBudget, Tally, bytes_of, tally_of

ROWS_A_BLOCK: Final = 16384
# A cell has 16 bytes while a block is encoded, and a column's NumPy calls cost a fixed time.
CELLS_A_BLOCK: Final = 1 << 19
FEWEST_ROWS_OF_WIDE_TABLES: Final = 2048
MOST_BYTES_A_BLOCK: Final = 1 << 24


def rows_a_block(record: Record) -> int:
    """How many rows of so many columns are done at once."""
    rows = max(FEWEST_ROWS_OF_WIDE_TABLES, CELLS_A_BLOCK // max(_width_of(record), 1))
    return min(ROWS_A_BLOCK, rows)


def messages_a_block(record: Record) -> int:
    """How many messages are decoded at once: rows_a_block, or fewer of records that are wide."""
    return min(rows_a_block(record), max(BLOCK_BYTES // max(bytes_of(record), 1), 1))


def _width_of(shape: Shape) -> int:
    match shape:
        case Record(fields=fields):
            return sum(map(_width_of, fields))
        case Optional(inner=inner):
            return _width_of(inner)
    return 1


def row_blocks(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch into blocks of so many rows, or of fewer if they are many bytes."""
    is_large = batch.get_total_buffer_size() > MOST_BYTES_A_BLOCK
    for first in range(0, batch.num_rows, rows):
        block = batch.slice(first, rows)
        parts = -(-block.nbytes // MOST_BYTES_A_BLOCK) if is_large else 1
        if parts > 1 and block.num_rows > 1:
            yield from row_blocks(block, -(-block.num_rows // parts))
        else:
            yield block


def encode_block(
    record: Record, block: pa.RecordBatch, header: bytes, slow: Fallbacks
) -> list[bytes]:
    """The messages of a block of rows, each behind the header. Raises UnwritableError."""
    pieces = Pieces(block.num_rows, slow)
    pieces.add(int.from_bytes(header, "little"), len(header), len(header))
    for name, field, column in zip(record.names, record.fields, block.columns, strict=True):
        slow.column = name
        encode_field(name, field, column, pieces)
    messages: list[bytes] = pieces.blobs().to_numpy(zero_copy_only=False).tolist()
    return messages


def decode_block(
    record: Record,
    messages: Sequence[bytes | None],
    first: int,
    slow: Fallbacks,
    header: bytes | None = None,
) -> Iterator[tuple[pa.RecordBatch, dict[int, str]]]:
    """The rows of a block of messages, and why some are missing, counted from `first`.

    Messages that are too many bytes for one block, or become too many, come as several. Raises
    OtherFrame where a header is asked for, and one of them has another, or none.
    """
    joined = pa.array([*messages, ZEROS], pa.binary())
    is_beyond = isinstance(joined, pa.ChunkedArray)  # beyond the 2 GB of Arrow's offsets
    if header is not None and not is_beyond:
        require_header(joined, header)
    parts = -(-joined.nbytes // MOST_BYTES_A_BLOCK)
    if parts == 1 or (len(messages) == 1 and not is_beyond):
        tally = tally_of(len(messages), joined.nbytes)
        with suppress(OverBudget):
            yield _decode_joined(record, joined, first, slow, tally)
            return
        parts = 2
    del joined
    if len(messages) == 1:
        nothing = pa.nulls(0, record.arrow).flatten()
        yield _batch_of(record, nothing, 0), {first: Reason.SIZE.value}
        return
    rows = -(-len(messages) // parts)
    for start in range(0, len(messages), rows):
        some = messages[start : start + rows]
        yield from decode_block(record, some, first + start, slow, header)


def _decode_joined(
    record: Record, joined: pa.BinaryArray, first: int, slow: Fallbacks, tally: Tally
) -> tuple[pa.RecordBatch, dict[int, str]]:
    _, bounds, data = joined.buffers()
    ends = np.frombuffer(bounds, np.int32).astype(np.int64)
    rows = len(joined) - 1
    block = Block.of(np.frombuffer(data, np.uint8), rows, slow, tally)
    cursor = Cursor(block, np.arange(rows), ends[:rows], ends[1 : rows + 1])
    cursor.advance(HEADER_BYTES)
    columns = []
    for name, field in zip(record.names, record.fields, strict=True):
        slow.column = name
        columns.append(decode(field, cursor))
    batch = _batch_of(record, columns, rows)
    unread = cursor.alive() & (cursor.positions < cursor.ends)
    if unread.any():
        cursor.fail(unread, Reason.TRAILING)
    failed = np.flatnonzero(block.failures)
    if len(failed) == 0:
        return batch, {}
    codes = block.failures[failed].tolist()
    bad = {
        first + row: str(REASONS[code]) for row, code in zip(failed.tolist(), codes, strict=True)
    }
    return batch.filter(pa.array(block.failures == 0)), bad


def _batch_of(record: Record, columns: list[pa.Array], rows: int) -> pa.RecordBatch:
    if not columns:  # a record without fields: only a struct can say how many
        struct = pa.Array.from_buffers(record.arrow, rows, [None], children=[])
        return pa.RecordBatch.from_struct_array(struct)
    return pa.RecordBatch.from_arrays(columns, schema=record.schema)
