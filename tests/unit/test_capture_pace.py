"""When the next poll is due: at most POLL_SECONDS later, sooner where rows came cheaply."""

import pytest

from properties.mvcc import LEAVES
from properties.window_world import SETTINGS, World
from rowferry.flow.capture.incremental import BUSY_SHARE, CPU_SHARE, SOONEST, IncrementalCapture

POLL = SETTINGS.poll_seconds


class Paced:
    """A capture of the abstract database whose clocks we move."""

    def __init__(self) -> None:
        self.world = World()
        self.seconds, self.cpu_seconds = 0.0, 0.0
        self.capture = IncrementalCapture(
            SETTINGS,
            lambda: self.seconds,
            connect=self.world._connect,
            cpu=lambda: self.cpu_seconds,
        )
        self.capture.open({})
        while not self.capture.is_settled:
            self.tick()

    def write(self) -> None:
        transaction = self.world.db.begin()
        self.world.db.write(transaction, 1, timed=True, leaf=LEAVES[0])
        self.world.db.commit(transaction)

    def tick(self, *, cpu: float = 0.0, publishing: float = 0.0, reading: float = 0.0) -> int:
        rows = 0
        self.world.hooks["scan"] = lambda: self.spend(reading)
        for one in self.capture.tick():
            rows += one.rows.batch.num_rows
            self.spend(publishing)
            self.cpu_seconds += cpu
            self.capture.confirm(one)
        return rows

    def spend(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def paced() -> Paced:
    return Paced()


def test_a_poll_that_finds_nothing_waits_poll_seconds(paced: Paced) -> None:
    assert paced.tick(cpu=0.0) == 0
    assert paced.capture.pause_seconds == pytest.approx(POLL)


def test_rows_that_cost_little_bring_the_next_poll_sooner(paced: Paced) -> None:
    paced.write()
    cpu = 0.7 * POLL * CPU_SHARE
    assert paced.tick(cpu=cpu) == 1
    assert paced.capture.pause_seconds == pytest.approx(0.7 * POLL)


def test_no_sooner_than_half_the_time_and_no_later_than_all_of_it(paced: Paced) -> None:
    for cpu, share in ((0.0, SOONEST), (POLL, 1.0)):
        paced.write()
        assert paced.tick(cpu=cpu) == 1
        assert paced.capture.pause_seconds == pytest.approx(share * POLL)


def test_publishing_is_part_of_the_time_between_polls(paced: Paced) -> None:
    paced.write()
    assert paced.tick(cpu=POLL, publishing=0.3 * POLL) == 1
    assert paced.capture.pause_seconds == pytest.approx(0.7 * POLL)


def test_the_database_is_left_alone_four_times_as_long_as_it_was_busy(paced: Paced) -> None:
    paced.write()
    assert paced.tick(cpu=POLL, reading=POLL) == 1
    assert paced.capture.pause_seconds == pytest.approx((BUSY_SHARE - 1) * POLL)
