"""Rows become messages: keys, values, tombstones and markers."""

import io
import json
from collections.abc import Mapping
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from rowferry.config import Settings
from rowferry.errors import Code, DataAtRisk, Unreadable
from rowferry.flow.encode.encoder import AvroEncoder
from rowferry.model import Column, Op, Rows, SchemaId, Table
from rowferry.registry import Registry
from sending.numbered import INT8, rows_of, table_of


class Remembering(Registry):
    """A registry in memory."""

    def __init__(self) -> None:
        self.registered: list[tuple[str, Mapping[str, Any]]] = []

    def register(self, subject: str, schema: Mapping[str, Any]) -> SchemaId:
        if (subject, schema) not in self.registered:
            self.registered.append((subject, schema))
        return SchemaId(self.registered.index((subject, schema)) + 1)

    def by_id(self, schema_id: SchemaId) -> str | None:
        there = 1 <= schema_id <= len(self.registered)
        return json.dumps(self.registered[schema_id - 1][1]) if there else None

    def read(self, framed: bytes) -> Any:
        assert framed[0] == 0
        schema = self.registered[int.from_bytes(framed[1:5], "big") - 1][1]
        parsed = fastavro.parse_schema(dict(schema))
        return fastavro.schemaless_reader(io.BytesIO(framed[5:]), parsed, None)


@pytest.fixture
def registry() -> Remembering:
    return Remembering()


TABLE = table_of("public.items")


def encoder(registry: Registry, **settings: Any) -> AvroEncoder:
    made = AvroEncoder(Settings.model_validate({"tables": "public.items", **settings}), registry)
    made.prepare(TABLE, None)
    return made


def test_a_row_is_a_message_keyed_by_its_text_key(registry: Remembering) -> None:
    messages = encoder(registry).encode(rows_of(TABLE, 0, 3))
    assert messages.topic == "items_updates"
    assert messages.keys == [b"key-0", b"key-1", b"key-2"]
    assert [registry.read(value or b"")["n"] for value in messages.values] == [0, 1, 2]
    assert [subject for subject, _ in registry.registered] == ["items_updates-value"]


def test_a_key_of_two_columns_is_avro(registry: Remembering) -> None:
    table = Table(1, "public", "items", TABLE.columns, ("n", "id"))
    messages = encoder(registry).encode(rows_of(table, 5, 6))
    assert registry.read(messages.keys[0] or b"") == {"n": 5, "id": "key-5"}
    assert "items_updates-key" in {subject for subject, _ in registry.registered}


def test_a_number_as_text_key_is_its_digits(registry: Remembering) -> None:
    table = Table(1, "public", "items", TABLE.columns, ("n",))
    assert encoder(registry, key_format="text").encode(rows_of(table, 5, 6)).keys == [b"5"]


@pytest.mark.parametrize("key_format", ["auto", "text", "avro"])
def test_a_row_without_a_key_is_refused_in_every_form_of_keys(
    registry: Remembering, key_format: str
) -> None:
    # GIVEN a column that the value may have NULL in, as a NaN that the settings make one
    id_ = Column("id", "text", nullable=True, base_oid=25, base_mod=-1)
    table = Table(1, "public", "items", (id_, *TABLE.columns[1:]), ("id",))
    batch = rows_of(TABLE, 0, 2).batch.set_column(0, "id", pa.array(["a", None]))
    # THEN
    with pytest.raises(Unreadable, match="'id'") as raised:
        encoder(registry, key_format=key_format).encode(Rows(table, batch))
    assert (raised.value.code, raised.value.where) == (Code.UNCARRIABLE, "public.items")


