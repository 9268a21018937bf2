"""When the open batch of a partition ends: pure decisions, the time passed in."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from rowferry.flow.receive.register import Boundary
from rowferry.model import Offset

Numbers = npt.NDArray[np.int64]
NO_SCHEMA = -1  # of a line that has none: a tombstone, a truncate marker


class Reason(StrEnum):
    """Why a batch ended."""

    PLANNED = "planned"  # its end was decided by a predecessor
    RECORDS = "records"
    BYTES = "bytes"
    AGE = "age"
    SCHEMA = "schema"
    SPOOL = "spool"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Received:
    """What came for a partition: offsets and schema ids, one a line, offsets ascending.

    position: behind all records that came; unreadable: some of them have no line.
    """

    offsets: Numbers
    schemas: Numbers
    position: Offset
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Triggers:
    """The limits of a file: lines, compressed bytes, seconds since its first record, schemas."""

    max_records: int
    max_bytes: int
    age_seconds: float
    at_new_schema: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """Received lines up to the index belong to the open batch, which may end there.

    boundary: what was decided, its rows by a predecessor where the reason is PLANNED; lines: how
    many there really are.
    """

    upto: int
    boundary: Boundary | None = None
    reason: Reason | None = None
    lines: int = 0


class OpenBatch:
    """The records of a partition behind the last decided end.

    Inherited boundaries come first: they are closed exactly where a predecessor decided, and no
    trigger counts until they are.
    """

    def __init__(self, start: Offset, inherited: Sequence[Boundary], triggers: Triggers) -> None:
        self.start = start
        self.position = start
        self.lines = 0
        self._inherited = deque(inherited)
        self._triggers = triggers
        self._opened_at: float | None = None
        self._schemas: set[int] = {NO_SCHEMA}

    @property
    def replaying(self) -> bool:
        """Whether a predecessor decided where this batch ends."""
        return bool(self._inherited)

    @property
    def has_records(self) -> bool:
        """Whether there is something to stage; unreadable records count, they move the offset."""
        return self._opened_at is not None

    def take(self, received: Received, now: float) -> list[Cut]:
        """Cut what was received; the last cut is the rest, which stays open."""
        cuts: list[Cut] = []
        index = 0
        while (cut := self._next_cut(received, index)) is not None:
            cuts.append(cut)
            index = cut.upto
        rest = len(received.offsets) - index
        self.lines += rest
        self.position = max(self.position, received.position)
        moved = received.unreadable and self.position > self.start
        if self._opened_at is None and (rest or moved):
            self._opened_at = now
        return [*cuts, Cut(len(received.offsets))]

    def due(self, compressed_bytes: int, now: float) -> Reason | None:
        """Why the batch ends now, if it does."""
        if self.replaying or self._opened_at is None:
            return None
        if compressed_bytes >= self._triggers.max_bytes:
            return Reason.BYTES
        if now - self._opened_at >= self._triggers.age_seconds:
            return Reason.AGE
        return None

    def due_at(self) -> float | None:
        """When its age ends it."""
        if self.replaying or self._opened_at is None:
            return None
        return self._opened_at + self._triggers.age_seconds

    def end(self) -> Boundary:
        """End the batch behind all that was received, control records included."""
        boundary = Boundary(self.start, self.position, self.lines)
        self._begin(self.position)
        return boundary

    def _begin(self, start: Offset) -> None:
        self.start = start
        self.position = max(self.position, start)
        self.lines = 0
        self._opened_at = None

    def _next_cut(self, received: Received, index: int) -> Cut | None:
        if self._inherited:
            return self._cut_as_planned(received, index)
        offsets = received.offsets
        full = index + self._triggers.max_records - self.lines
        fresh = self._first_of_new_schema(received.schemas, index)
        if fresh == index < len(offsets) and not self.has_records:
            self._schemas.add(int(received.schemas[index]))
            return self._next_cut(received, index)
        if fresh < min(full, len(offsets)):
            self._schemas.add(int(received.schemas[fresh]))
            return self._cut_at(received, index, fresh, Reason.SCHEMA)
        if full <= len(offsets):
            return self._cut_at(received, index, full, Reason.RECORDS)
        return None

    def _cut_as_planned(self, received: Received, index: int) -> Cut | None:
        if received.position < self._inherited[0].end:
            return None
        boundary = self._inherited.popleft()
        upto = int(np.searchsorted(received.offsets, boundary.end))
        lines = self.lines + upto - index
        self._begin(boundary.end)
        return Cut(upto, boundary, Reason.PLANNED, lines)

    def _cut_at(self, received: Received, index: int, upto: int, reason: Reason) -> Cut:
        end = Offset(int(received.offsets[upto - 1]) + 1) if upto > index else self.position
        boundary = Boundary(self.start, end, self.lines + upto - index)
        self._begin(end)
        return Cut(upto, boundary, reason, boundary.rows)

    def _first_of_new_schema(self, schemas: Numbers, index: int) -> int:
        """The index of the first line in a schema that no line had before; the end if none."""
        if not self._triggers.at_new_schema:
            return len(schemas)
        unseen = ~np.isin(schemas[index:], list(self._schemas))
        return index + int(unseen.argmax()) if unseen.any() else len(schemas)
