"""Looks, now and then, whether the topics are still those that are received.

A consumer of a deleted topic hears nothing: its partitions go, and that is all.
"""

from collections.abc import Callable

from rowferry.errors import Code, Transient
from rowferry.run.uploads import Task, Uploads, raise_failure

_SECONDS = 5.0


class TopicWatch:
    """Asks the cluster in the background; look() raises what it found."""

    def __init__(self, uploads: Uploads, check: Callable[[], None]) -> None:
        self._uploads, self._check = uploads, check
        self._task: Task | None = None
        self._next = 0.0
        self._gone: Transient | None = None

    def look(self, now: float) -> None:
        """Raise DataAtRisk for a topic that was created again, Transient for one that is gone."""
        if self._task is None:
            if now >= self._next:
                self._task = self._uploads.ask(self._ask, "look at the topics")
        elif self._task.ended:
            task, self._task, self._next = self._task, None, now + _SECONDS
            raise_failure(task)
            if self._gone is not None:
                raise self._gone

    def _ask(self) -> None:
        try:
            self._check()
        except Transient as error:  # an absent cluster is the consumer's to wait for
            self._gone = error if error.code is Code.TOPIC_GONE else None
