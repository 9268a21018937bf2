"""Table → Avro schemas, as the settings want them named."""

from dataclasses import replace
from typing import Any

import fastavro
import pytest

from copy_bytes import copy_of
from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.flow.encode.schema import key_schema, record_name_of, value_schema
from rowferry.kernel.avro import AvroCodec
from rowferry.kernel.copy import CopyReader
from rowferry.model import Column, Table
from rowferry.types import restored, wire_of
from wires import NESTED, PLACE, PRODUCTS, SCALARS, column

REQUIRED: dict[str, Any] = {
    "postgres_user": "u",
    "postgres_db": "d",
    "postgres_password": "p",
    "kafka_server": "k:9092",
    "schema_server": "http://localhost:8081",
}
TABLE = Table(1, "public", "products", PRODUCTS, ("product_id",))


def settings(**given: Any) -> Settings:
    return Settings.model_validate({**REQUIRED, **given})


def test_the_first_users_record_has_their_name_namespace_and_fields() -> None:
    schema = value_schema(
        TABLE, settings(record_name="Product", namespace="com.buyonline.products")
    )
    assert (schema["name"], schema["namespace"]) == ("Product", "com.buyonline.products")
    price = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
    assert schema["fields"] == [
        {"name": "product_id", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "category", "type": ["null", "string"], "default": None},
        {"name": "price", "type": ["null", price], "default": None},
        {
            "name": "updated_timestamp",
            "type": {"type": "long", "logicalType": "timestamp-micros"},
        },
    ]


def test_the_keys_columns_stand_in_the_value_schema() -> None:
    table = replace(TABLE, key=("name", "product_id"))
    assert value_schema(table, settings())["rowferry.key"] == ["name", "product_id"]


def test_a_tables_own_settings_come_first() -> None:
    own = {"public.products": {"record_name": "Own", "namespace": "own.{schema}.{table}"}}
    given = settings(record_name="General", namespace="general", table=own)
    assert record_name_of(TABLE, given) == ("Own", "own.public.products")


def test_names_come_from_the_table_where_nothing_is_set() -> None:
    table = replace(TABLE, schema="my shop", name="order lines")
    schema = value_schema(table, settings())
    assert schema["namespace"] == "rowferry.my_x20_shop"
    assert (schema["name"], schema["rowferry.name"]) == ("order_x20_lines", "order lines")


def test_a_columns_comment_is_its_doc() -> None:
    table = replace(TABLE, columns=(replace(PRODUCTS[0], comment="What the shop calls it"),))
    assert value_schema(table, settings())["fields"][0]["doc"] == "What the shop calls it"


@pytest.mark.parametrize(
    ("pg_type", "oid", "default", "expected"),
    [
        ("integer", 23, "7", {"default": 7}),
        ("integer", 23, "'-7'::integer", {"default": -7}),
        ("integer", 23, "nextval('s'::regclass)", {}),
        ("bigint", 20, "'9223372036854775808'::bigint", {}),
        ("text", 25, "'it''s'::text", {"default": "it's"}),
        ("text", 25, "('a'::text || 'b'::text)", {}),
        ("text", 25, "CURRENT_USER", {}),
        ("boolean", 16, "false", {"default": False}),
        ("date", 1082, "'2026-01-01'::date", {}),
        ("mood", 99_999, "'happy'::mood", {}),
    ],
)
def test_a_required_columns_constant_default_is_the_schemas(
    pg_type: str, oid: int, default: str, expected: dict[str, Any]
) -> None:
    # so that adding the column stays compatible; what is no constant stays out
    required = column("c", pg_type, oid, nullable=False, default=default)
    field = value_schema(replace(TABLE, columns=(*PRODUCTS, required)), settings())["fields"][-1]
    assert {k: v for k, v in field.items() if k == "default"} == expected
    fastavro.parse_schema({"type": "record", "name": "r", "fields": [field]})


def test_every_types_schema_parses() -> None:
    columns = (*SCALARS, *NESTED, column("a place", "place", 5, fields=PLACE.fields))
    schema = value_schema(Table(1, "s", "t", columns, ("int8",)), settings())
    parsed = fastavro.parse_schema(schema)
    assert isinstance(parsed, dict)
    assert len(parsed["fields"]) == len(columns)


