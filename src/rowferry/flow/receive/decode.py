"""Records → columns: by the writer's schema, what cannot be read set apart with the reason."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import is_
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.receive.batches import NO_SCHEMA, Numbers
from rowferry.flow.receive.compiled import Compiled
from rowferry.flow.receive.envelopes import NO_ROW, images, unwrap
from rowferry.kernel.avro import TOGETHER_BYTES, OtherFrame, TooLargeTogether, frame_ids
from rowferry.model import DecodedRecords, Op, RawRecords, SchemaId
from rowferry.types import KEY_PROPERTY

log = structlog.get_logger()

UNFRAMED = "no magic byte, or under 5 bytes"
NO_KEY = "a delete, or a tombstone, without a key and without the row"
UNFRAMED_KEY = "a tombstone whose key is neither framed nor text"
_FOREIGN_KEY = ("key",)  # of tombstones in topics whose schemas do not name the key's columns


class Schemas(Protocol):
    """What decoding asks of the registry; Transient where it cannot be asked."""

    def by_id(self, schema_id: SchemaId) -> str | None:
        """The schema's JSON text; None for an id that was never given."""

    def latest(self, topic: str) -> str | None:
        """The newest schema of the topic's values."""

    def is_of(self, topic: str, schema: str) -> bool:
        """Whether a schema is a version of the topic's values."""


@dataclass(frozen=True, slots=True)
class Readable:
    """The records that could be read, a group a schema, and why the others could not."""

    groups: tuple[DecodedRecords, ...]
    bad: dict[int, str]  # index in the raw records → reason, without a value


