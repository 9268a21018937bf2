"""A block of rows ↔ its messages: as many at once as the processor's cache holds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from rowferry.kernel.avro.cursor import REASONS, ZEROS, Block, Cursor
from rowferry.kernel.avro.decode import decode
from rowferry.kernel.avro.encode import encode
from rowferry.kernel.avro.frames import HEADER_BYTES
from rowferry.kernel.avro.pieces import Pieces
from rowferry.kernel.avro.reasons import Reason
from rowferry.kernel.avro.shapes import Record

ROWS_A_BLOCK: Final = 16384
MOST_BYTES_A_BLOCK: Final = 1 << 29  # Arrow's offsets end at 2^31; text is copied once or twice


def row_blocks(rows: pa.StructArray) -> Iterator[pa.StructArray]:
    """Cut rows into blocks."""
    for first in range(0, len(rows), ROWS_A_BLOCK):
        yield from _halves(rows.slice(first, ROWS_A_BLOCK))


def _halves(rows: pa.StructArray) -> Iterator[pa.StructArray]:
    if len(rows) == 1 or rows.nbytes <= MOST_BYTES_A_BLOCK:
        yield rows
        return
    middle = len(rows) // 2
    yield from _halves(rows.slice(0, middle))
    yield from _halves(rows.slice(middle))


def encode_block(
    record: Record, rows: pa.StructArray, header: bytes, slow: Counter[str]
) -> list[bytes]:
    """The messages of a block of rows, each behind the header. Raises UnwritableError."""
    pieces = Pieces(len(rows), slow)
    pieces.add(int.from_bytes(header, "little"), len(header), len(header))
    encode(record, rows, pieces)
    messages: list[bytes] = pieces.blobs().to_numpy(zero_copy_only=False).tolist()
    return messages


def decode_block(
    record: Record, messages: Sequence[bytes], first: int, slow: Counter[str]
) -> Iterator[tuple[pa.RecordBatch, dict[int, str]]]:
    """The rows of a block of messages, and why some are missing, counted from `first`.

    Messages that are too many bytes for one block come as several.
    """
    joined = pa.array([*messages, ZEROS], pa.binary())
    if isinstance(joined, pa.ChunkedArray) or len(joined.buffers()[2]) > MOST_BYTES_A_BLOCK:
        if len(messages) > 1:
            middle = len(messages) // 2
            yield from decode_block(record, messages[:middle], first, slow)
            yield from decode_block(record, messages[middle:], first + middle, slow)
            return
        if isinstance(joined, pa.ChunkedArray):
            yield _batch_of(decode_empty(record)), {first: Reason.SIZE.value}
            return
    yield _decode_joined(record, joined, first, slow)


def _decode_joined(
    record: Record, joined: pa.BinaryArray, first: int, slow: Counter[str]
) -> tuple[pa.RecordBatch, dict[int, str]]:
    _, bounds, data = joined.buffers()
    ends = np.frombuffer(bounds, np.int32).astype(np.int64)
    rows = len(joined) - 1
    block = Block.of(np.frombuffer(data, np.uint8), rows, slow)
    cursor = Cursor(block, np.arange(rows), ends[:rows], ends[1 : rows + 1])
    cursor.advance(HEADER_BYTES)
    struct = decode(record, cursor)
    unread = cursor.alive() & (cursor.positions < cursor.ends)
    if unread.any():
        cursor.fail(unread, Reason.TRAILING)
    failed = np.flatnonzero(block.failures)
    if len(failed) == 0:
        return _batch_of(struct), {}
    codes = block.failures[failed].tolist()
    bad = {
        first + row: str(REASONS[code]) for row, code in zip(failed.tolist(), codes, strict=True)
    }
    return _batch_of(struct.filter(pa.array(block.failures == 0))), bad


def decode_empty(record: Record) -> pa.StructArray:
    """No rows."""
    return pa.nulls(0, record.arrow)


def _batch_of(struct: pa.StructArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(struct)
