"""Rows → framed Avro messages, by schemas that the registry knows."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, Unreadable
from rowferry.flow.encode.schema import key_schema, value_schema
from rowferry.kernel.avro import AvroCodec, SchemaRefused, UnwritableError
from rowferry.model import Messages, Op, Rows, SchemaId, Table
from rowferry.registry import Registry

KEY_SUBJECT = "{topic}-key"


@dataclass(frozen=True, slots=True)
class _Framing:
    """A compiled schema and the id that the registry gave it."""

    codec: AvroCodec
    schema_id: SchemaId

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """A message a row; columns by place, for Avro's names are not always PostgreSQL's."""
        named = batch.rename_columns(self.codec.arrow_schema.names)
        return self.codec.encode(named, self.schema_id)


@dataclass(frozen=True, slots=True)
class _Prepared:
    table: Table
    topic: str
    value: _Framing
    key: _Framing | None  # None: the key's one column as UTF-8 text


class AvroEncoder:
    """Implements contract.Encoder."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings, self._registry = settings, registry
        self._prepared: dict[str, _Prepared] = {}

    def prepare(self, table: Table) -> None:
        """See contract.Encoder."""
        topic = self._settings.topic_of(table.qualified)
        own = self._settings.of(table.qualified)
        subject = (own.subject or self._settings.subject).format(topic=topic)
        value = self._framing(table, subject, value_schema(table, self._settings))
        schema = key_schema(table, self._settings)
        key = None
        if schema is not None:
            key = self._framing(table, KEY_SUBJECT.format(topic=topic), schema)
        self._prepared[table.qualified] = _Prepared(table, topic, value, key)

    def encode(self, rows: Rows) -> Messages:
        """See contract.Encoder. A table that changed is prepared anew."""
        table = rows.table
        prepared = self._prepared.get(table.qualified)
        if prepared is None or prepared.table != table:
            self.prepare(table)
            prepared = self._prepared[table.qualified]
        try:
            return _messages(prepared, rows)
        except UnwritableError as error:
            raise Unreadable(
                Code.UNCARRIABLE,
                f"a value cannot be carried: {error}",
                where=table.qualified,
                advice="correct the row, or leave it out with ROWFERRY_FILTER",
            ) from error

    def _framing(self, table: Table, subject: str, schema: dict[str, object]) -> _Framing:
        try:
            codec = AvroCodec(schema)
        except SchemaRefused as error:
            what = f"the table has no Avro schema: {error}"
            raise ConfigError(Code.TABLE_UNFIT, what, where=table.qualified) from error
        return _Framing(codec, self._registry.register(subject, schema))


def _messages(prepared: _Prepared, rows: Rows) -> Messages:
    keys: list[bytes | None] = [*_keys(prepared, rows.batch)]
    if rows.ops is None:
        return Messages(prepared.topic, keys, [*prepared.value.encode(rows.batch)])
    upserts = pc.equal(rows.ops, Op.UPSERT.value)
    values: list[bytes | None] = [None] * len(keys)
    places = np.flatnonzero(upserts.to_numpy(zero_copy_only=False))
    for place, value in zip(places, prepared.value.encode(rows.batch.filter(upserts)), strict=True):
        values[place] = value
    for place in np.flatnonzero(
        pc.equal(rows.ops, Op.TRUNCATE.value).to_numpy(zero_copy_only=False)
    ):
        keys[place] = None
    return Messages(prepared.topic, keys, values)


def _keys(prepared: _Prepared, batch: pa.RecordBatch) -> list[bytes]:
    key = batch.select(list(prepared.table.key))
    if prepared.key is not None:
        return prepared.key.encode(key)
    texts: list[bytes] = key.column(0).cast(pa.utf8()).cast(pa.binary()).to_pylist()
    return texts
