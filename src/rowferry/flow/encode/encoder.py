"""Rows → framed Avro messages, by schemas that the registry knows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, DataAtRisk, Unreadable
from rowferry.flow.encode.contract import NOTE
from rowferry.flow.encode.masks import Masks
from rowferry.flow.encode.schema import key_schema, value_schema
from rowferry.kernel.avro import AvroCodec, SchemaRefused, UnwritableError
from rowferry.model import Messages, Op, ProgressRecord, Rows, SchemaId, Table
from rowferry.registry import Registry, fingerprint

log = structlog.get_logger()

KEY_SUBJECT = "{topic}-key"

Fingerprints = dict[str, str]  # of schemas, by their id


class _Framing:
    """A compiled schema and the id that the registry gave it."""

    def __init__(self, codec: AvroCodec, schema_id: SchemaId, name: str) -> None:
        self._codec, self._schema_id, self._name = codec, schema_id, name
        self._types = codec.arrow_schema.types
        self._fitting: pa.Schema | None = None  # the last one whose columns are the codec's

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """A message a row; columns by place, for Avro's names are not always PostgreSQL's."""
        messages = self._codec.encode(self._named(batch), self._schema_id)
        for column, kind, values in self._codec.fallbacks.taken():
            log.debug("kernel.fallback", schema=self._name, column=column, kind=kind, values=values)
        return messages

    def _named(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        own, schema = self._codec.arrow_schema, batch.schema
        if self._fitting is None or not schema.equals(self._fitting):
            if schema.types != self._types:
                return batch.rename_columns(own.names)
            self._fitting = schema
        return pa.RecordBatch.from_arrays(batch.columns, schema=own)


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
        self._masks = Masks(settings)
        self._prepared: dict[str, _Prepared] = {}
        self._used: dict[str, Fingerprints] = {}
        self._noted: dict[str, Fingerprints] = {}

    def prepare(self, table: Table, noted: bytes | None) -> None:
        """See contract.Encoder."""
        known = _noted(noted, table.qualified)
        for schema_id, expected in known.items():
            self._require_known(table.qualified, SchemaId(int(schema_id)), expected)
        self._noted[table.qualified] = known
        self._used[table.qualified] = dict(known)
        self._frame(table)

    def note(self, table: str) -> ProgressRecord | None:
        """See contract.Encoder."""
        used = self._used[table]
        if used == self._noted[table]:
            return None
        self._noted[table] = dict(used)
        return ProgressRecord(NOTE, json.dumps(used, sort_keys=True).encode())

    def _require_known(self, table: str, schema_id: SchemaId, expected: str) -> None:
        """The registry must still know the schemas of the rows in the topic."""
        text = self._registry.by_id(schema_id)
        if text is None or fingerprint(text) != expected:
            what = "no schema" if text is None else "another schema"
            raise DataAtRisk(
                Code.SR_ID_CONFLICT,
                f"the registry has {what} under id {schema_id}, which rows were sent with",
                where=table,
                advice="restore the registry; or start anew with another ROWFERRY_PIPELINE"
                " and ROWFERRY_TOPIC",
            )

    def _frame(self, table: Table) -> None:
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
            self._frame(table)
            prepared = self._prepared[table.qualified]
        try:
            masked = self._masks.masked(table, rows.batch)
            return _messages(prepared, replace(rows, batch=masked))
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
        schema_id = self._registry.register(subject, schema)
        text = self._registry.by_id(schema_id)  # as it gives it, which may not be as it took it
        self._used[table.qualified][str(schema_id)] = fingerprint(text or schema)
        return _Framing(codec, schema_id, str(schema.get("name")))


def _noted(value: bytes | None, table: str) -> Fingerprints:
    if value is None:
        return {}
    try:
        found = json.loads(value)
        return {str(int(schema_id)): str(known) for schema_id, known in found.items()}
    except (ValueError, AttributeError) as error:
        what = "the record of used schemas is damaged"
        raise DataAtRisk(Code.PROGRESS_UNREADABLE, what, where=table) from error


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


def _keys(prepared: _Prepared, batch: pa.RecordBatch) -> Sequence[bytes | None]:
    if prepared.key is not None:
        return prepared.key.encode(batch.select(list(prepared.table.key)))
    name = prepared.table.key[0]
    texts = batch.column(name)
    if texts.null_count:
        raise UnwritableError(f"column {name!r}: a null as a message's key")
    if texts.type != pa.utf8():
        texts = texts.cast(pa.utf8())
    octets: list[bytes | None] = texts.view(pa.binary()).to_pylist()  # cast() costs few rows 7 µs
    return octets
