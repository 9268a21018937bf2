"""The shop's traffic is what the proofs need: hard, and known exactly."""

from decimal import Decimal

import pytest

from fix_stack import Database
from rowferry.stack.shop import Shop, Traffic
from rowferry.stop import Stop

pytestmark = pytest.mark.real


def test_the_shop_opens_with_thirty_exact_rows_and_more(database: Database) -> None:
    # WHEN
    shop = Shop(database.dsn)
    assert shop.open(rows=1000) == 1030
    # THEN
    assert shop.committed() == 1030
    rows = database.query("SELECT name, price FROM products WHERE product_id = 'S0006'")
    assert rows == [("Samovar, silver-plated", Decimal("99999999.99"))]
    micros = "SELECT count(DISTINCT updated_timestamp) FROM products WHERE product_id LIKE 'S%'"
    assert database.query(micros) == [(30,)]


def test_each_committed_version_is_known_and_no_other(database: Database) -> None:
    # GIVEN a shop that trades in every way
    shop = Shop(database.dsn, Traffic(writers=4, seed=7, prepared=True, changes_per_second=400))
    before = shop.open()
    # WHEN it traded for a while
    takings = shop.trade(4)
    # THEN what the writers saw committed is what the database kept
    assert shop.committed() == before + takings.versions
    assert takings.versions > 100
    assert min(takings.rolled_back, takings.late, takings.with_savepoints, takings.prepared) > 0
    # AND each row is as its last version says, in every column
    strangers = (
        "SELECT count(*) FROM products LEFT JOIN LATERAL (SELECT product FROM "
        "shop.product_versions v WHERE (v.product).product_id = products.product_id "
        "ORDER BY version DESC LIMIT 1) AS last ON true WHERE product IS DISTINCT FROM products"
    )
    assert database.query(strangers) == [(0,)]


def test_some_rows_commit_after_later_ones(database: Database) -> None:
    shop = Shop(database.dsn, Traffic(writers=2, changes_per_second=100))
    shop.open()
    shop.trade(2)
    # The idle transaction's row is older than most, and among the last to be committed.
    late = (
        "SELECT count(*) FROM products WHERE updated_timestamp > "
        "(SELECT updated_timestamp FROM products WHERE product_id LIKE 'L%')"
    )
    [(younger,)] = database.query(late)
    assert younger > 0


def test_a_stop_ends_trading_at_once(database: Database) -> None:
    shop = Shop(database.dsn, Traffic(changes_per_second=10))
    shop.open()
    stop = Stop()
    stop.request()
    takings = shop.trade(60, stop)
    assert takings.transactions == 1  # the one that was open
    assert database.query("SELECT count(*) FROM products") == [(31,)]
