"""How long passing trouble is borne: CONNECT_SECONDS in the beginning, for ever afterwards."""

import pytest

from rowferry.config import Settings
from rowferry.errors import Code, DataAtRisk, RetryBudgetSpent, RowferryError, Transient, Unreadable
from rowferry.run.patience import Lasting, Retry
from rowferry.stop import Stop

DOWN = Transient(Code.KAFKA_CONN, "down", where="broker", advice="see KAFKA_SERVER")


class Time(Stop):
    """A clock that waiting moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.pauses: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        return self.requested


def retrying(connect_seconds: float) -> tuple[Retry, Time]:
    time = Time()
    settings = Settings.model_validate({"connect_seconds": connect_seconds})
    return Retry(settings, time, clock=lambda: time.now), time


def test_the_first_connection_is_tried_for_connect_seconds_and_no_longer() -> None:
    retry, time = retrying(10)

    def for_ever() -> None:
        while True:
            retry.wait(DOWN)

    with pytest.raises(RetryBudgetSpent) as raised:
        for_ever()
    assert 110 <= time.now < 111
    assert len(time.pauses) > 3
    assert (raised.value.code, raised.value.where, raised.value.advice) == (
        Code.KAFKA_CONN,
        "broker",
        "see KAFKA_SERVER",
    )


def test_without_patience_the_first_failure_ends_it() -> None:
    retry, _ = retrying(0)
    with pytest.raises(RetryBudgetSpent):
        retry.wait(DOWN)


def test_once_all_answered_it_is_tried_for_ever_with_bounded_pauses() -> None:
    retry, time = retrying(10)
    retry.succeeded()
    for _ in range(200):
        retry.wait(DOWN)
    assert time.now > 110
    assert max(time.pauses) <= 36  # 30 s and its jitter
    assert time.pauses[0] < 1


def test_once_all_was_reached_a_first_attempt_may_fail_for_ever() -> None:
    retry, time = retrying(10)
    retry.wait(DOWN)
    retry.reached()
    time.now += 3600
    for _ in range(200):
        retry.wait(DOWN)
    assert max(time.pauses) <= 36  # 30 s and its jitter


def test_after_a_calm_time_pauses_are_short_again() -> None:
    retry, time = retrying(10)
    retry.succeeded()
    for _ in range(20):
        retry.wait(DOWN)
    retry.succeeded()
    time.now += 3600
    retry.wait(DOWN)
    assert time.pauses[-1] < 1


# --- What stays, and what passes. Times are a membership's beginning and its end.

LASTS = [(Code.TOPIC_GONE, DataAtRisk), (Code.UNREADABLE, Unreadable)]
PATIENCE, DAY = 30.0, 86_400.0


@pytest.mark.parametrize(("code", "meant"), LASTS)
def test_what_ends_every_membership_for_the_time_of_patience_needs_a_person(
    code: Code, meant: type[RowferryError]
) -> None:
    lasting = Lasting(PATIENCE)
    for began in range(0, 30, 5):
        lasting.heed(Transient(code, "still so", where="t/0"), began, began + 1)
    with pytest.raises(meant, match=str(code)):
        lasting.heed(Transient(code, "still so", where="t/0"), 31, 32)


@pytest.mark.parametrize(("code", "_meant"), LASTS)
def test_the_same_trouble_after_a_calm_time_is_another_one(
    code: Code, _meant: type[RowferryError]
) -> None:
    # GIVEN a glitch, and a membership for which all was well for two days
    lasting = Lasting(PATIENCE)
    lasting.heed(Transient(code, "once"), 0, 1)
    # WHEN it ends for the same reason THEN that is borne as the first one was
    lasting.heed(Transient(code, "once more"), 2, 2 + 2 * DAY)
    lasting.heed(Transient(code, "and again"), 3 + 2 * DAY, 20 + 2 * DAY)


def test_what_stays_after_a_calm_time_needs_a_person_all_the_same() -> None:
    lasting = Lasting(PATIENCE)
    lasting.heed(Transient(Code.TOPIC_GONE, "gone"), 0, DAY)
    with pytest.raises(DataAtRisk):
        lasting.heed(Transient(Code.TOPIC_GONE, "gone"), DAY + 36, DAY + 37)


def test_other_trouble_between_two_glitches_makes_them_two() -> None:
    lasting = Lasting(PATIENCE)
    lasting.heed(Transient(Code.UNREADABLE, "crc"), 0, 1)
    lasting.heed(DOWN, 2, 20)
    lasting.heed(Transient(Code.UNREADABLE, "crc"), 21, 40)
