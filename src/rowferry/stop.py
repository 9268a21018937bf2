"""Stopping: a signal is a request that every wait hears at once."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType


class Stop:
    """A request to stop, set by SIGTERM or SIGINT, or by code; waits end when it is set.

    A second signal means "now": `on_second` is called, from the handler or by who hears it first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = threading.Event()
        self._clock = clock
        self._on_second: Callable[[], None] | None = None
        self.requested_at: float | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask to stop."""
        if self.requested_at is None:
            self.requested_at = self._clock()
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a stop is requested; says whether it is."""
        return self._event.wait(max(0.0, seconds))

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