class Decoder:
    """Decodes the records of any topics; one thread. Keeps what it has compiled.

    unwrap: Debezium's envelopes become the rows in them. A delete is one line: the tombstone that
    Debezium writes behind it is passed over.
    """

    def __init__(self, schemas: Schemas, unwrap: Literal["debezium"] | None = None) -> None:
        self._schemas, self._unwraps = schemas, unwrap is not None
        self._compiled: dict[int, Compiled] = {}
        self._checked: set[tuple[str, int]] = set()
        self._keys: dict[str, tuple[str, ...]] = {}
        self._enveloped: dict[str, bool] = {}

    def decode(self, raw: RawRecords) -> Readable:
        """Decode all; raises what the registry raises, and may then be called again.

        Raises TooLargeTogether where they have to be decoded in smaller numbers, and DataAtRisk
        (SR_ID_CONFLICT) where an id of a topic of ours is another's schema now.
        """
        try:
            return self._decode_alike(raw)
        except OtherFrame:
            return self._decode_apart(raw)

    def _decode_alike(self, raw: RawRecords) -> Readable:
        """Rows of one schema, as nearly always. Raises OtherFrame where they are not."""
        first = frame_ids(raw.values[:1]).tolist()
        schema = self._value_schema(raw, first[0]) if first and first[0] >= 0 else None
        if schema is None or schema.codec is None or (self._unwraps and schema.is_envelope):
            raise OtherFrame
        batch, wrong = schema.decode(raw.values, first[0])
        bad: dict[int, str] = {}
        kept = _without(np.arange(len(raw.values)), wrong, bad)
        if batch is None or not len(kept):
            return Readable((), bad)
        return Readable((_group(raw, kept, batch, Op.UPSERT, first[0]),), bad)

    def _decode_apart(self, raw: RawRecords) -> Readable:
        """Rows, tombstones and markers of any schemas, and what is none of these."""
        bad: dict[int, str] = {}
        groups: list[DecodedRecords] = []
        ids = frame_ids(raw.values)
        size = 0
        is_null = _nulls_in(raw.values, ids)
        for schema_id in _different(ids[~is_null]):
            places = np.flatnonzero((ids == schema_id) & ~is_null)
            if schema_id < 0:
                bad.update(dict.fromkeys(places.tolist(), UNFRAMED))
                continue
            schema = self._value_schema(raw, schema_id)
            batch, wrong = schema.decode(_taken(raw.values, places))
            kept = _without(places, wrong, bad)
            if batch is None or not len(kept):
                continue
            size += batch.nbytes
            if size > TOGETHER_BYTES and len(raw.values) > 1:
                raise TooLargeTogether
            if self._unwraps and schema.is_envelope:
                groups += self._unwrapped(raw, kept, batch, bad)
            else:
                groups.append(_group(raw, kept, batch, Op.UPSERT, schema_id))
        if is_null.any():
            groups += self._nulls(raw, np.flatnonzero(is_null), bad)
        return Readable(tuple(groups), bad)

    def _unwrapped(
        self, raw: RawRecords, places: Numbers, batch: pa.RecordBatch, bad: dict[int, str]
    ) -> Iterator[DecodedRecords]:
        """The rows of envelopes of one schema; a delete's row is its key, `before` without one."""
        found = unwrap(batch)
        bad.update(dict.fromkeys(places[found.odd].tolist(), NO_ROW))
        if found.upserts.any():
            schema_id = int(frame_ids([raw.values[places[0]]])[0])
            rows = images(batch, "after", found.upserts)
            yield _group(raw, places[found.upserts], rows, Op.UPSERT, schema_id)
        if found.truncates.any():
            yield _truncates(raw, places[found.truncates])
        keyless = found.deletes & np.fromiter((raw.keys[i] is None for i in places), bool)
        yield from self._deletes(raw, places[found.deletes & ~keyless], bad)
        has_row = keyless & batch.column("before").is_valid().to_numpy(zero_copy_only=False)
        bad.update(dict.fromkeys(places[keyless & ~has_row].tolist(), NO_KEY))
        if has_row.any():
            rows = images(batch, "before", has_row)
            yield _group(raw, places[has_row], rows, Op.DELETE, NO_SCHEMA)

    def _nulls(
        self, raw: RawRecords, nulls: Numbers, bad: dict[int, str]
    ) -> Iterator[DecodedRecords]:
        """Tombstones, whose row is their key, and truncate markers, which have no key."""
        keyless = np.fromiter((raw.keys[i] is None for i in nulls), bool, len(nulls))
        if self._unwraps and self._is_enveloped(raw.topic):
            bad.update(dict.fromkeys(nulls[keyless].tolist(), NO_KEY))
            return
        if keyless.any():
            yield _truncates(raw, nulls[keyless])
        yield from self._deletes(raw, nulls[~keyless], bad)

    def _deletes(
        self, raw: RawRecords, places: Numbers, bad: dict[int, str]
    ) -> Iterator[DecodedRecords]:
        """Records that delete the row of their key."""
        ids = frame_ids([raw.keys[i] for i in places])
        for schema_id in np.unique(ids).tolist():
            chosen = places[ids == schema_id]
            keys = _taken(raw.keys, chosen)
            if schema_id < 0:
                batch, wrong = self._text_keys(raw.topic, keys)
            else:
                batch, wrong = self._schema(schema_id).decode(keys)
            kept = _without(chosen, wrong, bad)
            if batch is not None and len(kept):
                yield _group(raw, kept, batch, Op.DELETE, NO_SCHEMA)

    def _is_enveloped(self, topic: str) -> bool:
        """Whether a topic's values are envelopes, where the registry does not say otherwise."""
        if topic not in self._enveloped:
            text = self._schemas.latest(topic)
            self._enveloped[topic] = text is None or Compiled(text).is_envelope
        return self._enveloped[topic]

    def _text_keys(
        self, topic: str, keys: Sequence[bytes]
    ) -> tuple[pa.RecordBatch | None, dict[int, str]]:
        names = self._key_names(topic)
        texts, wrong = [], {}
        for index, key in enumerate(keys):
            try:
                texts.append(key.decode())
            except UnicodeDecodeError:
                wrong[index] = UNFRAMED_KEY
        if len(names) != 1:
            return None, dict.fromkeys(range(len(keys)), UNFRAMED_KEY)
        return pa.RecordBatch.from_arrays([pa.array(texts, pa.utf8())], names=list(names)), wrong

    def _key_names(self, topic: str) -> tuple[str, ...]:
        if topic not in self._keys:
            text = self._schemas.latest(topic)
            parsed = json.loads(text) if text else {}
            named = parsed.get(KEY_PROPERTY) if isinstance(parsed, dict) else None
            self._keys[topic] = tuple(named) if named else _FOREIGN_KEY
        return self._keys[topic]

    def _value_schema(self, raw: RawRecords, schema_id: int) -> Compiled:
        schema = self._schema(schema_id)
        if (raw.topic, schema_id) not in self._checked and schema.record is not None:
            self._refuse_reused(raw, schema_id, schema.record, schema.text or "")
            self._checked.add((raw.topic, schema_id))
        return schema

    def _refuse_reused(
        self, raw: RawRecords, schema_id: int, record: dict[str, Any], text: str
    ) -> None:
        """See that a registry that lost its data did not give the id to another schema.

        A record of another name than the topic's, in a topic that our sender writes, which is no
        version of its values: rows would be read as others.
        """
        newest = json.loads(self._schemas.latest(raw.topic) or "{}")
        if KEY_PROPERTY not in newest or _full_name(newest) == _full_name(record):
            return
        if not self._schemas.is_of(raw.topic, text):
            raise DataAtRisk(
                Code.SR_ID_CONFLICT,
                f"schema id {schema_id} is {_full_name(record)}, which is no version of the topic's"
                f" values, {_full_name(newest)}",
                where=f"{raw.topic}/{raw.partition}",
                advice="restore the registry's data: its ids were given again",
            )

    def _schema(self, schema_id: int) -> Compiled:
        if schema_id not in self._compiled:
            text = self._schemas.by_id(SchemaId(schema_id))
            if text is None:  # it may be registered by the time of the next one
                return Compiled(None)
            self._compiled[schema_id] = Compiled(text)
        return self._compiled[schema_id]


