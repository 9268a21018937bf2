"""How long a receiver waits in one poll: a machine where nothing happens is left in peace."""

from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pytest

from rowferry.config import Delivery, Settings
from rowferry.model import Offset, Partition, RawRecords
from rowferry.run.lane import Lane
from rowferry.run.pressure import Pressure

NOW = 1000.0


@dataclass
class Stretch:
    """What waiting asks of a lane."""

    is_idle: bool = True
    due: float | None = None
    most: int | None = 1 << 20

    def due_at(self) -> float | None:
        return self.due


def record_of(size: int) -> RawRecords:
    none = pa.array([], pa.int64())
    return RawRecords("t", Partition(0), [None], [bytes(size)], none, none, Offset(1))


def lanes(*stretches: Stretch) -> list[Lane]:
    return [cast("Lane", stretch) for stretch in stretches]


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("partitions", [1, 4, 32])
def test_an_idle_receiver_polls_about_five_times_a_second_and_hears_the_first_record_at_once(
    delivery: Delivery, partitions: int
) -> None:
    # GIVEN partitions of which none has a record on its way
    pressure = Pressure(Settings(delivery=delivery))
    idle = lanes(*[Stretch() for _ in range(partitions)])
    # WHEN the receiver waits
    most, seconds = pressure.wait(idle, NOW, busy=False)
    # THEN one record ends the wait, and so does a fifth of a second, for signals' sake
    assert most == 1
    assert 0.15 <= seconds < 0.2


def test_a_receiver_at_work_waits_for_many_records_but_not_beyond_the_end_of_a_file() -> None:
    # GIVEN an open file that has to end soon
    pressure = Pressure(Settings())
    pressure.weigh(record_of(70))
    at_work = lanes(Stretch(), Stretch(is_idle=False, due=NOW + 0.02))
    # WHEN it waits before that end, behind it, and for the stage's answer about partitions
    waits = [
        pressure.wait(at_work, NOW, busy=False),
        pressure.wait(at_work, NOW + 9, busy=False),
        pressure.wait(lanes(Stretch()), NOW, busy=True),
    ]
    # THEN
    assert [most for most, _ in waits] == [20_000] * 3
    assert [seconds for _, seconds in waits] == pytest.approx([0.02, 0.001, 0.05])


def test_few_records_are_asked_for_until_it_is_known_what_they_and_their_lines_come_to() -> None:
    # GIVEN partitions from which nothing came
    pressure, busy = Pressure(Settings()), lanes(Stretch(most=None), Stretch(most=None))
    # WHEN something comes, whose size is known before its lines are
    asked = [pressure.wait(busy, NOW, busy=True)[0]]
    pressure.weigh(record_of(70))
    asked += [pressure.wait(some, NOW, busy=True)[0] for some in (busy, [], lanes(Stretch()))]
    # THEN
    assert asked == [500, 500, 500, 20_000]


def test_large_records_are_asked_for_in_small_numbers() -> None:
    # GIVEN a record of 1 MB
    pressure = Pressure(Settings())
    # WHEN
    pressure.weigh(record_of(1_000_000))
    # THEN a poll takes no more than a few of its kind
    assert pressure.most == 8
