"""Columns as the settings want them carried: in schemas, in bytes, in names."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from copy_bytes import HEADER, TRAILER, prefixed
from rowferry.config import Settings
from rowferry.errors import ConfigError
from rowferry.flow.capture.statements import Statements
from rowferry.flow.capture.treatments import treated
from rowferry.flow.encode.masks import Masks
from rowferry.flow.encode.schema import key_schema, value_schema
from rowferry.kernel.avro import AvroCodec
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.lines import encode_lines
from rowferry.lint import lint
from rowferry.model import Column, Table
from rowferry.types import select_expression, wire_of
from wires import NESTED, PRODUCTS, SCALARS, column, numeric

TABLE = Table(1, "public", "products", PRODUCTS, ("product_id",), "updated_timestamp")
NAME = "public.products"
NAN = bytes.fromhex("0000 0000 c000 0000")
FIRST_USERS = {
    "type": "record",
    "name": "Product",
    "namespace": "com.buyonline.products",
    "fields": [
        {"name": "product_id", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "category", "type": "string"},
        {"name": "price", "type": "double"},
        {"name": "updated_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


def settings(columns: dict[str, Any], **given: Any) -> Settings:
    own = {"columns": columns, **given.pop("own", {})}
    return Settings.model_validate({"table": {NAME: own}, **given})


def of(name: str, **treatment: Any) -> Column:
    table = treated(TABLE, settings({name: treatment}))
    return next(each for each in table.columns if each.name == name)


def test_an_existing_subject_is_met_to_the_letter() -> None:
    columns = {
        "category": {"required": True},
        "price": {"as": "double", "required": True},
        "updated_timestamp": {"as": "timestamp-millis"},
    }
    own = {"record_name": "Product", "namespace": "com.buyonline.products", "properties": False}
    given = settings(columns, own=own)
    assert value_schema(treated(TABLE, given), given) == FIRST_USERS


def test_a_dropped_column_is_neither_read_nor_in_the_schema() -> None:
    given = settings({"price": {"drop": True}, "updated_timestamp": {"drop": True}})
    table = treated(TABLE, given)
    names = [field["name"] for field in value_schema(table, given)["fields"]]
    assert names == ["product_id", "name", "category"]
    # the timestamp still finds the rows
    statements = Statements(table, None, None)
    assert [wire.name for wire in statements.wires] == names
    assert '"updated_timestamp" >= ' in statements._at_least(0)


def test_a_renamed_column_has_its_new_name_in_schemas_and_keys() -> None:
    given = settings({"product_id": {"rename": "id"}}, key_format="avro")
    table = treated(TABLE, given)
    schema = value_schema(table, given)
    assert (schema["fields"][0]["name"], schema["rowferry.key"]) == ("id", ["id"])
    key = key_schema(table, given)
    assert key is not None
    assert [field["name"] for field in key["fields"]] == ["id"]


@pytest.mark.parametrize("treatment", [{"mask": "hmac"}, {"truncate": 2}])
def test_what_is_masked_is_not_shown_by_its_default_in_the_schema(
    treatment: dict[str, Any],
) -> None:
    # GIVEN a text that is there where nobody gave another, and is not to be read
    secret = column("name", "text", 25, nullable=False, default="'secret'::text")
    table = replace(TABLE, columns=(PRODUCTS[0], secret))
    given = settings({"name": treatment})
    # THEN
    [_, field] = value_schema(treated(table, given), given)["fields"]
    assert field == {"name": "name", "type": "string"}


@pytest.mark.parametrize(
    ("name", "treatment", "said"),
    [
        ("product_id", {"drop": True}, "primary key cannot be dropped"),
        ("name", {"as": "double"}, "no double"),
        ("price", {"as": "timestamp-millis"}, "no timestamp-millis"),
        ("name", {"as": "decimal(10,2)"}, r"no decimal\(10,2\)"),
        ("price", {"as": "decimal(77,2)"}, "more digits"),
        ("price", {"as": "double", "truncate": 3}, "masked is text"),
        ("name", {"rename": "category"}, "two columns"),
        ("none", {"drop": True}, "no such column"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(
    name: str, treatment: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        treated(TABLE, settings({name: treatment}))
    assert refused.value.where == NAME


def test_contradictions_of_a_columns_settings_are_told_at_once() -> None:
    columns: dict[str, Any] = {
        "name": {"mask": "hmac", "truncate": 3},
        "category": {"drop": True, "rename": "x"},
    }
    said = " ".join(lint(settings(columns), ()))
    assert "exclude each other" in said
    assert "no other settings" in said
    assert "ROWFERRY_MASK_KEY_FILE: required" in said


def test_masks_hash_with_the_key_or_cut_off_and_null_stays_null(tmp_path: Path) -> None:
    # GIVEN
    key = tmp_path / "key"
    key.write_text("secret\n")
    key.chmod(0o600)
    columns: dict[str, Any] = {"name": {"mask": "hmac"}, "category": {"truncate": 2}}
    given = settings(columns, mask_key_file=str(key))
    table = treated(TABLE, given)
    wires = [wire_of(each) for each in table.columns]
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(["p", "q"]),
            pa.array(["é", None]),
            pa.array(["äöü", None]),
            pa.array([None, None], wires[3].arrow_type),
            pa.array([0, 0], wires[4].arrow_type),
        ],
        names=[wire.name for wire in wires],
    )
    # WHEN
    masked = Masks(given).masked(table, batch)
    # THEN
    digest = hmac.new(b"secret", "é".encode(), hashlib.sha256).hexdigest()
    assert masked.column("name").to_pylist() == [digest, None]
    assert masked.column("category").to_pylist() == ["äö", None]
    assert masked.column("product_id").to_pylist() == ["p", "q"]
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="others may use"):
        Masks(given).masked(table, batch)


def test_what_is_masked_is_read_as_text() -> None:
    wire = wire_of(of("price", truncate=3))
    assert (wire.arrow_type, select_expression(wire, "x")) == (pa.utf8(), "x::text")


def test_milliseconds_are_cut_off_and_infinities_stay() -> None:
    wire = wire_of(of("updated_timestamp", **{"as": "timestamp-millis"}))
    raw = [-1, 1999, 2**63 - 1, -(2**63)]
    micros = wire_of(PRODUCTS[4])
    fields = [number.to_bytes(8, "big", signed=True) for number in raw]
    assert wire.arrow_type == pa.timestamp("ms", "UTC")
    read = CopyReader([wire]).read(_copied(fields)).column(0).cast(pa.int64()).to_pylist()
    as_micros = CopyReader([micros]).read(_copied(fields)).column(0).cast(pa.int64()).to_pylist()
    assert read == [as_micros[0] // 1000, as_micros[1] // 1000, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize(
    ("specials", "line"), [("null", b'{"n":null}\n'), ("string", b'{"n":"NaN"}\n')]
)
def test_nan_in_a_decimal_is_null_or_text_where_the_settings_say_so(
    specials: str, line: bytes
) -> None:
    table = replace(TABLE, columns=(replace(numeric("n", 10, 2), nullable=False),), key=())
    given = settings({}, numeric_special=specials)
    wanted = treated(table, given)
    batch = CopyReader([wire_of(wanted.columns[0])]).read(_copied([NAN]))
    assert bytes(encode_lines(batch).whole) == line
    field = value_schema(wanted, given)["fields"][0]
    assert field["type"] == "string" if specials == "string" else "null" in field["type"]


def test_all_arrays_are_text_where_the_settings_say_so() -> None:
    given = settings({}, arrays="text")
    table = treated(replace(TABLE, columns=NESTED), given)
    text = {c.name for c in table.columns if wire_of(c).arrow_type == pa.utf8()}
    assert text == {"ints", "texts", "places"}


def test_a_single_hosts_address_is_as_its_output_function_has_it() -> None:
    wire = wire_of(column("ip", "inet", 869))
    assert select_expression(wire, "x") == "abbrev(x)"
    array = wire_of(column("ips", "inet[]", 1041, element_oid=869, dimensions=1))
    assert select_expression(array, "x") == "x::text::text[]"
    assert wire.as_text


def test_untreated_tables_stay_as_they_are() -> None:
    table = replace(TABLE, columns=(*SCALARS, *NESTED))
    assert treated(table, settings({})) == table


def _copied(fields: list[bytes]) -> list[bytes]:
    return [HEADER, *(b"\0\1" + prefixed(each) for each in fields), TRAILER]


def test_the_first_users_consumer_reads_rows_of_its_subject() -> None:
    # GIVEN the subject's schema, met by the settings, and a consumer that knows only it
    columns = {
        "category": {"required": True},
        "price": {"as": "double", "required": True},
        "updated_timestamp": {"as": "timestamp-millis"},
    }
    own = {"record_name": "Product", "namespace": "com.buyonline.products", "properties": False}
    given = settings(columns, own=own)
    registry = SchemaRegistryClient.new_client({"url": "mock://"})
    schema_id = registry.register_schema("s-value", Schema(json.dumps(FIRST_USERS), "AVRO"))
    table = treated(TABLE, given)
    wires = [wire_of(each) for each in table.columns]
    millis = int(datetime(2026, 11, 24, 15, 4, 5, 123_000, UTC).timestamp() * 1000)
    values = (["p1"], ["Tea"], ["Drinks"], [9.99], [millis])
    batch = pa.RecordBatch.from_arrays(
        [pa.array(v, w.arrow_type) for v, w in zip(values, wires, strict=True)],
        names=[wire.name for wire in wires],
    )
    # WHEN
    [message] = AvroCodec(value_schema(table, given)).encode(batch, schema_id)
    # THEN
    read = AvroDeserializer(registry, json.dumps(FIRST_USERS))
    assert read(message, SerializationContext("s", MessageField.VALUE)) == {
        "product_id": "p1",
        "name": "Tea",
        "category": "Drinks",
        "price": 9.99,
        "updated_timestamp": datetime(2026, 11, 24, 15, 4, 5, 123_000, UTC),
    }


MOODS = ("sad", "so_so")


def mood(**changes: Any) -> Column:
    return replace(column("name", "mood", 99_001), labels=MOODS, nullable=False, **changes)


def test_an_enum_is_one_in_avro_where_the_settings_say_so() -> None:
    given = settings({"name": {"as": "enum"}})
    table = treated(replace(TABLE, columns=(mood(default="'so_so'::mood"),), key=()), given)
    # THEN its labels are the symbols, in order, under a name of the column's own
    schema = value_schema(table, given)
    kind = {"name": "name", "type": "enum", "symbols": [*MOODS]}
    field = {"name": "name", "type": {**kind, "namespace": "rowferry.public.products"}}
    assert schema["fields"] == [{**field, "default": "so_so"}]
    # AND what is read, sent, received and written is the label
    wire = wire_of(table.columns[0])
    assert select_expression(wire, "x") == "x"
    batch = CopyReader([wire]).read(_copied([b"so_so", b"sad"]))
    codec = AvroCodec(schema)
    [first, _] = messages = codec.encode(batch, 1)
    assert first[5:] == b"\x02"
    assert bytes(encode_lines(codec.decode(messages).batch).whole) == (
        b'{"name":"so_so"}\n{"name":"sad"}\n'
    )


def test_an_enum_is_text_by_default_and_its_labels_are_no_part_of_the_table() -> None:
    table = treated(replace(TABLE, columns=(mood(),), key=()), settings({}))
    assert table.columns[0].labels == ()
    assert value_schema(table, settings({}))["fields"][0]["type"] == "string"


@pytest.mark.parametrize("label", ["so so", "1st", "süß", "", "-"])
def test_a_label_that_avro_does_not_allow_is_told(label: str) -> None:
    given = settings({"name": {"as": "enum"}})
    odd = replace(mood(), labels=("sad", label))
    with pytest.raises(ConfigError, match="no name that Avro allows") as refused:
        treated(replace(TABLE, columns=(odd,), key=()), given)
    assert repr(label) in refused.value.what


def test_what_is_no_enum_does_not_become_one() -> None:
    for name in ("name", "price"):
        with pytest.raises(ConfigError, match="is no enum"):
            treated(TABLE, settings({name: {"as": "enum"}}))