def test_deletes_are_tombstones_and_truncates_have_no_key(registry: Remembering) -> None:
    rows = rows_of(TABLE, 0, 4)
    ops = pa.array([Op.UPSERT, Op.DELETE, Op.TRUNCATE, Op.UPSERT], pa.utf8())
    messages = encoder(registry).encode(Rows(TABLE, rows.batch, ops))
    assert messages.keys == [b"key-0", b"key-1", None, b"key-3"]
    assert [value is None for value in messages.values] == [False, True, True, False]
    assert registry.read(messages.values[3] or b"")["n"] == 3


def test_a_part_of_a_batch_gives_the_same_messages(registry: Remembering) -> None:
    whole = encoder(registry).encode(rows_of(TABLE, 0, 9))
    part = encoder(registry).encode(Rows(TABLE, rows_of(TABLE, 0, 9).batch.slice(4, 3)))
    assert (part.keys, part.values) == (whole.keys[4:7], whole.values[4:7])


def test_no_rows_are_no_messages(registry: Remembering) -> None:
    messages = encoder(registry).encode(rows_of(TABLE, 0, 0))
    assert (messages.keys, messages.values) == ([], [])


def test_a_table_that_changed_gets_a_schema_of_its_own(registry: Remembering) -> None:
    # GIVEN rows of a table
    encoding = encoder(registry)
    encoding.encode(rows_of(TABLE, 0, 1))

    # WHEN a column is added
    more = Column("more", "bigint", nullable=True, base_oid=INT8, base_mod=-1)
    wider = Table(1, "public", "items", (*TABLE.columns, more), ("id",))
    batch = rows_of(TABLE, 0, 1).batch.append_column("more", pa.array([7], pa.int64()))
    messages = encoding.encode(Rows(wider, batch))

    # THEN
    assert registry.read(messages.values[0] or b"")["more"] == 7
    assert len(registry.registered) == 2
    note = encoding.note("public.items")
    assert note is not None
    assert sorted(json.loads(note.value or b"")) == ["1", "2"]
    assert encoding.note("public.items") is None, "given once"


def test_a_registry_that_gives_an_id_another_meaning_stops_us(registry: Remembering) -> None:
    # GIVEN rows sent with an id
    first = encoder(registry).note("public.items")
    assert first is not None

    # THEN the same registry is taken up
    encoder(registry).prepare(TABLE, first.value)

    # BUT not one that was wiped, whether it gives the id to another schema or to none
    wiped = Remembering()
    for found in ("no schema", "another schema"):
        with pytest.raises(DataAtRisk, match=found) as raised:
            AvroEncoder(Settings(tables=("public.items",)), wiped).prepare(TABLE, first.value)
        assert raised.value.code is Code.SR_ID_CONFLICT
        wiped.register("other-value", {"type": "record", "name": "Other", "fields": []})


def test_a_damaged_note_stops_us(registry: Remembering) -> None:
    for value in (b"", b"[]", b'{"x": "y"}', b"\xff"):
        with pytest.raises(DataAtRisk) as raised:
            encoder(registry).prepare(TABLE, value)
        assert raised.value.code is Code.PROGRESS_UNREADABLE


def test_names_that_avro_does_not_allow_are_carried_too(registry: Remembering) -> None:
    odd = Column("unit price", "bigint", nullable=False, base_oid=INT8, base_mod=-1)
    table = Table(1, "public", "items", (TABLE.columns[0], odd), ("id",))
    batch = pa.record_batch({"id": ["a"], "unit price": pa.array([3], pa.int64())})
    value = encoder(registry).encode(Rows(table, batch)).values[0]
    assert registry.read(value or b"") == {"id": "a", "unit_x20_price": 3}


def test_a_null_where_none_may_be_stops_the_table_without_its_values(
    registry: Remembering,
) -> None:
    rows = rows_of(TABLE, 0, 2)
    batch = rows.batch.set_column(1, "n", pa.array([1, None], pa.int64()))
    with pytest.raises(Unreadable) as raised:
        encoder(registry).encode(Rows(TABLE, batch))
    assert (raised.value.code, raised.value.where) == (Code.UNCARRIABLE, "public.items")
