"""Partitions that come and go between the slices of a poll, on a real server."""

import pytest

from capture_desk import Desk, settings_for
from fix_stack import Database

pytestmark = pytest.mark.real

PARENT = """
CREATE TABLE t (id int PRIMARY KEY, v int, updated timestamptz DEFAULT now())
  PARTITION BY RANGE (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100);
CREATE TABLE t2 (LIKE t INCLUDING ALL);
"""
ATTACH = "ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (100) TO (200)"
DETACH = "ALTER TABLE t DETACH PARTITION t2"


@pytest.fixture
def desk(database: Database) -> Desk:
    """A capture in slices of ten rows that has nothing left to do."""
    database.execute(PARENT)
    desk = Desk(settings_for(database, slice_rows=10)).open()
    desk.settle()
    return desk


def test_a_partition_that_is_away_for_the_last_slices_is_loaded_when_it_is_back(
    desk: Desk, database: Database
) -> None:
    # GIVEN a poll of two partitions of which the first slices are sent
    database.execute(ATTACH)
    desk.settle()
    database.execute(
        "INSERT INTO t SELECT i, i FROM generate_series(1, 50) i;"
        "INSERT INTO t SELECT i, i FROM generate_series(101, 110) i"
    )
    desk.tick(give_up_at=2)
    # WHEN the second partition is away while the others follow, and is back before the next poll
    database.execute(DETACH)
    while len(desk.values()) < 50:
        desk.tick()
    assert sorted(desk.values()) == list(range(1, 51))
    database.execute(ATTACH)
    desk.settle()
    # THEN its rows arrive
    assert sorted(desk.values()) == [*range(1, 51), *range(101, 111)]


def test_a_partition_that_is_attached_between_slices_arrives_once(
    desk: Desk, database: Database
) -> None:
    # GIVEN a transaction that wrote to a partition and to what becomes one, half of it sent
    database.execute(
        "BEGIN; INSERT INTO t SELECT i, i FROM generate_series(1, 50) i;"
        "INSERT INTO t2 SELECT i, i FROM generate_series(101, 110) i; COMMIT"
    )
    desk.tick(give_up_at=2)
    # WHEN it is attached
    database.execute(ATTACH)
    desk.crash()
    desk.settle()
    # THEN each row arrives once
    assert sorted(desk.values()) == [*range(1, 51), *range(101, 111)]
