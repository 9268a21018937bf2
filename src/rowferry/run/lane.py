"""One partition's way through the receiver: records → open file → closed files → uploads."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from rowferry.errors import Code, NoSpace, Transient, Unreadable
from rowferry.flow.receive.batches import Cut, OpenBatch, Reason, Received, Triggers
from rowferry.flow.receive.contract import Fetched, MembershipOver, Owned
from rowferry.flow.receive.decode import Decoder
from rowferry.flow.receive.register import Boundary
from rowferry.flow.stage.files import OpenFile
from rowferry.flow.stage.lines import LineFormat, Lines
from rowferry.kernel.avro import TooLargeTogether
from rowferry.model import Offset, RawRecords
from rowferry.run.compressing import BackgroundFile, Compressor
from rowferry.run.steps import Closed, Committing, Flying, Step
from rowferry.run.takeover import FirstPutCheck, Taken, other_rows

_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.5, 30.0
_COMPLETION_SECONDS = 1.0
_LINES_BYTES = 1 << 25  # that are made at once
_MOST_AT_ONCE = 1 << 20  # records; the poll has a bound of its own
_GROWTH = 1.1  # of the number of records at once, after it was too large

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FileMaking:
    """All that turns records into files; shared by the lanes of a receiver."""

    decoder: Decoder
    format: LineFormat
    triggers: Triggers
    gzip_level: int
    new_path: Callable[[], Path]
    dead_letter: Callable[[Fetched, dict[int, str]], None] | None  # None: stop at the first
    compressor: Compressor | None = None  # None: the loop compresses
    recount: bool = False  # decided files that are not staged may have other rows by now

    def new_file(self) -> BackgroundFile:
        """A file to be filled."""
        return BackgroundFile(OpenFile(self.new_path(), self.gzip_level), self.compressor)


class Lane:
    """A partition, from its take-over until it is taken away. One thread."""

    def __init__(
        self, owned: Owned, taken: Taken, check: FirstPutCheck, making: FileMaking
    ) -> None:
        self.owned = owned
        self.register = taken.register
        self.closed: deque[Closed] = deque()
        self.flying: deque[Flying] = deque()
        self.committing: Committing | None = None  # one step at a time
        self.check = check
        self.paused = False
        self.unreadable: Unreadable | None = None
        self.retry_at = 0.0
        self.most: int | None = None  # records that it wants at once, once there were some
        self._inherited = len(taken.register.planned)
        self._staged = taken.staged
        self._making = making
        self._batch = OpenBatch(taken.register.position, taken.register.planned, making.triggers)
        self._file: BackgroundFile | None = None
        self._opened_at = 0.0
        self._pause = _RETRY_SECONDS
        self._landed_at: float | None = None
        self._backlog: deque[Fetched] = deque()
        self._received: Offset = taken.register.position

    @property
    def start(self) -> Offset:
        """Where the open file starts."""
        return self._batch.start

    @property
    def position(self) -> Offset:
        """Behind all records that are in files."""
        return self._batch.position

    @property
    def held_up(self) -> bool:
        """Whether records wait for the registry."""
        return bool(self._backlog)

    @property
    def has_open(self) -> bool:
        """Whether records are in a file that has not been closed."""
        return self._batch.has_records

    @property
    def replaying(self) -> bool:
        """Whether a predecessor decided where the open file ends."""
        return self._batch.replaying

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is under way."""
        return not (self._backlog or self.has_open or self.closed or self.flying)

    @property
    def spooled_bytes(self) -> int:
        """What its files take on disk and in memory."""
        ended = [*self.closed, *(flying.closed for flying in self.flying)]
        files = [closed.file for closed in ended] + [self._file]
        return sum(file.spooled for file in files if file is not None)

    def add(self, fetched: Fetched, now: float) -> None:
        """Put what was fetched into files. Raises NoSpace, MembershipOver where offsets go back."""
        raw = fetched.raw
        if len(raw.offsets) and raw.offsets[0].as_py() < self._received:
            raise MembershipOver(
                Code.KAFKA_CONN, f"{self.owned.where}: records came again before {self._received}"
            )
        self._received = max(self._received, raw.next_offset)
        self._backlog.append(fetched)
        self.work_off(now)

    def work_off(self, now: float) -> None:
        """Decode what waits; where the registry is down it goes on waiting."""
        while self._backlog and self.unreadable is None and now >= self.retry_at:
            try:
                self._take(self._backlog[0], now)
            except TooLargeTogether:
                halves = self._backlog.popleft().halves()
                self._backlog.extendleft(reversed(halves))
                self.most = len(halves[0].raw.values)
                continue
            except NoSpace:  # what came is in the file in part: it cannot be tried again
                raise
            except Transient as error:
                log.warning("records.waiting", partition=self.owned.where, reason=str(error))
                self._pause = min(2 * self._pause, _LONGEST_RETRY_SECONDS)
                self.retry_at = now + self._pause
                return
            self._pause = _RETRY_SECONDS
            self._backlog.popleft()

    def due(self, now: float) -> Reason | None:
        """Why the open file has to be closed now, if it has."""
        return self._batch.due(self._file.size if self._file is not None else 0, now)

    def due_at(self) -> float | None:
        """When its age closes the open file."""
        return self._batch.due_at()

    def end(self, reason: Reason) -> None:
        """Close the open file, unless a predecessor decided where it ends."""
        if self._batch.has_records and not self._batch.replaying:
            self._close(self._batch.end(), reason)

    def next_step(self, *, decide: bool = True) -> Step:
        """What one commit can do now: complete what has landed, decide what is closed."""
        landed = 0
        for flying in self.flying:
            if not flying.landed:
                break
            landed += 1
        register = self.register.complete(landed)
        if landed >= self._inherited:  # until then the predecessor's files may be in its format
            register = replace(register, format=self._making.format.fingerprint)
        decided = 0
        for closed in self.closed if decide else ():
            if closed.boundary not in register.planned:
                wider = register.decide(closed.boundary)
                if not wider.fits:
                    break
                register = wider
            decided += 1
        return Step(register, landed, decided)

    def apply(self, step: Step) -> tuple[list[Closed], list[Closed]]:
        """Take note that the step is committed: the files that are done, those to upload now."""
        self.register = step.register
        self._inherited -= min(self._inherited, step.landed)
        self._landed_at = None
        done = [self.flying.popleft().closed for _ in range(step.landed)]
        return done, [self.closed.popleft() for _ in range(step.decided)]

    def completion_due(self, now: float) -> bool:
        """Whether landed files are to be committed on their own, as no plan will do it soon."""
        if not self.flying or not self.flying[0].landed:
            return False
        self._landed_at = now if self._landed_at is None else self._landed_at
        return not self.has_open or now - self._landed_at >= _COMPLETION_SECONDS

    def discard(self) -> None:
        """Drop everything; uploads under way go on and do no harm, their files go with them."""
        for flying in self.flying:
            if flying.task is not None and flying.closed.file is not None:
                flying.task.cancel(then=flying.closed.file.discard)
        if self._file is not None:
            self._file.discard()
        for closed in self.closed:
            if closed.file is not None:
                closed.file.discard()

    def _take(self, fetched: Fetched, now: float) -> None:
        raw = fetched.raw
        readable = self._making.decoder.decode(raw)
        self._weigh(len(raw.values), self._making.format.size_of(readable.groups))
        bad = readable.bad
        if bad and self._making.dead_letter is None:
            first = min(bad)
            self.unreadable = self._refusal(raw, first, bad[first])
            raw = raw.before(first)
            readable = self._making.decoder.decode(raw)
        elif bad and self._making.dead_letter is not None:
            self._making.dead_letter(fetched, bad)
        lines = self._making.format.encode(readable.groups)
        received = Received(lines.offsets, lines.schemas, raw.next_offset, bool(readable.bad))
        self._cut(lines, self._batch.take(received, now), now)

    def _weigh(self, count: int, size: int) -> None:
        """Learn how many records' lines keep within memory. Raises TooLargeTogether."""
        if size > _LINES_BYTES and count > 1:
            raise TooLargeTogether
        if count:
            fitting = count * _LINES_BYTES // max(size, 1)
            usual = _MOST_AT_ONCE if self.most is None else int(self.most * _GROWTH) + 1
            self.most = max(1, min(fitting, usual))

    def _cut(self, lines: Lines, cuts: list[Cut], now: float) -> None:
        index = 0
        for cut in cuts:
            if cut.upto > index:
                part = partial(lines.between, index, cut.upto)
                self._open(now).add(part, lines.size(index, cut.upto))
            index = cut.upto
            if cut.boundary is None or cut.reason is None:
                continue
            if cut.reason is Reason.PLANNED:
                self._close_planned(cut.boundary, cut.lines, now)
            else:
                self._close(cut.boundary, cut.reason)

    def _close_planned(self, boundary: Boundary, lines: int, now: float) -> None:
        """End a file where a predecessor decided; a staged one stands where ours would differ.

        Raises DataAtRisk where ours would have other rows than were decided, and none is staged.
        """
        is_other = self.register.format != self._making.format.fingerprint
        if boundary in self._staged and (lines != boundary.rows or is_other):
            self._drop_open()
            self.closed.append(Closed(boundary, None, Reason.PLANNED, now))
            return
        if lines != boundary.rows:
            if not self._making.recount:
                raise other_rows(boundary, lines, self.owned.where, is_other_format=is_other)
            log.warning(
                "file.recounted",
                partition=self.owned.where,
                first=boundary.start,
                end=boundary.end,
                decided=boundary.rows,
                rows=lines,
            )
        self._close(replace(boundary, rows=lines), Reason.PLANNED)

    def _open(self, now: float) -> BackgroundFile:
        if self._file is None:
            self._file = self._making.new_file()
            self._opened_at = now
        return self._file

    def _close(self, boundary: Boundary, reason: Reason) -> None:
        file = self._open(self._opened_at)
        file.finish()
        self.closed.append(Closed(boundary, file, reason, self._opened_at))
        self._file = None

    def _drop_open(self) -> None:
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _refusal(self, raw: RawRecords, index: int, reason: str) -> Unreadable:
        return Unreadable(
            Code.UNREADABLE,
            f"a record cannot be read: {reason}",
            where=f"{self.owned.where} offset {raw.offsets[index]}",
            advice="repair the producer and skip the record, or set "
            "ROWFERRY_ON_UNREADABLE=dead_letter to put such records aside",
        )