def _full_name(record: dict[str, Any]) -> str:
    name = str(record["name"])
    return name if "." in name else f"{record.get('namespace', '')}.{name}".lstrip(".")


def _nulls_in(messages: Sequence[bytes | None], ids: Numbers) -> NDArray[np.bool_]:
    """Which messages are missing; only where an id is missing, too, does one have to look."""
    if not (ids < 0).any():
        return np.zeros(len(ids), bool)
    return np.fromiter(map(is_, messages, repeat(None)), bool, len(messages))


def _different(ids: Numbers) -> list[int]:
    """The ids there are, in order; most often it is one."""
    is_one = len(ids) > 0 and bool((ids == ids[0]).all())
    return [int(ids[0])] if is_one else np.unique(ids).tolist()


def _taken(messages: Sequence[bytes | None], places: Numbers) -> list[bytes]:
    if len(places) == len(messages):
        return [message for message in messages if message is not None]
    return [message for i in places if (message := messages[i]) is not None]


def _without(places: Numbers, wrong: dict[int, str], bad: dict[int, str]) -> Numbers:
    """The places that could be read; the others are added to bad."""
    if not wrong:
        return places
    bad.update({int(places[index]): reason for index, reason in wrong.items()})
    return np.delete(places, list(wrong))


def _truncates(raw: RawRecords, places: Numbers) -> DecodedRecords:
    nothing = pa.RecordBatch.from_struct_array(pa.array([{}] * len(places), pa.struct([])))
    return _group(raw, places, nothing, Op.TRUNCATE, NO_SCHEMA)


def _group(
    raw: RawRecords, places: Numbers, batch: pa.RecordBatch, op: Op, schema_id: int
) -> DecodedRecords:
    is_whole = len(places) == len(raw.values)
    return DecodedRecords(
        raw.topic,
        raw.partition,
        SchemaId(schema_id),
        batch,
        pa.repeat(pa.scalar(op.value, pa.utf8()), len(places)),
        raw.keys if is_whole else [raw.keys[i] for i in places],
        raw.offsets if is_whole else raw.offsets.take(pa.array(places)),
        raw.timestamps if is_whole else raw.timestamps.take(pa.array(places)),
    )