def test_a_single_text_key_is_plain_text_and_any_other_is_avro() -> None:
    assert key_schema(TABLE, settings()) is None
    integer = replace(TABLE, columns=SCALARS, key=("int8",))
    schema = key_schema(integer, settings(record_name="Product"))
    assert schema is not None
    assert (schema["name"], schema["fields"]) == ("ProductKey", [{"name": "int8", "type": "long"}])
    both = key_schema(replace(TABLE, key=("name", "product_id")), settings())
    assert both is not None
    assert [field["name"] for field in both["fields"]] == ["name", "product_id"]


def test_the_settings_choose_the_keys_form() -> None:
    avro = key_schema(TABLE, settings(key_format="avro"))
    assert avro is not None
    assert avro["fields"] == [{"name": "product_id", "type": "string"}]
    integer = replace(TABLE, columns=SCALARS, key=("int8",))
    assert key_schema(integer, settings(key_format="text")) is None
    with pytest.raises(ConfigError, match="ROWFERRY_KEY_FORMAT"):
        key_schema(replace(TABLE, key=("name", "product_id")), settings(key_format="text"))


EXACT = ("bool", "int2", "int4", "int8", "oid", "text", "uuid")


@pytest.mark.parametrize("key", SCALARS + NESTED, ids=lambda key: key.name)
def test_a_key_is_text_only_where_no_other_value_has_the_same(key: Column) -> None:
    # GIVEN infinity among timestamps, numbers with an exponent, bytes that are no UTF-8 …
    table = replace(TABLE, columns=(key,), key=(key.name,))
    wanted = settings(key_format="text")
    if key.name in EXACT:
        assert key_schema(table, wanted) is None
        return
    # THEN a text of such a key is refused, and Avro is not
    with pytest.raises(ConfigError, match="ROWFERRY_KEY_FORMAT") as refused:
        key_schema(table, wanted)
    assert (refused.value.code, refused.value.where) == (Code.TABLE_UNFIT, "public.products")
    assert key.pg_type in refused.value.what
    assert key_schema(table, settings(key_format="auto")) is not None


def test_a_column_named_like_a_metadata_field_is_refused_with_the_setting_to_change() -> None:
    table = replace(TABLE, columns=(*PRODUCTS, column("_op", "text", 25)))
    with pytest.raises(ConfigError, match=r"_op.*ROWFERRY_METADATA") as refused:
        value_schema(table, settings())
    assert refused.value.exit_code == 2
    renamed = settings(metadata="_op=_operation, _offset")
    assert value_schema(table, renamed)["fields"][-1]["name"] == "_op"


def test_columns_have_the_types_that_the_codec_has_for_the_schema() -> None:
    columns = (*SCALARS, *NESTED)
    schema = value_schema(Table(1, "s", "t", columns, ("int8",)), settings())
    assert AvroCodec(schema).arrow_schema.types == [wire_of(each).arrow_type for each in columns]


def test_decoded_batches_get_their_names_back_inside_composites_too() -> None:
    # GIVEN columns and fields whose names Avro does not allow
    columns = (column("a place", "place", 5, fields=PLACE.fields), *NESTED)
    schema = value_schema(Table(1, "s", "t", columns, ("a place",)), settings())
    wires = [wire_of(each) for each in columns]
    values: list[Any] = [{"id": 1, "the_x20_name": "x"}, [1], [["a"]], None]
    rows: list[list[Any]] = [
        [*values, [{"id": 2, "the_x20_name": "y"}, None], [("k", None)]],
        [None] * 6,
    ]
    codec = AvroCodec(schema)
    named = CopyReader(wires).read(copy_of(wires, rows)).rename_columns(codec.arrow_schema.names)
    # WHEN they went through Avro
    decoded = restored(codec.decode(codec.encode(named, 1)).batch, schema)
    # THEN names are PostgreSQL's, and values as before
    assert decoded.schema.names == [each.name for each in columns]
    assert decoded.column(0).to_pylist() == [{"id": 1, "the name": "x"}, None]
    assert decoded.column(4).to_pylist() == [[{"id": 2, "the name": "y"}, None], None]
    assert decoded.column(5).to_pylist() == [[("k", None)], None]
