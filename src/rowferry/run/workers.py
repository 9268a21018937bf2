"""Several processes of one command, in one consumer group; one that crashes is started again."""

import time
from collections.abc import Callable

import structlog

from rowferry.config import Settings
from rowferry.errors import NeedsPerson, RetryBudgetSpent
from rowferry.run.children import Child, end_children, exit_code
from rowferry.run.patience import CALM_SECONDS, Pauses
from rowferry.stop import Stop

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 5.0  # beyond a worker's own drain deadline
_MOST_CRASHES = 5  # one after the other, none after a calm time: another start would not help
_FINAL = frozenset(kind.exit_code for kind in NeedsPerson.__subclasses__())

log = structlog.get_logger()


class Worker:
    """A process that is there for as long as it can be."""

    def __init__(
        self, number: int, start: Callable[[int], Child], now: float, *, once: bool
    ) -> None:
        self._number, self._start, self._once = number, start, once
        self._pauses = Pauses()
        self._crashes = 0
        self._is_restart = False
        self._again_at: float | None = None
        self._started_at = now
        self.child = start(number)

    def look(self, now: float) -> int | None:
        """Start it again where that is due; its exit code where it has ended for good."""
        if self._again_at is not None:
            if now >= self._again_at:
                self.child, self._started_at = self._start(self._number), now
                self._again_at, self._is_restart = None, True
            return None
        if self.child.poll() is None:
            return None
        code = exit_code(self.child)
        if self._is_final(code):
            return code
        return self._after_crash(code, now)

    def _is_final(self, code: int) -> bool:
        """Whether it ended as it should, or as none of its kind would do better."""
        if code == RetryBudgetSpent.exit_code and self._is_restart:
            return False  # the others wait for what is away, too
        return code in _FINAL or (code == 0 and self._once)

    def _after_crash(self, code: int, now: float) -> int | None:
        lasted = now - self._started_at
        self._crashes = 1 if lasted > CALM_SECONDS else self._crashes + 1
        if self._crashes > _MOST_CRASHES:
            return code or 1
        pause = self._pauses.after(lasted)
        self._again_at = now + pause
        log.warning(
            "worker.ended", worker=self._number, exit_code=code, pause_seconds=round(pause, 1)
        )
        return None


def run_workers(
    start: Callable[[int], Child],
    settings: Settings,
    stop: Stop,
    *,
    once: bool,
    together: bool = True,
) -> int:
    """Run WORKERS processes until a stop is asked for, one needs a person, or, once, all are done.

    start: starts the worker of a number, from 1. Gives the exit code of the one that needed a
    person, else the first bad one. All have ended on return. together: whether the others stop
    with one that needs a person.
    """
    now = time.monotonic()
    left = [Worker(number, start, now, once=once) for number in range(1, settings.workers + 1)]
    every = [*left]
    failed = 0
    while left and not (failed and together) and not stop.wait(_LOOK_SECONDS):
        now = time.monotonic()
        codes = {worker: worker.look(now) for worker in left}
        failed = failed or next((code for code in codes.values() if code), 0)
        left = [worker for worker, code in codes.items() if code is None]
    asked = [worker.child for worker in every if worker.child.poll() is None]
    codes_asked = end_children(asked, settings.drain_seconds + _GRACE_SECONDS)
    return next((code for code in [failed, *codes_asked] if code), 0)
