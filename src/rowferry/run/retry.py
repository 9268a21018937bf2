"""Which error is tried again, after how long, and what is said meanwhile."""

import time
from collections.abc import Callable

import structlog

from rowferry.config import Settings
from rowferry.errors import RetryBudgetSpent, Transient
from rowferry.run.patience import Pauses
from rowferry.stop import Stop

log = structlog.get_logger()


class Retry:
    """Waits between attempts: CONNECT_SECONDS in all before the first success, then for ever."""

    def __init__(
        self, settings: Settings, stop: Stop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._stop, self._clock = settings, stop, clock
        self._pauses = Pauses()
        self._began = clock()
        self._has_succeeded = False
        self._failures = 0

    def succeeded(self) -> None:
        """All parts answered: from now on, trouble passes."""
        if self._failures:
            log.info("connect.recovered", failures=self._failures)
        self._has_succeeded, self._failures = True, 0

    def wait(self, error: Transient) -> None:
        """Say what is wrong, and wait; a stop ends the wait.

        Raises RetryBudgetSpent where nothing was reached within CONNECT_SECONDS.
        """
        if self._stop.requested:
            return
        now = self._clock()
        left = self._began + self._settings.connect_seconds - now
        if not self._has_succeeded and left <= 0:
            raise RetryBudgetSpent(
                error.code, error.what, where=error.where, advice=error.advice
            ) from error
        self._failures += 1
        pause = self._pauses.after(now - self._began if self._has_succeeded else 0)
        if self._has_succeeded:
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
