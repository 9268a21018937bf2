"""The end of an orderly stop that takes too long: the process dies, which is safe by design."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from rowferry.errors import RetryBudgetSpent
from rowferry.stop import Stop, is_readable

_LOOK_SECONDS = 0.5
_LEAVING = b"\0"  # no signal's number

log = structlog.get_logger()


class Watchdog:
    """Ends the process `drain_seconds` after a stop was asked for, unless left before.

    librdkafka's commit() has no timeout, nor has libpq's COPY, and while they run Python runs no
    signal handler: so a signal is also heard by its wake-up descriptor (signal.set_wakeup_fd), in
    a thread. A second one is told to the stop there, too.
    """

    def __init__(self, stop: Stop, drain_seconds: float) -> None:
        self._stop, self._drain_seconds = stop, drain_seconds
        self._left = threading.Event()
        self._heard, self._written = socket.socketpair()
        self._written.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._before: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._left.set()
        with suppress(BlockingIOError):  # full of what it has yet to hear
            self._written.send(_LEAVING)
        if self._before is not None:
            signal.set_wakeup_fd(self._before)
        self._thread.join()
        self._heard.close()
        self._written.close()

    def _watch(self) -> None:
        heard = 0
        while not (heard or self._stop.requested or self._left.is_set()):
            heard += self._signals(_LOOK_SECONDS)
        deadline = time.monotonic() + self._drain_seconds
        while not self._left.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                log.error("drain.deadline", seconds=self._drain_seconds)
                os._exit(RetryBudgetSpent.exit_code)
            more = self._signals(min(left, _LOOK_SECONDS))
            heard += more
            if more and heard > 1:
                self._insist()

    def _insist(self) -> None:
        try:
            self._stop.insist()
        except BaseException:
            log.warning("stop.insisted", exc_info=True)

    def _signals(self, seconds: float) -> int:
        """How many asked for the end, of those that came within so many seconds."""
        if not is_readable(self._heard.fileno(), seconds):
            return 0
        return sum(number in (signal.SIGTERM, signal.SIGINT) for number in self._heard.recv(64))
