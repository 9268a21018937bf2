"""The values that travel from stage to stage: frozen, shared by all, known to none but by name."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NewType

import pyarrow as pa

Offset = NewType("Offset", int)  # a position in a partition: that of the next record
Partition = NewType("Partition", int)
SchemaId = NewType("SchemaId", int)  # the registry's


class Op(StrEnum):
    """What happened to a row, as `_op` of a line says it."""

    UPSERT = "u"
    DELETE = "d"
    TRUNCATE = "t"


@dataclass(frozen=True, slots=True)
class Treatment:
    """How a column is carried, where that is not as its type says.

    form: `double`, `string`, `timestamp-millis`, `decimal(p,s)`, `enum`; required: NULL cannot be
    carried.
    mask: digest for a keyed hash of its text, or how many characters are kept of it.
    specials: NaN and ±Infinity of a decimal stop the table, are NULL, or make the column text.
    arrays_as_text: arrays travel as PostgreSQL's text of them.
    """

    form: str = ""
    name: str = ""
    dropped: bool = False
    required: bool = False
    mask: Literal["digest"] | int | None = None
    specials: Literal["stop", "null", "string"] = "stop"
    arrays_as_text: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalog has it.

    pg_type is format_type()'s text ("numeric(10,2)", "text[]"); base_oid and base_mod are the
    type's oid and modifier below any domain; element_oid is set for arrays, whose declared depth is
    `dimensions`.
    """

    name: str
    pg_type: str
    nullable: bool
    base_oid: int
    base_mod: int
    element_oid: int = 0
    dimensions: int = 0
    fields: tuple["Column", ...] = ()  # of a composite type
    comment: str | None = None
    default: str | None = None  # as SQL
    labels: tuple[str, ...] = ()  # of an enum, in its order
    treatment: Treatment = Treatment()

    @property
    def carried_name(self) -> str:
        """The name that it has in messages and lines."""
        return self.treatment.name or self.name


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog has it; columns in attnum order, key in the primary key's order."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    timestamp_column: str | None = None

    @property
    def qualified(self) -> str:
        """`schema.table`, for people and for keys; never for SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def carried(self) -> tuple[Column, ...]:
        """The columns that messages have."""
        return tuple(column for column in self.columns if not column.treatment.dropped)


@dataclass(frozen=True, slots=True)
class Rows:
    """A columnar batch of one table: the carried columns, with the table's names for them.

    They come in table order and in the Arrow types of their wires, masks still to be applied.

    ops is None where every row is an upsert, else a string array of Op values, one a row.
    """

    table: Table
    batch: pa.RecordBatch
    ops: pa.StringArray | None = None


@dataclass(frozen=True, slots=True)
class ProgressRecord:
    """One part of a table's durable position; None as value removes the part.

    What the value means is known to the capture that wrote it, and to nobody else.
    """

    part: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows and the position behind them: they become durable together, in one Kafka transaction."""

    rows: Rows
    progress: tuple[ProgressRecord, ...]


@dataclass(frozen=True, slots=True)
class Messages:
    """Framed messages of one topic, in order.

    A key of None is a truncate marker, a value of None a tombstone.
    """

    topic: str
    keys: list[bytes | None]
    values: list[bytes | None]


@dataclass(frozen=True, slots=True)
class TopicId:
    """A topic and which creation of it: the first 8 characters of its id, URL-safe."""

    topic: str
    short_id: str


@dataclass(frozen=True, slots=True)
class Range:
    """The records of a partition with start <= offset < end.

    The end of one file is the start of the next.
    """

    topic: TopicId
    partition: Partition
    start: Offset
    end: Offset
    rows: int


@dataclass(frozen=True, slots=True)
class RawRecords:
    """Consecutive records of one partition as they were received.

    offsets: int64, ascending (holes are control and aborted records); timestamps: int64 ms UTC.
    next_offset: the position behind the last one, at least offsets[-1] + 1.
    """

    topic: str
    partition: Partition
    keys: list[bytes | None]
    values: list[bytes | None]
    offsets: pa.Int64Array
    timestamps: pa.Int64Array
    next_offset: Offset

    def before(self, index: int) -> "RawRecords":
        """Those before an index."""
        return self._part(slice(index), Offset(self.offsets[index].as_py()))

    def halves(self) -> "tuple[RawRecords, RawRecords]":
        """Two or more as two runs."""
        middle = len(self.values) // 2
        return self.before(middle), self._part(slice(middle, None), self.next_offset)

    def _part(self, part: slice, next_offset: Offset) -> "RawRecords":
        return replace(
            self,
            keys=self.keys[part],
            values=self.values[part],
            offsets=self.offsets[part],
            timestamps=self.timestamps[part],
            next_offset=next_offset,
        )


@dataclass(frozen=True, slots=True)
class DecodedRecords:
    """Decoded records of one partition and one writer schema, in offset order.

    batch: the row's columns (for deletes only the key's are set); ops: Op values;
    keys: the raw keys, for the optional `_key`.
    """

    topic: str
    partition: Partition
    schema_id: SchemaId
    batch: pa.RecordBatch
    ops: pa.StringArray
    keys: list[bytes | None]
    offsets: pa.Int64Array
    timestamps: pa.Int64Array


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A name on a stage, relative to the stage's prefix, and its size in bytes."""

    name: str
    size: int
