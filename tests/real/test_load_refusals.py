"""What loading stops at, what it says then, and that nothing was loaded."""

from typing import Any

import pytest

from fix_load import PRODUCT, Quay
from rowferry.errors import (
    AccessDenied,
    Code,
    ConfigError,
    DataAtRisk,
    RowferryError,
    Unreadable,
)
from rowferry.run.load_script import script_of

pytestmark = pytest.mark.real

FULL_STAGE = "@analytics.ingest.product_ingestion_stage/ferry"


def numbered(*numbers: int) -> list[dict[str, object]]:
    return [{"id": number, "name": f"n{number}"} for number in numbers]


def refused(quay: Quay, code: Code, kind: type[RowferryError], **overrides: Any) -> str:
    with pytest.raises(kind) as told:
        quay.load(**overrides)
    assert told.value.code is code, told.value
    return str(told.value)


def test_a_hole_below_the_groups_position_is_told_and_nothing_is_loaded_past_it(
    quay: Quay,
) -> None:
    # GIVEN three files, of which somebody has removed the second
    quay.create()
    quay.stage(*numbered(1))
    lost = quay.stage(*numbered(2, 3))
    quay.stage(*numbered(4))
    del quay.fake.stage().files[f"ferry/{lost}"]
    # WHEN the group has not passed it THEN what is before it is loaded
    quay.commit(p0=1)
    assert quay.load().rows == 1
    # WHEN the group says that it is staged THEN the hole is named, and nothing behind it loaded
    quay.commit()
    assert "[1, 3)" in refused(quay, Code.INCOMPLETE, DataAtRisk)
    assert (quay.query("SELECT count(*) FROM products"), quay.ledger()) == ([(1,)], {0: 1})


def test_files_that_do_not_follow_on_the_ledger_are_refused(quay: Quay) -> None:
    # GIVEN a ledger that somebody has set into the middle of a file
    quay.create()
    quay.stage(*numbered(1))
    quay.commit()
    quay.load()
    quay.stage(*numbered(2, 3, 4))
    quay.commit()
    quay.query("UPDATE rowferry_ledger SET next_offset = 2")
    assert "[1, 4)" in refused(quay, Code.LEDGER_UNFIT, DataAtRisk)
    # WHEN it is set back below what is loaded THEN the person has asked for that once more
    quay.query("UPDATE rowferry_ledger SET next_offset = 1")
    assert quay.load().rows == 3


def test_another_count_of_rows_than_the_name_says_is_rolled_back(quay: Quay) -> None:
    quay.create()
    quay.stage(*numbered(1, 2), said=3)
    quay.commit()
    told = refused(quay, Code.LOAD_MISMATCH, DataAtRisk)
    assert "2 rows of files that have 3" in told
    assert (quay.query("SELECT count(*) FROM products"), quay.ledger()) == ([(0,)], {0: 0})


def test_a_row_that_does_not_fit_is_told_by_its_line_and_not_by_its_value(quay: Quay) -> None:
    quay.create()
    quay.stage(*numbered(1))
    quay.stage(*numbered(2), '{"id": "canary-cell", "name": ')
    quay.commit()
    told = refused(quay, Code.UNCARRIABLE, Unreadable)
    assert "canary-cell" not in told
    assert "00000000000000000003-2.json.gz line 2" in told
    assert (quay.query("SELECT count(*) FROM products"), quay.ledger()) == ([(0,)], {0: 0})


def test_a_column_that_would_round_is_refused_and_one_of_text_keeps_all(quay: Quay) -> None:
    # GIVEN a target that somebody has made, with too few digits
    quay.create()
    quay.stage({"id": 1, "price": 12.34})
    quay.commit()
    quay.query("CREATE TABLE products (id INT, price NUMBER(10,1))")
    assert "PRICE is NUMBER(10,1)" in refused(quay, Code.TARGET_UNFIT, ConfigError)
    # WHEN it is of text THEN the value is kept as its line has it
    quay.query("CREATE OR REPLACE TABLE products (id INT, price TEXT)")
    quay.load()
    assert quay.query("SELECT price FROM products") == [("12.34",)]


