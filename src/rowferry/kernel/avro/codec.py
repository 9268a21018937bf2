"""One schema's codec: rows → framed messages and back."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from rowferry.kernel.avro.blocks import (
    decode_block,
    encode_block,
    messages_a_block,
    row_blocks,
    rows_a_block,
)
from rowferry.kernel.avro.cells import column_of, rows_of
from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.frames import HEADER_BYTES, OtherFrame, header_of
from rowferry.kernel.avro.one_row import one_row
from rowferry.kernel.avro.reasons import MalformedError, UnwritableError
from rowferry.kernel.avro.schema import record_of, shape_of
from rowferry.kernel.avro.shapes import Record
from rowferry.kernel.avro.single_read import read_whole, reader
from rowferry.kernel.avro.single_write import writer
from rowferry.kernel.avro.weights import TOGETHER_BYTES, OverBudget, Tally, TooLargeTogether

# Below this the NumPy calls cost more than plain Python's one by one.
FEWEST_ROWS_A_BLOCK: Final = 64
# What the lists of a few messages may come to, before they are done in columns all the same.
MOST_BYTES_SINGLY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Decoded:
    """The readable messages as a batch, in order, and why the others are not: index → reason."""

    batch: pa.RecordBatch
    bad: dict[int, str]


class AvroCodec:
    """Compiled from a schema once; then used for any number of batches, by one thread at a time.

    arrow_schema: the columns of its batches (a schema that is no record has one, "value").
    Enums are text. Unions but for null and one other are Avro-JSON text, and decimals of over 76
    digits binary, big-endian: the fields' metadata tells it as "logicalType".
    fallbacks: how many values of large batches went through Python one by one, by column and cause:
    "union", and "long array" for what few arrays have beyond their neighbours.
    Raises SchemaRefused.
    """

    def __init__(self, schema: Mapping[str, Any] | str) -> None:
        shape = shape_of(schema)
        self._record = shape if isinstance(shape, Record) else record_of(["value"], [shape])
        self.arrow_schema: pa.Schema = self._record.schema
        self.fallbacks = Fallbacks()
        self._rows_a_block = rows_a_block(self._record)
        self._messages_a_block = messages_a_block(self._record)
        self._tally = Tally(MOST_BYTES_SINGLY)
        self._read, self._write = reader(self._record, self._tally), writer(self._record)
        self._one_row = one_row(self._record, self._tally)

    def encode(self, batch: pa.RecordBatch, schema_id: int) -> list[bytes]:
        """One framed message a row.

        Columns are taken by name and cast to arrow_schema's types where they have others. Dates
        and timestamps are written as the numbers they are. Raises UnwritableError, a ValueError,
        for a null in a required column and for a value outside its type.
        """
        fitted = _fitted(batch, self.arrow_schema)
        header = header_of(schema_id)
        if batch.num_rows < FEWEST_ROWS_A_BLOCK:
            return self._encode_singly(fitted, header)
        messages: list[bytes] = []
        for block in row_blocks(fitted, self._rows_a_block):
            messages += encode_block(self._record, block, header, self.fallbacks)
        return messages

    def decode(self, messages: Sequence[bytes | None], schema_id: int | None = None) -> Decoded:
        """The rows of framed messages of this schema.

        schema_id: raises OtherFrame where a message is missing or framed with another id, or not
        at all; without it the headers are skipped, not looked at, and all messages are there.
        No message, whatever its bytes, keeps another from being read. One that would become more
        than 64 MB and 128 times its bytes is bad. Raises TooLargeTogether where several come to
        over 32 MB.
        """
        header = None if schema_id is None else header_of(schema_id)
        if len(messages) < FEWEST_ROWS_A_BLOCK:
            present = [message for message in messages if message is not None]
            if header is not None and not all(one and one.startswith(header) for one in messages):
                raise OtherFrame
            self._tally.total = 0
            with suppress(OverBudget):  # in columns long lists take less, or are refused
                return self._decode_singly(present)
        return self._decode_in_columns(messages, header)

    def _decode_in_columns(self, messages: Sequence[bytes | None], header: bytes | None) -> Decoded:
        batches: list[pa.RecordBatch] = []
        bad: dict[int, str] = {}
        size = 0
        for first in range(0, len(messages), self._messages_a_block):
            block = messages[first : first + self._messages_a_block]
            decoded = decode_block(self._record, block, first, self.fallbacks, header)
            for batch, failures in decoded:
                size += batch.nbytes
                if size > TOGETHER_BYTES and len(messages) > 1:
                    raise TooLargeTogether
                batches.append(batch)
                bad |= failures
        return Decoded(batches[0] if len(batches) == 1 else pa.concat_batches(batches), bad)

    def _encode_singly(self, batch: pa.RecordBatch, header: bytes) -> list[bytes]:
        write = self._write
        messages = []
        for row in rows_of(self._record, batch.columns, batch.num_rows):
            out = bytearray(header)
            write(out, row)
            messages.append(bytes(out))
        return messages

    def _decode_singly(self, messages: Sequence[bytes]) -> Decoded:
        if len(messages) == 1 and self._one_row is not None:
            with suppress(MalformedError, IndexError):  # its reason is told below
                return Decoded(self._one_row.decode(messages[0], HEADER_BYTES), {})
        rows, bad = [], {}
        for index, message in enumerate(messages):
            try:
                rows.append(read_whole(self._read, message, HEADER_BYTES))
            except MalformedError as odd:
                bad[index] = odd.reason.value
        struct = column_of(self._record, rows)
        if not self._record.fields:
            return Decoded(pa.RecordBatch.from_struct_array(struct), bad)
        # with the schema, since arrays of maps lose the metadata of what is in them
        return Decoded(pa.RecordBatch.from_arrays(struct.flatten(), schema=self.arrow_schema), bad)


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the schema's columns, in its order and types."""
    if batch.schema.equals(schema):
        return batch
    columns = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        if place < 0:
            raise UnwritableError(f"the batch has no column {field.name!r}")
        columns.append(_cast(batch.column(place), field))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowException:  # its text may hold the value
        what = f"column {field.name!r}: {column.type} does not fit {field.type}"
        raise UnwritableError(what) from None
