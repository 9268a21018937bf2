"""How much is fetched, held and uploaded at once: memory and disk stay within their settings."""

from collections.abc import Iterator, Sequence

import structlog

from rowferry.config import Delivery, Settings
from rowferry.model import RawRecords
from rowferry.run.lane import Lane

_CHUNK_RECORDS = 20_000
_FIRST_RECORDS = 500  # while nobody knows what records come to, in bytes and in lines
_CHUNK_BYTES = 8_000_000
_FILES_A_CHUNK = 64  # so that a small MAX_RECORDS does not make thousands of files at once
_MOST_PENDING, _FEW_PENDING = 32, 8  # files of a partition between closed and committed
_WEIGHED = 2_000  # records of a chunk, spread over it
_IDLE_SECONDS = 0.19  # a signal waits for the end of a poll
_BACKLOG_SECONDS = 0.005  # what is there keeps the loop busy while the client fetches more
_BACKLOG_SHARE = 0.25  # of the records that were asked for
_ROOM = 0.75  # of the spool, before what was paused goes on
_LEAST_SPOOL_BYTES = 16_000_000  # that a full disk leaves; a poll alone may bring half of it

log = structlog.get_logger()


def lowered(most: int, spooled: int) -> int:
    """How many bytes may be spooled after the disk was full, where `most` were allowed before.

    Half of what was there, so that files end, and make room, before the disk is full again: each
    time less. Where little was there, others fill the disk, and smaller files would not help.
    """
    filled = min(most, spooled)
    return most if filled <= _LEAST_SPOOL_BYTES else max(_LEAST_SPOOL_BYTES, filled // 2)


class Pressure:
    """Decides what is paused; pure but for the averages it keeps.

    spool_bytes: where it is less than SPOOL_BYTES.
    """

    def __init__(
        self, settings: Settings, spool_bytes: int | None = None, *, once: bool = False
    ) -> None:
        self._spool_bytes = settings.spool_bytes if spool_bytes is None else spool_bytes
        self._most_records = min(_CHUNK_RECORDS, _FILES_A_CHUNK * settings.max_records)
        self._record_bytes = 0.0  # not known
        self._is_full = self._has_warned = False
        self.is_behind = False  # the last poll told of a backlog: the next one waits for no more
        # consume() waits for as many records as were asked for, so its timeout is latency
        is_streaming = settings.delivery is Delivery.STREAMING
        self.poll_seconds = 0.03 if once else 0.05 if is_streaming else 0.15

    def wait(self, lanes: Sequence[Lane], now: float, *, busy: bool) -> tuple[int, float]:
        """How many records to wait for, and how long: while nothing is under way for the first."""
        if not busy and all(lane.is_idle for lane in lanes):
            return 1, _IDLE_SECONDS
        due = [at for lane in lanes if (at := lane.due_at()) is not None]
        known = [lane.most for lane in lanes if lane.most is not None]
        most = min([self.most, *(known or [_FIRST_RECORDS])])
        longest = _BACKLOG_SECONDS if self.is_behind else self.poll_seconds
        return most, max(0.001, min([longest, *(at - now for at in due)]))

    def polled(self, came: int, asked: int) -> None:
        """Learn from how many records came whether there is a backlog."""
        self.is_behind = came > 1 and came >= asked * _BACKLOG_SHARE

    @property
    def most(self) -> int:
        """How many records to ask for, so that a chunk stays small in bytes too."""
        fitting = int(_CHUNK_BYTES / self._record_bytes) if self._record_bytes else _FIRST_RECORDS
        return max(1, min(self._most_records, fitting))

    def weigh(self, raw: RawRecords) -> None:
        """Learn from a chunk how large records are; large ones at once, small ones slowly."""
        if not raw.values:
            return
        told = raw.values[:: 1 + len(raw.values) // _WEIGHED]
        average = sum(map(len, filter(None, told))) / len(told)
        self._record_bytes = max(1.0, average, 0.9 * self._record_bytes)

    def wanted(self, lanes: Sequence[Lane]) -> Iterator[tuple[Lane, bool]]:
        """Which lanes are to be paused."""
        spooled = sum(lane.spooled_bytes for lane in lanes)
        self._is_full = spooled >= self._spool_bytes * (_ROOM if self._is_full else 1.0)
        beyond = self._to_complete(lanes)
        for lane in lanes:
            pending = len(lane.closed) + len(lane.flying)
            is_crowded = pending >= (_FEW_PENDING if lane.paused else _MOST_PENDING)
            stopped = lane.unreadable is not None
            is_full = self._is_full and lane is not beyond
            yield lane, is_full or is_crowded or lane.held_up or stopped

    def to_close(self, lanes: Sequence[Lane]) -> Lane | None:
        """The lane whose open file has to end because open files alone fill the spool."""
        if not self._only_open_files_fill_it(lanes):
            return None
        ours = [lane for lane in lanes if not lane.replaying and lane.spooled_bytes]
        return max(ours, key=lambda lane: lane.spooled_bytes, default=None)

    def _to_complete(self, lanes: Sequence[Lane]) -> Lane | None:
        """The lane that goes on beyond the cap, as a predecessor decided where its file ends.

        One at a time, the fullest, which stays the fullest until its file has ended: the spool
        grows by what is left of that file, and no more.
        """
        if not self._only_open_files_fill_it(lanes) or self.to_close(lanes) is not None:
            return None
        able = [lane for lane in lanes if lane.replaying and not lane.held_up]
        fullest = max(able, key=lambda lane: lane.spooled_bytes, default=None)
        if fullest is not None and not self._has_warned:
            self._has_warned = True
            log.warning(
                "spool.exceeded",
                partition=fullest.owned.where,
                reason="a file that was decided before needs more than may be spooled",
                bytes=self._spool_bytes,
            )
        return fullest

    def _only_open_files_fill_it(self, lanes: Sequence[Lane]) -> bool:
        return self._is_full and not any(lane.closed or lane.flying for lane in lanes)
