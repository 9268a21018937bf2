"""What `--once` has to reach: everything that was committed in the topics when it started."""

import time
from collections.abc import Sequence

from rowferry.errors import Transient
from rowferry.flow.receive.batches import Reason
from rowferry.flow.receive.topics import Place, Topics
from rowferry.model import Offset
from rowferry.run.lane import Lane

_ASK_SECONDS = 1.0


class Goal:
    """The ends of all partitions at the start; kept over memberships.

    A partition that another member owns is reached when the group has completed it. One that a
    dead member still seems to own comes to us when its session ends.
    """

    def __init__(self, topics: Topics, names: Sequence[str], group: str) -> None:
        self._topics, self._group = topics, group
        self._left = {place: end for place, end in topics.ends(names).items() if end > 0}
        self._asked_at = time.monotonic()

    def is_reached(self, lanes: Sequence[Lane]) -> bool:
        """Whether everything is in our files, or completed by others.

        A file that reaches the goal ends with it: others wait for its completion, as we for theirs.
        """
        own = {(lane.owned.topic.topic, lane.owned.partition): lane for lane in lanes}
        left = {
            place: end
            for place, end in self._left.items()
            if place not in own or own[place].held_up or own[place].position < end
        }
        for place, lane in own.items():
            if place not in left and lane.start < self._left.get(place, 0):
                lane.end(Reason.DRAIN)
        if any(place in own for place in left):
            return False
        return not left or self._others_have_completed(left)

    def _others_have_completed(self, left: dict[Place, Offset]) -> bool:
        now = time.monotonic()
        if now - self._asked_at < _ASK_SECONDS:
            return False
        self._asked_at = now
        try:
            unfinished = self._topics.unfinished(self._group, left)
        except Transient:
            return False
        for place in left.keys() - unfinished:
            del self._left[place]
        return not unfinished
