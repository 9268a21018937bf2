"""What freshness costs: the arithmetic, at its edges."""

import pytest

from rowferry.proof.cost import CREDITS_A_GIGABYTE, Flow, costs_of

DAY = 86_400
LARGE = 100_000_000


def test_a_busy_table_makes_a_file_of_each_partition_every_so_often() -> None:
    # GIVEN a thousand rows a second on four partitions
    busy = Flow(1000 * DAY, partitions=4, line_bytes=200, compressed_bytes=40)
    # WHEN
    second, minute, minutes = costs_of([busy], LARGE, load_seconds=10)
    # THEN files are as many as the freshness makes, requests two for each
    assert second.files == pytest.approx(4 * DAY, rel=0.01)
    assert minute.files == pytest.approx(4 * DAY / 60, rel=0.01)
    assert minutes.files == pytest.approx(4 * DAY / 600, rel=0.01)
    assert second.requests == pytest.approx(2 * second.files, abs=1)
    assert minutes.file_bytes == pytest.approx(1000 * 600 * 40 / 4, rel=0.01)
    # AND the warehouse sleeps only where there is time to
    assert second.load_credits == 24
    assert minutes.load_credits == pytest.approx(2.4, rel=0.01)
    assert minute.load_credits == pytest.approx(24, rel=0.01)
    assert second.snowpipe_credits == minutes.snowpipe_credits
    assert second.snowpipe_credits == pytest.approx(
        1000 * DAY * 200 / 2**30 * CREDITS_A_GIGABYTE, rel=0.01
    )


def test_a_quiet_table_makes_a_file_a_row_at_most_and_lets_the_warehouse_sleep() -> None:
    quiet = Flow(24, partitions=4, line_bytes=200, compressed_bytes=40)
    for cost in costs_of([quiet], LARGE, load_seconds=10):
        assert cost.files <= 24
        assert cost.load_credits <= 24 * 60 / 3600
    assert costs_of([quiet], LARGE, load_seconds=10)[0].file_bytes == 40


def test_large_rows_end_a_file_by_its_size() -> None:
    large = Flow(DAY, partitions=1, line_bytes=2_000_000, compressed_bytes=1_000_000)
    *_, minutes = costs_of([large], max_bytes=1_000_000, load_seconds=10)
    assert (minutes.files, minutes.file_bytes) == (DAY, 1_000_000)


def test_nothing_costs_nothing() -> None:
    for flows in ([], [Flow(0, 4, 0, 0)]):
        for cost in costs_of(flows, LARGE, load_seconds=10):
            assert (cost.files, cost.requests, cost.load_credits) == (0, 0, 0)
