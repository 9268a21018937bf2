"""Stopping: a signal is a request that every wait hears at once."""

import math
import os
import select
import signal
import time
import weakref
from collections.abc import Callable
from types import FrameType


class Stop:
    """A request to stop, set by SIGTERM or SIGINT, or by code; waits end when it is set.

    A second signal means "now": `on_second` is called, from the handler or by who hears it first.
    What waits is a pipe and no lock: a handler may come while the main thread holds any lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._heard, self._told = os.pipe()
        os.set_blocking(self._told, False)
        weakref.finalize(self, _close, self._heard, self._told)
        self._clock = clock
        self._on_second: Callable[[], None] | None = None
        self.requested_at: float | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self.requested_at is not None

    def request(self) -> None:
        """Ask to stop."""
        if self.requested_at is None:
            self.requested_at = self._clock()
            os.write(self._told, b"\0")  # stays there, so that every wait ends

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a stop is requested; says whether it is."""
        return is_readable(self._heard, seconds)

    def insist(self) -> None:
        """A second signal was heard; nothing where nobody listens to signals."""
        if self._on_second is not None:
            self._on_second()

    def listen(self, on_second: Callable[[], None]) -> None:
        """Take SIGTERM and SIGINT as requests; call from the main thread.

        on_second may be called from another thread, where the main one hears nothing, and twice.
        """
        self._on_second = on_second

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            if self.requested:
                self.insist()
            self.request()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)


def is_readable(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor has something to read, whatever its number; says whether it has."""
    waiting = select.poll()  # select() knows 1,024 descriptors
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(math.ceil(max(0.0, seconds) * 1000)))


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
