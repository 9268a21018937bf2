"""Every version of a row is in the table once: the ledger moves with the rows."""

from decimal import Decimal
from typing import Any

import pytest

from fix_load import Quay

pytestmark = pytest.mark.real


def product(number: int) -> dict[str, object]:
    return {"id": number, "name": f"Näme {number}", "price": number / 4}


def test_each_staged_row_is_loaded_once_however_often_load_runs(quay: Quay) -> None:
    # GIVEN files of two partitions, two of one, and one without a line
    quay.create(partitions=2)
    quay.stage(product(1), product(2))
    quay.stage()
    quay.stage(product(3))
    quay.stage(product(4), partition=1)
    quay.commit()
    # WHEN it is loaded
    loaded = quay.load()
    # THEN each row is there, in its columns
    assert (loaded.files, loaded.rows) == (4, 4)
    rows = quay.query('SELECT id, name, price, _partition, "_OFFSET" FROM products ORDER BY id')
    assert rows[0] == (1, "Näme 1", Decimal("0.25"), 0, 0)
    assert [(row[0], *row[3:]) for row in rows] == [(1, 0, 0), (2, 0, 1), (3, 0, 3), (4, 1, 0)]
    assert quay.ledger() == {0: 4, 1: 1}
    # WHEN it is loaded again THEN nothing is, also where Snowflake's own memory of files is gone
    assert quay.load().files == 0
    quay.fake.clock.advance(days=65)
    assert quay.load().files == 0
    # WHEN more is staged THEN that is loaded
    quay.stage(product(5))
    quay.commit()
    assert quay.load().rows == 1
    assert quay.query("SELECT count(*), count(DISTINCT id) FROM products") == [(5, 5)]


SET_BY_AN_ACCOUNT = [
    ("DATE_INPUT_FORMAT", "DD/MM/YYYY"),
    ("TIME_INPUT_FORMAT", "HH12:MI AM"),
    ("TIMESTAMP_INPUT_FORMAT", "DD/MM/YYYY HH24:MI"),
    ("QUOTED_IDENTIFIERS_IGNORE_CASE", "TRUE"),
    ("ROWS_PER_RESULTSET", "1"),
]
MEETING: dict[str, Any] = {
    "type": "record",
    "name": "Meeting",
    "fields": [
        {"name": "Room", "type": "string"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "hour", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "made", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
    ],
}


@pytest.mark.parametrize(("name", "value"), SET_BY_AN_ACCOUNT)
def test_what_an_account_sets_for_its_sessions_changes_nothing(
    quay: Quay, name: str, value: str
) -> None:
    # GIVEN an account with a parameter of its own, and two files
    quay.fake.account.parameters[name] = value
    quay.create(schema=MEETING)
    times = {"day": "2026-12-24", "hour": "18:30:00", "made": "2026-11-24T15:04:05.123456"}
    quay.stage({"Room": "blue", **times})
    quay.stage({"Room": "red", **times})
    quay.commit()
    # WHEN they are loaded
    loaded = quay.load()
    # THEN all are there, as on any account
    quay.fake.account.parameters.clear()
    assert (loaded.files, loaded.rows) == (2, 2)
    assert quay.query('SELECT "Room", day::text, hour::text FROM products ORDER BY 1') == [
        ("blue", "2026-12-24", "18:30:00"),
        ("red", "2026-12-24", "18:30:00"),
    ]
