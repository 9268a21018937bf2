"""What plan measures of a table: rows by the time of their change, the size of a line."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from fix_stack import Database
from rowferry.config import Settings
from rowferry.flow.capture.catalog import read_table
from rowferry.flow.capture.postgres import connected
from rowferry.proof.traffic import Traffic, traffic_of

pytestmark = pytest.mark.real

Measure = Callable[..., Traffic]


@pytest.fixture
def measure(stack_settings: Callable[..., Settings]) -> Iterator[Measure]:
    settings = stack_settings(tables="public.t")
    with closing(connected(settings)) as session:

        def measured(column: str | None = "at", **overrides: object) -> Traffic:
            own = stack_settings(tables="public.t", **overrides)
            return traffic_of(session, read_table(session, "public", "t", column), own)

        yield measured


def fill(database: Database, kind: str, now: str) -> None:
    """Three rows of the last hour, four more of the day, one of last week, one of the future."""
    database.execute(f"CREATE TABLE t (id int PRIMARY KEY, name text, at {kind})")
    database.execute(
        f"INSERT INTO t SELECT n, repeat('x', 100), {now} - ago::interval FROM unnest(ARRAY["
        "'1s', '10m', '50m', '2h', '5h', '9h', '20h', '7d']) WITH ORDINALITY AS a(ago, n)"
    )
    database.execute("INSERT INTO t VALUES (9, 'canary-cell', NULL)")


def test_rows_are_counted_by_the_time_of_their_change(database: Database, measure: Measure) -> None:
    fill(database, "timestamptz", "now()")
    database.execute("INSERT INTO t VALUES (10, NULL, now() + interval '3 days')")
    traffic = measure()
    assert (traffic.rows_last_hour, traffic.rows_last_day) == (3, 7)
    assert 100 < traffic.line_bytes < 300
    assert 0 < traffic.compressed_bytes < traffic.line_bytes / 2
    assert measure(filter="id > 1").rows_last_day == 6
    # AND without such a column nothing is known of its changes
    assert measure(column=None).rows_last_day is None


@pytest.mark.parametrize("zone", ["Asia/Tokyo", None])
def test_local_times_are_counted_as_such(
    database: Database, measure: Measure, zone: str | None
) -> None:
    fill(database, "timestamp", "(now() AT TIME ZONE 'Asia/Tokyo')")
    known = {} if zone is None else {"timestamp_zone": zone}
    traffic = measure(**known)
    assert (traffic.rows_last_hour, traffic.rows_last_day) == (3, 7)


def test_an_empty_table_and_one_of_days_are_measured_too(
    database: Database, measure: Measure
) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, at date)")
    assert measure() == Traffic(0, 0, 0, 0)
    database.execute("INSERT INTO t VALUES (1, now() - interval '3 days'), (2, now())")
    assert measure().rows_last_day == 1
