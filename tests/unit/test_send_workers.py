"""Which worker sends which tables."""

import pytest

from rowferry.config import Settings
from rowferry.run.send_workers import own_share, worker_count

TABLES = ("public.a", "public.b", "public.c", "public.d", "public.e")


@pytest.mark.parametrize("workers", range(1, 8))
def test_each_table_has_one_worker_and_each_worker_a_table(workers: int) -> None:
    settings = Settings(tables=TABLES, workers=workers)
    count = worker_count(settings)
    shares = [own_share(settings, number).tables for number in range(1, count + 1)]
    assert count == min(workers, len(TABLES))
    assert sorted(table for share in shares for table in share) == list(TABLES)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
