"""The SQL of a target: typed columns or one VARIANT, every version or the latest, Snowpipe."""

from typing import Any

from rowferry.config import Settings
from rowferry.flow.stage.load_statements import LoadTarget
from rowferry.flow.stage.load_targets import target_of

PRODUCT: dict[str, Any] = {
    "type": "record",
    "name": "Product",
    "rowferry.key": ["product_id"],
    "fields": [
        {"name": "product_id", "type": "string"},
        {
            "name": "price",
            "type": [
                "null",
                {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
            ],
        },
        {"name": "updated", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
META = ['"_OP" VARCHAR', '"_PARTITION" NUMBER(38,0)', '"_OFFSET" NUMBER(38,0)']


def target(**overrides: Any) -> LoadTarget:
    own = {
        "tables": "public.products",
        "stage": "@stage/prefix",
        "load": "append",
        "snowflake_database": "raw",
        "snowflake_schema": "public",
    }
    return target_of(Settings.model_validate({**own, **overrides}), "products_updates", [PRODUCT])


def test_each_column_has_its_type_and_the_metadata_theirs() -> None:
    sql = target().create_table()
    assert sql.startswith('CREATE TABLE IF NOT EXISTS "RAW"."PUBLIC"."PRODUCTS" (')
    typed = ['"PRODUCT_ID" VARCHAR', '"PRICE" NUMBER(10,2)', '"UPDATED" TIMESTAMP_TZ(6)']
    for column in (*typed, *META):
        assert column in sql


def test_the_latest_has_no_op_and_goes_by_its_key() -> None:
    latest = target(load="upsert")
    assert '"_OP"' not in latest.create_table()
    merge = latest.merge()
    assert 'ON t."PRODUCT_ID" = s."PRODUCT_ID"' in merge
    assert "THEN DELETE" in merge
    assert 'CREATE TRANSIENT TABLE IF NOT EXISTS "RAW"."PUBLIC"."PRODUCTS_STAGING"' in (
        latest.create_staging()
    )


def test_a_row_may_be_one_variant_and_the_key_beside_it() -> None:
    every, latest = target(load_columns="variant"), target(load="upsert", load_columns="variant")
    assert [column.name for column in every.columns] == ["_ROW"]
    assert [column.name for column in latest.columns][:2] == ["PRODUCT_ID", "_ROW"]
    assert '"_ROW" VARIANT' in every.create_table()


def test_snowpipe_takes_the_same_files_into_the_same_columns() -> None:
    pipe = target().pipe("products_updates/")
    assert pipe.startswith('CREATE PIPE IF NOT EXISTS "RAW"."PUBLIC"."PRODUCTS_PIPE" AS COPY INTO ')
    assert "'@stage/prefix/products_updates/'" in pipe
    assert '$1:"price"::NUMBER(10,2)' in pipe
    assert "FORCE" not in pipe
    assert target(load_columns="variant").pipe("t/").count("SELECT $1 FROM") == 1
