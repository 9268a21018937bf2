"""The capture that polls: one snapshot and one sample a tick, for all tables of a database."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace

import structlog

from rowferry.config import Mode, Settings
from rowferry.errors import Code, ConfigError
from rowferry.flow.capture import window
from rowferry.flow.capture.ahead import Reader, in_a_thread
from rowferry.flow.capture.feed import Feed
from rowferry.flow.capture.full import FullFeed
from rowferry.flow.capture.source import (
    Connect,
    Glance,
    Moment,
    SnapshotLost,
    Source,
    TableChanged,
)
from rowferry.flow.capture.state import Server
from rowferry.flow.capture.turn import Here, LoadProgress
from rowferry.flow.capture.window import Ring, Seen, Snapshot
from rowferry.model import Slice, Table

BUSY_SHARE = 5  # a tick takes a fifth of the time at most, unless work is waiting
CPU_SHARE = 0.05  # polls may come sooner as long as this much of a core is enough for all we do
SOONEST = 0.5  # of POLL_SECONDS, after a poll that found rows
GONE_SECONDS = 5.0  # how long a table, or part of it, may be away, as while renames swap it
LOAD_SECONDS = 1.0  # how long a tick may go on loading before tables are polled again
LOCKED_SECONDS = 5.0  # how long a table is left alone after its lock was not to be had
TOLD_SECONDS = 60.0  # how often it is told that a table is left alone

log = structlog.get_logger()


class IncrementalCapture:
    """Implements contract.Capture for tables in modes incremental and full.

    After each tick, pause_seconds says when the next one is due, and
    is_settled whether all that was committed before the tick has been given out. A tick without
    slices on an unsettled capture is no end: `--once` goes on until it is settled.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        *,
        connect: Connect,
        once: bool = False,
        reader: Reader = in_a_thread,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self.pause_seconds = 0.0
        self.is_settled = False
        self._settings, self._clock, self._connect = settings, clock, connect
        self._once, self._began, self._outside = once, 0.0, 0.0
        self._reader, self._cpu = reader, cpu
        self._cpu_rested, self._found = cpu(), False
        self._source: Source | None = None
        self._server_clock = window.Clock()  # with no step back that a feed has yet to store
        self._feeds: dict[str, Feed | FullFeed] = {}
        self._estimates: Mapping[str, int] = {}
        self._ring = Ring()
        self._settled: Snapshot | None = None
        self._away: dict[str, float] = {}
        self._locked: dict[str, float] = {}
        self._undefined: dict[str, float] = {}  # since when a table lacks what is asked of it
        self._told: dict[str, float] = {}

    def open(self, progress: Mapping[str, Mapping[str, bytes]]) -> tuple[Table, ...]:
        """See contract.Capture; what was sampled before is forgotten."""
        self.close()
        connected = self._connect(self._settings)
        self._source, self._estimates = connected.source, connected.estimates
        self._source.clock = self._server_clock
        self._feeds = {
            name: self._feed(connected.server, table, progress.get(name, {}))
            for name, table in connected.tables.items()
        }
        self._ring, self._settled = Ring(), None
        self._locked, self._undefined = {}, {}
        return tuple(connected.tables.values())

    def tick(self) -> Generator[Slice, None, None]:
        """See contract.Capture."""
        source = self._opened()
        self._began, self._outside, self._found = self._clock(), 0.0, False
        is_waiting = any(feed.is_waiting for feed in self._feeds.values())
        known, self._settled = self._settled, None  # only a tick that ends well restores it
        glance = source.glance(None if is_waiting else known)
        if glance is None:
            self._settled = known
            self._rest(is_settled=True)
            return
        with source.moment(glance.t) as moment:
            seen = self._sample(glance, moment)
            for name in [name for name in self._feeds if self._is_here(name, glance)]:
                until = self._began + LOAD_SECONDS
                here = Here(source, moment, seen, glance.looks[name], self._reader, until)
                try:
                    yield from self._timed_outside(self._feeds[name].turn(here))
                except TableChanged:
                    continue  # discarded, and repeated at the next tick
                except SnapshotLost as lost:
                    if not lost.is_passing:
                        self._leave_alone(name, lost)
                    break
                self._undefined.pop(name, None)
        all_settled = all(feed.settled for feed in self._feeds.values())
        self._settled = moment.snapshot if all_settled else None
        self._rest(is_settled=all_settled)

    def confirm(self, committed: Slice) -> None:
        """See contract.Capture."""
        self._feeds[committed.rows.table.qualified].confirm()

    def close(self) -> None:
        """See contract.Capture."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def loads(self) -> tuple[LoadProgress, ...]:
        """How far the tables that are loading have come, for people."""
        found = [feed.load_progress for feed in self._feeds.values()]
        return tuple(
            replace(load, estimated=self._estimates.get(load.table.qualified, 0))
            for load in found
            if load is not None
        )

    def _sample(self, glance: Glance, moment: Moment) -> Seen:
        """Take the sample into the ring and every table's bound, before anything may fail."""
        if glance.went_back:
            self._ring = window.set_back(self._ring, glance.went_back)
            for feed in self._feeds.values():
                feed.clock_went_back(glance.went_back)
        self._ring, seen = window.observe(self._ring, moment.sample, moment.snapshot)
        for feed in self._feeds.values():
            feed.settled = False
            feed.sampled(seen)
        return seen

    def _is_here(self, name: str, glance: Glance) -> bool:
        """Whether a table can have its turn. Raises ConfigError if it has been away too long."""
        now = self._clock()
        if name in glance.looks:
            self._away.pop(name, None)
            return self._locked.get(name, now) <= now
        if name in glance.locked:
            self._tell_waiting(name, "another session holds its lock")
            return False
        if now - self._away.setdefault(name, now) >= GONE_SECONDS:
            raise ConfigError(
                Code.TABLE_GONE,
                "the table is not there any more",
                where=name,
                advice="restore it, or take it out of ROWFERRY_TABLES",
            )
        return False

    def _leave_alone(self, name: str, lost: SnapshotLost) -> None:
        """Give a table some time. Raises ConfigError if that has not helped it."""
        now = self._clock()
        self._locked[name] = now + LOCKED_SECONDS
        self._tell_waiting(name, str(lost))
        if not lost.is_undefined:
            self._undefined.pop(name, None)
        elif now - self._undefined.setdefault(name, now) >= GONE_SECONDS:
            raise ConfigError(
                Code.TABLE_UNFIT,
                f"the table cannot be captured: {lost}",
                where=name,
                advice="correct ROWFERRY_FILTER if it names what is gone; see the server's log",
            ) from lost

    def _tell_waiting(self, name: str, reason: str) -> None:
        """Say that a table has to wait, from time to time."""
        now = self._clock()
        if now - self._told.get(name, now - TOLD_SECONDS) >= TOLD_SECONDS:
            self._told[name] = now
            log.warning("table.waiting", table=name, reason=reason)

    def _timed_outside(self, slices: Iterator[Slice]) -> Iterator[Slice]:
        """Pass slices on; what the consumer does with them is no load on the server."""
        for one in slices:
            given = self._clock()
            self._found = self._found or one.rows.batch.num_rows > 0
            yield one
            self._outside += self._clock() - given

    def _rest(self, *, is_settled: bool) -> None:
        elapsed = self._clock() - self._began
        busy = elapsed - self._outside  # while slices were published, the server was left alone
        period = self._settings.poll_seconds
        before, self._cpu_rested = self._cpu_rested, self._cpu()
        if self._found:
            spent = self._cpu_rested - before  # since the last rest began: by all threads
            period *= min(1.0, max(SOONEST, spent / CPU_SHARE / period))
        pause = max(period - elapsed, (BUSY_SHARE - 1) * busy - self._outside, 0.0)
        self.pause_seconds = 0.0 if any(f.is_waiting for f in self._feeds.values()) else pause
        if not any(f.must_store for f in self._feeds.values()):
            self._server_clock = self._opened().clock
        self.is_settled = is_settled

    def _opened(self) -> Source:
        if self._source is None:
            raise RuntimeError("open() comes before tick()")
        return self._source

    def _feed(self, server: Server, table: Table, parts: Mapping[str, bytes]) -> Feed | FullFeed:
        mode = self._settings.of(table.qualified).mode or self._settings.mode
        if mode is Mode.FULL:
            return FullFeed(self._settings, self._clock, table, parts, once=self._once)
        return Feed(self._settings, self._clock, table, parts, server)
