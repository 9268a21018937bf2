"""What is paused, and which file is closed, while the spool is full."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from rowferry.config import Settings
from rowferry.flow.receive.contract import Owned
from rowferry.model import Offset, Partition, TopicId
from rowferry.run.lane import Lane
from rowferry.run.pressure import Pressure, lowered

CAP = 100


@dataclass(eq=False)
class Filling:
    """What the spool's cap asks of a lane."""

    spooled_bytes: int
    replaying: bool = False
    paused: bool = False
    held_up: bool = False
    unreadable: None = None
    closed: deque[Any] = field(default_factory=deque)
    flying: deque[Any] = field(default_factory=deque)
    owned: Owned = field(
        default_factory=lambda: Owned(TopicId("t", "AbC-_123"), Partition(0), Offset(0), None)
    )


@pytest.fixture
def pressure() -> Pressure:
    return Pressure(Settings(spool_bytes=CAP))


def looked_at(pressure: Pressure, lanes: list[Filling]) -> list[bool]:
    """Which of the lanes are paused by now."""
    for lane, pause in pressure.wanted([cast("Lane", lane) for lane in lanes]):
        lane.paused = pause
    return [lane.paused for lane in lanes]


def to_close(pressure: Pressure, lanes: list[Filling]) -> Any:
    return pressure.to_close([cast("Lane", lane) for lane in lanes])


def test_a_full_spool_pauses_all_while_files_are_on_their_way(pressure: Pressure) -> None:
    lanes = [Filling(60, flying=deque([1])), Filling(50, replaying=True)]
    assert looked_at(pressure, lanes) == [True, True]
    assert to_close(pressure, lanes) is None


def test_open_files_that_fill_the_spool_are_closed_but_for_those_decided_before(
    pressure: Pressure,
) -> None:
    # GIVEN lanes of which the fullest may not end its file
    lanes = [Filling(70, replaying=True), Filling(20), Filling(30)]
    assert looked_at(pressure, lanes) == [True, True, True]
    assert to_close(pressure, lanes) is lanes[2]


def test_of_files_that_were_decided_one_is_completed_beyond_the_cap_and_that_is_said_once(
    pressure: Pressure,
) -> None:
    # GIVEN three lanes that have to reach ends which others decided
    lanes = [Filling(30, replaying=True) for _ in range(3)]
    lanes[1].spooled_bytes = 50
    lanes.append(Filling(0))
    with capture_logs() as said:
        # THEN one goes on, the same one, until it is there
        for _ in range(5):
            assert looked_at(pressure, lanes) == [True, False, True, True]
            assert to_close(pressure, lanes) is None
            lanes[1].spooled_bytes += 40
        # WHEN its file has ended, THEN all wait until it is uploaded
        lanes[1].closed.append("a file")
        assert looked_at(pressure, lanes) == [True] * 4
        # AND then the next one goes on, or all do where there is room
        lanes[1].closed.clear()
        lanes[1].spooled_bytes, lanes[0].spooled_bytes = 0, 60
        assert looked_at(pressure, lanes) == [False, True, True, True]
        lanes[0].spooled_bytes = 0
        assert looked_at(pressure, lanes) == [False] * 4
    assert [entry["event"] for entry in said] == ["spool.exceeded"]


def test_what_waits_for_the_registry_is_not_waited_for(pressure: Pressure) -> None:
    lanes = [Filling(90, replaying=True, held_up=True), Filling(20, replaying=True)]
    assert looked_at(pressure, lanes) == [True, False]


MB = 1_000_000


def test_a_disk_that_is_smaller_than_the_cap_makes_the_cap_smaller_than_the_disk() -> None:
    # GIVEN 250 MB that are all there is, of which lines that wait are no part
    disk, most, caps = 250 * MB, 1000 * MB, []
    # WHEN memberships fill it, one after the other
    while most > disk:
        most = lowered(most, min(most, disk + 30 * MB))
        caps.append(most)
    # THEN the next one ends files before it is full
    assert caps == [140 * MB]


@pytest.mark.parametrize(
    ("most", "spooled", "then"),
    [
        (1000 * MB, 2000 * MB, 500 * MB),  # what is beyond the cap does not raise it
        (100 * MB, 20 * MB, 16 * MB),  # a poll has to find room
        (1000 * MB, 16 * MB, 1000 * MB),  # others fill the disk: smaller files help nobody
        (16 * MB, 40 * MB, 16 * MB),
        (60_000, 70_000, 60_000),  # a cap that is less from the beginning
    ],
)
def test_a_full_disk_halves_the_cap_between_its_bounds(most: int, spooled: int, then: int) -> None:
    assert lowered(most, spooled) == then


def test_a_lowered_cap_ends_files_that_the_settings_would_let_grow() -> None:
    lane = Filling(60)
    for pressure, ended in ((Pressure(Settings()), None), (Pressure(Settings(), 50), lane)):
        looked_at(pressure, [lane])
        assert to_close(pressure, [lane]) is ended
