"""A table that cannot be read for now: it is left alone, which is told, and not for ever."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from properties.mvcc import LEAVES
from properties.window_world import SETTINGS, TABLE, World
from rowferry.errors import Code, ConfigError
from rowferry.flow.capture.incremental import (
    GONE_SECONDS,
    LOCKED_SECONDS,
    TOLD_SECONDS,
    IncrementalCapture,
)
from rowferry.flow.capture.source import SnapshotLost

LOCKED = SnapshotLost("somebody holds the lock")
UNDEFINED = SnapshotLost("there is no such column", is_undefined=True)


class Reading:
    """A capture of the abstract database, whose reads fail as they are told to."""

    def __init__(self) -> None:
        self.world = World()
        self.seconds = 0.0
        self.capture = IncrementalCapture(
            SETTINGS, lambda: self.seconds, connect=self.world._connect
        )
        self.capture.open({})
        while not self.capture.is_settled:
            self.tick()

    def tick(self, failure: SnapshotLost | None = None) -> None:
        def fail() -> None:
            if failure is not None:
                raise failure

        self.world.hooks["scan"] = fail
        transaction = self.world.db.begin()
        self.world.db.write(transaction, 1, timed=True, leaf=LEAVES[0])
        self.world.db.commit(transaction)
        for one in self.capture.tick():
            self.capture.confirm(one)
        self.seconds += LOCKED_SECONDS


@pytest.fixture
def reading() -> Reading:
    return Reading()


def told(reading: Reading, failure: SnapshotLost, ticks: int) -> list[Any]:
    with capture_logs() as events:
        for _ in range(ticks):
            reading.tick(failure)
    return events


def test_a_lock_is_waited_for_and_told_once_in_a_while(reading: Reading) -> None:
    ticks = int(10 * TOLD_SECONDS / LOCKED_SECONDS)
    events = told(reading, LOCKED, ticks)
    assert len(events) == 10
    assert events[0] == {
        "event": "table.waiting",
        "log_level": "warning",
        "table": TABLE.qualified,
        "reason": "somebody holds the lock",
    }


def test_a_table_that_lacks_what_is_asked_of_it_is_given_up_after_a_while(
    reading: Reading,
) -> None:
    assert len(told(reading, UNDEFINED, 1)) == 1
    reading.seconds += GONE_SECONDS
    with pytest.raises(ConfigError, match="there is no such column") as refused:
        reading.tick(UNDEFINED)
    assert (refused.value.code, refused.value.where) == (Code.TABLE_UNFIT, TABLE.qualified)


@pytest.mark.parametrize("between", [None, LOCKED])
def test_what_was_lacking_for_a_moment_may_be_lacking_again(
    reading: Reading, between: SnapshotLost | None
) -> None:
    for _ in range(5):
        reading.tick(UNDEFINED)
        reading.tick(between)