def test_a_topic_that_was_created_again_is_not_taken_for_the_old_one(quay: Quay) -> None:
    # GIVEN a loaded file, one more, and the topic created again
    quay.create()
    quay.stage(*numbered(1))
    quay.commit()
    quay.load()
    quay.stage(*numbered(2))
    admin = quay.kafka.admin()
    for future in admin.delete_topics([quay.topic_name]).values():
        future.result(20)
    quay.positions = {}
    quay.create(schema=None)
    quay.stage(*numbered(3))
    quay.commit()
    # WHEN it is loaded THEN a person is asked; by the person's word the old one goes first
    assert "created again" in refused(quay, Code.TOPIC_RECREATED, DataAtRisk)
    assert quay.load(accept_recreated=True).rows == 2
    assert quay.query("SELECT id FROM products ORDER BY id") == [(1,), (2,), (3,)]
    assert quay.load().rows == 0


def test_what_the_settings_lack_is_told(quay: Quay) -> None:
    quay.create(schema={**PRODUCT, "rowferry.key": []})
    quay.stage(*numbered(1))
    quay.commit()
    assert "ROWFERRY_LOAD_KEY" in refused(quay, Code.CONFIG, ConfigError, load="upsert")
    assert "ROWFERRY_LOAD:" in refused(quay, Code.CONFIG, ConfigError, load="off")
    assert "ROWFERRY_STAGE" in refused(quay, Code.CONFIG, ConfigError, stage="file:/tmp/x")
    metadata = {"load": "upsert", "load_key": "id", "metadata": "_offset"}
    assert "_op and _partition" in refused(quay, Code.CONFIG, ConfigError, **metadata)
    quay.load()
    quay.fake.stage().grants["LOADER"] = set()
    quay.stage(*numbered(2))
    quay.commit()
    assert "stage" in refused(quay, Code.STAGE_GONE, DataAtRisk)
    quay.fake.user.disabled = True
    assert "390101" in refused(quay, Code.SF_AUTH, AccessDenied)
    assert len([login for login in quay.fake.logins if login.error_code]) == 1


def test_rows_that_the_ledger_does_not_know_are_not_loaded_again(quay: Quay) -> None:
    # GIVEN a target that is named in full, and a loaded row
    quay.create()
    quay.stage(*numbered(1))
    quay.commit()
    full: dict[str, Any] = {"load_table": "analytics.ingest.products"}
    quay.load(**full)
    # WHEN the session's schema, and with it the ledger's, becomes another
    quay.query("CREATE SCHEMA other")
    moved = {**full, "snowflake_schema": "other", "stage": FULL_STAGE}
    told = refused(quay, Code.LEDGER_UNFIT, DataAtRisk, **moved)
    # THEN ledger, target and what to do are told, and nothing is loaded again
    assert '"ANALYTICS"."OTHER"."ROWFERRY_LEDGER"' in told
    assert '"ANALYTICS"."INGEST"."PRODUCTS"' in told
    assert "ROWFERRY_LOAD_LEDGER" in told
    assert quay.query("SELECT count(*) FROM products") == [(1,)]
    # WHEN the old ledger is named THEN loading goes on
    quay.stage(*numbered(2))
    quay.commit()
    assert quay.load(**moved, load_ledger="ingest.rowferry_ledger").rows == 1
    # WHEN there is nothing to be doubled THEN a ledger may begin anew
    quay.query("TRUNCATE TABLE products")
    assert quay.load(**moved).rows == 2


def test_a_table_with_rows_of_others_is_loaded_into_once_that_is_said(quay: Quay) -> None:
    # GIVEN a table that somebody else has filled
    quay.create()
    quay.query("CREATE TABLE products (id INT, name TEXT)")
    quay.query("INSERT INTO products VALUES (7, 'of others')")
    quay.stage(*numbered(1))
    quay.commit()
    assert "--print-ddl" in refused(quay, Code.LEDGER_UNFIT, DataAtRisk)
    # WHEN the statement that load --print-ddl shows is run
    lines = [line for line in script_of(quay.settings()) if line.startswith("--   INSERT INTO")]
    quay.query(lines[0].removeprefix("--   "))
    # THEN the rows are loaded beside them
    assert quay.load().rows == 1
    assert quay.query("SELECT id FROM products ORDER BY id") == [(1,), (7,)]
    # AND latest versions are merged without such a word
    quay.query("CREATE TABLE latest (id INT, name TEXT)")
    quay.query("INSERT INTO latest VALUES (1, 'of others'), (7, 'of others')")
    assert quay.load(load="upsert", load_table="latest").rows == 1
    assert quay.query("SELECT name FROM latest ORDER BY id") == [("n1",), ("of others",)]


def test_a_second_topic_goes_into_a_table_that_the_ledger_knows(quay: Quay) -> None:
    quay.create()
    quay.stage(*numbered(1))
    quay.commit()
    quay.load()
    quay.query("UPDATE rowferry_ledger SET topic = 'another'")
    assert quay.load().rows == 1
