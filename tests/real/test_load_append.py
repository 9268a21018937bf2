"""Every version of a row is in the table once: the ledger moves with the rows."""

from decimal import Decimal

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
