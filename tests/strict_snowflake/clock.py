"""The fake's own time: real, plus what a test has advanced."""

import time


class Clock:
    """Seconds since the epoch; sessions, tokens and the load history go by it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, *, seconds: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        self._ahead += seconds + 3600 * hours + 86400 * days
