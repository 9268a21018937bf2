"""The table has the latest version of each key, and no key that was deleted."""

from decimal import Decimal
from typing import Any

import pytest

from fix_load import PRODUCT, Quay
from rowferry.errors import Code, DataAtRisk

pytestmark = pytest.mark.real

ROWS = "SELECT id, name, price FROM products ORDER BY id"


def product(number: int, name: str, price: float | None = None, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": name, "price": price, **more}


def gone(number: int) -> dict[str, Any]:
    return {"id": number, "_op": "d"}


def test_the_latest_version_of_each_key_wins_and_deletes_delete(quay: Quay) -> None:
    # GIVEN versions of keys within a file, across files and across runs
    quay.create()
    quay.stage(product(1, "one", 1.25), product(2, "two"), product(1, "uno", 1.5))
    quay.stage(product(2, "due"), product(3, "three"), gone(3), gone(9))
    quay.commit()
    # WHEN they are loaded THEN the latest is there
    assert quay.load(load="upsert").rows == 7
    assert quay.query(ROWS) == [(1, "uno", Decimal("1.50")), (2, "due", None)]
    # WHEN later files update, delete and bring back THEN the table follows
    quay.stage(gone(1), product(3, "tre", 3), gone(2), product(2, "deux"))
    quay.stage(product(4, "vier"), product(4, "quatre", 4))
    quay.commit()
    assert quay.load(load="upsert").rows == 6
    assert quay.query(ROWS) == [
        (2, "deux", None),
        (3, "tre", Decimal(3)),
        (4, "quatre", Decimal(4)),
    ]
    assert quay.query("SELECT count(*) FROM products_staging") == [(0,)]
    # WHEN load runs again THEN nothing changes
    assert quay.load(load="upsert").files == 0
    assert quay.ledger() == {0: 13}


def test_a_truncate_marker_empties_what_its_partition_had_put_there(quay: Quay) -> None:
    # GIVEN rows of two partitions, some of them loaded
    quay.create(partitions=2)
    quay.stage(product(1, "a"), product(2, "b"))
    quay.stage(product(11, "x"), partition=1)
    quay.commit()
    quay.load(load="upsert")
    # WHEN one partition is truncated between rows of one batch
    quay.stage(product(3, "before"), {"_op": "t"}, product(2, "after"))
    quay.commit()
    quay.load(load="upsert")
    # THEN its rows from before are gone, those from behind and of the other partition are not
    assert quay.query("SELECT id, name FROM products ORDER BY id") == [(2, "after"), (11, "x")]


def test_a_row_as_one_variant_is_kept_whole(quay: Quay) -> None:
    quay.create()
    quay.stage(product(1, "one", 2.5, extra={"a": [1, None]}), product(2, "two"), gone(2))
    quay.commit()
    quay.load(load="upsert", load_columns="variant")
    assert quay.query("SELECT id, _row:name::text, _row:extra:a[0]::int FROM products") == [
        (1, "one", 1)
    ]
    quay.load(load_columns="variant", load_table="history")
    assert quay.query("SELECT _row:_op::text, count(*) FROM history GROUP BY 1 ORDER BY 1") == [
        ("d", 1),
        ("u", 2),
    ]


def test_a_table_gets_the_columns_that_its_source_gets(quay: Quay) -> None:
    # GIVEN a loaded table
    quay.create()
    quay.stage(product(1, "one"))
    quay.commit()
    quay.load(load="upsert")
    # WHEN the schema gets a column, and loses it again, before both files are loaded
    wider = {"name": "more", "type": ["null", "string"], "default": None}
    quay.register({**PRODUCT, "fields": [*PRODUCT["fields"], wider]})
    quay.stage(product(1, "uno", more="x"), product(2, "two", more="y"))
    other = {"name": "other", "type": ["null", "long"], "default": None}
    quay.register({**PRODUCT, "fields": [*PRODUCT["fields"], other]})
    quay.stage(product(3, "three", other=7))
    quay.commit()
    quay.load(load="upsert")
    # THEN the table has both, and each row its cells
    assert quay.query("SELECT id, name, more, other FROM products ORDER BY id") == [
        (1, "uno", "x", None),
        (2, "two", "y", None),
        (3, "three", None, 7),
    ]


def test_hostile_names_change_no_statement(quay: Quay) -> None:
    # GIVEN names that would end a text, an identifier or a statement
    evil = ['a"b', "it's", "back\\slash", "semi;colon -- x", "Übung", "a.b"]
    fields = [{"name": f"f{n}", "rowferry.name": e, "type": "string"} for n, e in enumerate(evil)]
    quay.create(schema={"type": "record", "name": "E", "fields": fields, "rowferry.key": evil[:2]})
    quay.stage(
        dict.fromkeys(evil, "first"),
        {**dict.fromkeys(evil, "'; DROP TABLE x --"), 'a"b': "first", "it's": "first"},
    )
    quay.commit()
    # WHEN they are loaded into a table with such a name THEN each is a column, exactly named
    quay.load(load="upsert", load_table='"we""ird; DROP {topic}"')
    name = f'"we""ird; DROP {quay.topic_name}"'
    told = quay.query(f"DESCRIBE TABLE {name}")
    assert {row[0] for row in told} >= set(evil)
    [row] = quay.query(f'SELECT "a""b", "it\'s", "back\\slash", "a.b" FROM {name}')
    assert row == ("first", "first", "'; DROP TABLE x --", "'; DROP TABLE x --")


UNFIT = [
    ({"_op": None}, {}, "ROWFERRY_METADATA"),
    ({"_op": "x"}, {}, "ROWFERRY_METADATA"),
    ({"_partition": None}, {}, "ROWFERRY_METADATA"),
    ({}, {"metadata": "_op=op,_partition,_offset"}, "ROWFERRY_METADATA"),
    ({"id": None}, {}, "ROWFERRY_LOAD_KEY"),
    ({"id": None, "_op": "d"}, {}, "ROWFERRY_LOAD_KEY"),
    ({"_op": "d"}, {"load_key": "name"}, "ROWFERRY_LOAD_KEY"),
]


@pytest.mark.parametrize(("more", "settings", "named"), UNFIT)
def test_a_line_that_merge_would_pass_over_is_told_and_the_ledger_stays(
    quay: Quay, more: dict[str, Any], settings: dict[str, Any], named: str
) -> None:
    # GIVEN a loaded row, and a line without its _op, its _partition or its key among others
    quay.create()
    quay.stage(product(1, "canary-cell"))
    quay.commit()
    quay.load(load="upsert")
    odd = {"id": 7000001, **more}
    quay.stage(product(2, "two"), odd)
    quay.commit()
    # WHEN it is to be loaded THEN the setting is named, no value is, and nothing is done
    with pytest.raises(DataAtRisk, match=named) as told:
        quay.load(load="upsert", **settings)
    assert told.value.code is Code.LINES_UNFIT
    assert "1 of 2 lines" in str(told.value) or settings.get("metadata")
    assert "7000001" not in str(told.value)
    assert (quay.ledger(), quay.query(ROWS)) == ({0: 1}, [(1, "canary-cell", None)])
    assert quay.query("SELECT count(*) FROM products_staging") == [(0,)]


def test_a_key_that_may_be_null_is_no_missing_one(quay: Quay) -> None:
    # GIVEN a key of a column that can be NULL, in rows and in a delete
    quay.create()
    quay.stage(product(1, "one"), {"id": 2, "name": None}, {"name": None, "_op": "d"})
    quay.commit()
    # WHEN they are loaded by it THEN NULL is a key as others are
    assert quay.load(load="upsert", load_key="name").rows == 3
    assert quay.query("SELECT id FROM products") == [(1,)]


def test_the_lines_of_a_truncate_marker_need_no_key(quay: Quay) -> None:
    quay.create()
    quay.stage(product(1, "one"), {"_op": "t", "_partition": None}, product(2, "two"))
    quay.commit()
    quay.load(load="upsert")
    assert quay.query("SELECT id FROM products") == [(2,)]
