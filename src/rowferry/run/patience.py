"""How long we wait before we try again: bounded in the beginning, for ever afterwards."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, DataAtRisk, RetryBudgetSpent, Transient, Unreadable
from rowferry.stop import Stop

_FIRST_SECONDS, _LONGEST_SECONDS = 0.2, 30.0
CALM_SECONDS = 60.0  # a membership that lasted longer did not end for the reasons before

Opened = TypeVar("Opened")

log = structlog.get_logger()


class Pauses:
    """Growing pauses with jitter, which start anew after a calm time."""

    def __init__(self) -> None:
        self._next = _FIRST_SECONDS

    def after(self, lasted_seconds: float) -> float:
        """The pause after an attempt that lasted so long."""
        if lasted_seconds > CALM_SECONDS:
            self._next = _FIRST_SECONDS
        pause, self._next = self._next, min(2 * self._next, _LONGEST_SECONDS)
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter is no secret


class Lasting:
    """Tells what stays from what passes: a topic that is gone, a log that is damaged."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Code, float] = {}

    def heed(self, error: Transient, began: float, now: float) -> None:
        """Take note of why a membership, which began at that time, ended now.

        Raises DataAtRisk where a topic stays away, Unreadable where records stay damaged.
        """
        if now - began > CALM_SECONDS:
            self._since.clear()  # what ended those before has passed
        self._since = {error.code: self._since.get(error.code, now)}
        if now - self._since[error.code] < self._seconds:
            return
        if error.code is Code.TOPIC_GONE:
            raise DataAtRisk(
                error.code,
                "the topic was deleted while it was received",
                where=error.where,
                advice="what was staged stays; once the topic is there again, Rowferry asks "
                "before it stages a new creation of it",
            ) from error
        if error.code is Code.UNREADABLE:
            raise Unreadable(
                error.code, error.what, where=error.where, advice=error.advice
            ) from error


class Retry:
    """Waits between attempts: CONNECT_SECONDS in all before the first success, then for ever."""

    def __init__(
        self, settings: Settings, stop: Stop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._stop, self._clock = settings, stop, clock
        self._pauses = Pauses()
        self._began = clock()
        self._was_reached = False
        self._failures = 0

    def reached(self) -> None:
        """All parts answered, whatever comes of it: from now on, trouble passes."""
        self._was_reached = True

    def succeeded(self) -> None:
        """What was tried is done: from now on, trouble passes."""
        if self._failures:
            log.info("connect.recovered", failures=self._failures)
        self._was_reached, self._failures = True, 0

    def wait(self, error: Transient) -> None:
        """Say what is wrong, and wait; a stop ends the wait.

        Where nothing was reached within CONNECT_SECONDS, raises RetryBudgetSpent, and ConfigError
        where it is a topic that is missing.
        """
        if self._stop.requested:
            return
        now = self._clock()
        left = self._began + self._settings.connect_seconds - now
        if not self._was_reached and left <= 0:
            kind = ConfigError if error.code is Code.TOPIC_GONE else RetryBudgetSpent
            raise kind(error.code, error.what, where=error.where, advice=error.advice) from error
        self._failures += 1
        pause = self._pauses.after(now - self._began if self._was_reached else 0)
        if self._was_reached:
            self._began = now
        else:
            pause = min(pause, max(left, 0.05))
        log.warning(
            "connect.retry",
            reason=str(error),
            failures=self._failures,
            pause_seconds=round(pause, 1),
        )
        self._stop.wait(pause)


def first_reach(open_: Callable[[], Opened], settings: Settings, stop: Stop) -> Opened | None:
    """Open something, trying as Retry does; None where a stop was asked for meanwhile."""
    retry = Retry(settings, stop)
    while not stop.requested:
        try:
            return open_()
        except Transient as error:
            retry.wait(error)
    return None
