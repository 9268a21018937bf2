"""What the log tells of batches: each at level debug, and every ten seconds what they were."""

import logging
import time
from collections import Counter
from collections.abc import Callable

import structlog

from rowferry.model import Rows

log = structlog.get_logger()

TOLD_SECONDS = 10.0


class Summary:
    """Ten small batches a second are told in one line: one for each would cost as much as it.

    The event of each batch is there all the same, for metrics and at level debug.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_heard = log.is_enabled_for(logging.DEBUG)  # asked once: to ask costs as a call
        self._rows: Counter[str] = Counter()
        self._batches = 0
        self._told = clock()

    def sent(self, rows: Rows, seconds: float) -> None:
        """A batch is durable."""
        table, count = rows.table.qualified, rows.batch.num_rows
        if not count:
            return
        if self._is_heard:
            size, took = rows.batch.nbytes, round(seconds, 4)
            log.debug("batch.sent", table=table, rows=count, bytes=size, seconds=took)
        self._rows[table] += count
        self._batches += 1
        if self._clock() - self._told >= TOLD_SECONDS:
            self.tell()

    def polled(self, seconds: float, *, is_settled: bool) -> None:
        """A poll is done, with all that it found."""
        if self._is_heard:
            log.debug("poll.done", seconds=seconds, settled=is_settled)

    def tell(self) -> None:
        """Tell what was sent since it was told last, if anything."""
        if not self._batches:
            return
        log.info("rows.sent", rows=dict(self._rows), batches=self._batches)
        self._rows.clear()
        self._batches, self._told = 0, self._clock()
