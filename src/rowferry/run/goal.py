"""What `--once` has to reach: everything that was committed in the topics when it started."""

import time
from collections.abc import Sequence

from rowferry.errors import Transient
from rowferry.flow.receive.topics import Place, Topics
from rowferry.model import Offset
from rowferry.run.lane import Lane

_ASK_SECONDS = 1.0
_GRACE_SECONDS = 15.0


class Goal:
    """The ends of all partitions at the start; kept over memberships.

    A partition that another member owns is reached when the group's position says so. One that a
    dead member still seems to own comes to us when its session ends: so we wait that long before
    we leave a partition to the others.
    """

    def __init__(
        self, topics: Topics, names: Sequence[str], group: str, session_seconds: float
    ) -> None:
        self._topics, self._group = topics, group
        self._patience = session_seconds + _GRACE_SECONDS
        self._left = {place: end for place, end in topics.ends(names).items() if end > 0}
        self._asked_at = time.monotonic()
        self._idle_since: float | None = None

    def is_reached(self, lanes: Sequence[Lane]) -> bool:
        """Whether everything is in files, or in others' hands."""
        now = time.monotonic()
        own = {(lane.owned.topic.topic, lane.owned.partition): lane for lane in lanes}
        left = {
            place: end
            for place, end in self._left.items()
            if place not in own or own[place].held_up or own[place].position < end
        }
        if any(place in own for place in left):
            self._idle_since = None
            return False
        return not left or self._is_with_others(left, now)

    def _is_with_others(self, left: dict[Place, Offset], now: float) -> bool:
        if self._idle_since is None:
            self._idle_since = now
        if now - self._asked_at < _ASK_SECONDS:
            return False
        self._asked_at = now
        try:
            committed = self._topics.committed(self._group, left)
        except Transient:
            return False
        for place, end in left.items():
            if committed.get(place, -1) >= end:
                del self._left[place]
        return now - self._idle_since >= self._patience
