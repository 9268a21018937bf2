"""One table's turn in a tick: its poll, in slices where it is large, and a chunk of its load."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from rowferry.config import Settings
from rowferry.failpoints import failpoint
from rowferry.flow.capture import durable, history, state, window
from rowferry.flow.capture.ahead import pieces
from rowferry.flow.capture.source import Fetched, Query, Which
from rowferry.flow.capture.state import Load, Poll, Server, State
from rowferry.flow.capture.statements import precision_margin
from rowferry.flow.capture.turn import Here, LoadProgress
from rowferry.flow.capture.window import BEGINNING, SECOND, Bound, Seen
from rowferry.flow.capture.xids import NONE, Bools, Int64s, XidSet
from rowferry.model import Rows, Slice, Table

Finish = Callable[[State], State]
UNTIMED_SHARE = 20  # slow polls of rows without timestamp take a twentieth of the time at most
SLOW_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Offered:
    """What a slice makes of the feed once it is durable."""

    state: State
    bound: Bound
    parts: Mapping[str, bytes]


class Feed:
    """A table in incremental mode: its state, what of it is durable, and its bound."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        table: Table,
        parts: Mapping[str, bytes],
        server: Server,
    ) -> None:
        self.table = table
        self.settled = False
        self._settings, self._clock = settings, clock
        self._untimed_due = clock()
        self._server = server
        self._durable: Mapping[str, bytes] = durable.own_parts(parts)
        stored = durable.decoded(self._durable)
        self.state = None if stored is None else history.taken_up(stored, server)
        self.bound = Bound.at(0 if self.state is None else self.state.restart)
        self._offered: Offered | None = None
        self._fresh, self.must_store = True, False  # must_store: as the server's clock went back

    @property
    def is_waiting(self) -> bool:
        """Whether there is work that needs no commit of others to be done."""
        return self.state is not None and bool(self.state.loads)

    @property
    def load_progress(self) -> LoadProgress | None:
        """How far the load is; None where there is none."""
        loads = () if self.state is None else self.state.loads
        if not loads:
            return None
        return LoadProgress(self.table, sum(load.rows for load in loads), len(loads))

    def sampled(self, seen: Seen) -> None:
        """Take in a sample, whatever becomes of the poll."""
        self.bound = window.lowered(self.bound, seen)

    def clock_went_back(self, by: int) -> None:
        """Lower every stored time, and have the next poll make it durable."""
        self.bound = window.bound_back(self.bound, by)
        self.must_store = True
        if self.state is not None:
            self.state = history.set_back(self.state, by)

    def confirm(self) -> None:
        """The slice that was offered is durable: move on."""
        if self._offered is None:
            raise RuntimeError(f"{self.table.qualified}: no slice is waiting for confirm()")
        self.state, self.bound = self._offered.state, self._offered.bound
        self._durable, self._offered = self._offered.parts, None
        self.must_store = False

    def turn(self, here: Here) -> Iterator[Slice]:
        """Poll the rows with timestamps, then those without, then load chunks of each leaf."""
        self.settled, self._offered = False, None
        self.table = here.look.table
        before = self._meet(here)
        loading = [load.leaf for load in before.loads]
        is_new_poll = before.timed.pending is None and before.untimed.pending is None
        yield from self._poll(here, before)
        if self._now.identity != here.look.identity:
            return  # the poll was of an earlier moment: what follows waits for the next
        is_due = self._clock() >= self._untimed_due
        if is_due:
            yield from self._poll_untimed(here)
        for leaf in loading:  # never those that this snapshot began: it is too old for them
            yield from self._load_chunks(here, leaf)
        self.settled = is_new_poll and is_due and not self._now.loads

    def _meet(self, here: Here) -> State:
        """The state to begin from, and the bound with it."""
        identity, snapshot, seen = here.look.identity, here.moment.snapshot, here.seen
        if self._fresh and self.state is not None and seen.t < history.latest(self.state):
            # The clock went back while nobody was looking, who knows how far: look at all once.
            self.state, self.bound = history.clockless(self.state), Bound.at(BEGINNING)
            self.must_store = True
        self._fresh = False
        if self.state is not None and self.state.identity.oid != identity.oid:
            self.state = None  # another table under the name: load it
        if self.state is None:
            start = window.first_start(seen)
            self.bound = Bound.at(start)
            return state.first_state(self._server, identity, snapshot, seen.t, start)
        history.checked(self.state, snapshot)
        before, self.state = self.state, history.continued(self.state, identity)
        if self.state is not before:
            restart = self.state.restart
            self.bound = Bound(min(self.bound.start, restart), min(self.bound.low, restart))
        return self.state

    @property
    def _now(self) -> State:
        if self.state is None:
            raise RuntimeError(f"{self.table.qualified}: the next slice was asked for too early")
        return self.state

    def _poll(self, here: Here, before: State) -> Iterator[Slice]:
        pending = before.timed.pending
        if pending is not None:
            poll = state.resumed_poll(before, pending)
            finish = partial(state.finished, poll=poll, sent=pending.xids)
            yield from self._slices(here, before, pending.since, finish, self.bound)
            return
        snapshot, identity = here.moment.snapshot, here.look.identity
        margin = margin_of(self._settings, self.table)
        poll = state.decide(before, self.bound, here.seen, snapshot, identity, margin)
        done = window.advanced(self.bound, here.seen)
        again = None if before.again_since is None else before.again_since - margin
        query = self._query(here, Which.TIMED, before.timed.least)
        query = replace(query, since=poll.since, again_since=again)
        fetched = self._fresh_of(here, query, before.timed.sent)
        if fetched.complete:
            after = state.finished(before, poll, _ids(fetched.marks, snapshot.xmin))
            is_step = self.state is None or poll.adopted or again is not None
            yield from self._complete(fetched.batch, after, done, is_step)
            return
        xids = self._all_of(here, query, before.timed.sent)
        step = state.begun(before, timed=True, poll=poll, xids=xids)
        finish = partial(state.finished, poll=poll, sent=xids)
        yield from self._slices(here, step, poll.since, finish, done)

    def _poll_untimed(self, here: Here) -> Iterator[Slice]:
        """Poll the rows without timestamp, by their own P and X; seldom, where that is slow."""
        before, xmin = self._now, here.moment.snapshot.xmin
        if before.untimed.pending is None:
            if not self._is_nullable:
                self.state = state.finished_untimed(before, xmin, NONE)
                return
            query = self._query(here, Which.UNTIMED, before.untimed.least)
            began = self._clock()
            fetched = self._fresh_of(here, query, before.untimed.sent)
            took = self._clock() - began
            self._untimed_due = began + (UNTIMED_SHARE * took if took > SLOW_SECONDS else 0.0)
            if fetched.complete:
                after = state.finished_untimed(before, xmin, _ids(fetched.marks, xmin))
                yield from self._complete(fetched.batch, after, self.bound, is_step=False)
                return
            xids = self._all_of(here, query, before.untimed.sent)
            poll = Poll(here.look.identity, here.moment.snapshot, here.seen.t, 0, 0, adopted=False)
            before = state.begun(before, timed=False, poll=poll, xids=xids)
        pending = before.untimed.pending
        assert pending is not None  # noqa: S101 - just begun, or found
        finish = partial(state.finished_untimed, xmin=pending.xmin, sent=pending.xids)
        yield from self._slices(here, before, None, finish, self.bound)

    def _slices(
        self, here: Here, step: State, since: int | None, finish: Finish, done: Bound
    ) -> Iterator[Slice]:
        """Send what is left of a pending poll; done: the bound once all of it is sent."""
        timed = since is not None
        pending = step.timed.pending if timed else step.untimed.pending
        assert pending is not None  # noqa: S101 - both callers see to it
        xids, order = pending.xids, self.table.key
        query = self._query(here, Which.TIMED if timed else Which.UNTIMED, xids.first)
        order = (str(self.table.timestamp_column), *order) if timed else order
        query = replace(query, since=since, most=xids.last, order=order)
        query = replace(query, after=pending.after or None)
        known = pending.identity.leaves.keys()
        if not known >= here.look.identity.leaves.keys():  # the others are the load's
            query = replace(query, leaves=frozenset(known))
        for fetched in pieces(here.source, query, here.reader):
            batch = _of(fetched, xids.holds(fetched.marks))
            if fetched.complete:
                yield from self._complete(batch, finish(step), done, is_step=True)
                return
            step = state.moved(step, timed, fetched.last)
            if batch.num_rows:
                failpoint("send.read")
                yield from self._offer(batch, step, self.bound)

    def _fresh_of(self, here: Here, query: Query, sent: XidSet) -> Fetched:
        """The rows of a query that were not sent."""
        fetched = here.source.read(query)
        if not sent:
            return fetched
        new = ~sent.holds(fetched.marks)
        return replace(fetched, batch=_of(fetched, new), marks=fetched.marks[new])

    def _all_of(self, here: Here, query: Query, sent: XidSet) -> XidSet:
        """X_S: what a poll that is too large for one slice is to send."""
        found = NONE

        def take(marks: Int64s) -> None:
            nonlocal found
            found |= _ids(marks[~sent.holds(marks)], 0)

        here.source.marks(query, take)
        return found

    def _load_chunks(self, here: Here, leaf: int) -> Iterator[Slice]:
        load = next((load for load in self._now.loads if load.leaf == leaf), None)
        if load is None:
            return
        query = self._query(here, Which.ALL, 0)
        query = replace(query, leaf=leaf, claim=load, order=self.table.key, after=load.after)
        query = replace(query, limit=self._settings.load_chunk_rows)
        has_time = partial(self._has_time, here.loads_until)
        for fetched in pieces(here.source, query, here.reader, has_time):
            failpoint("load.chunk")
            batch = _of(fetched, _unclaimed(load, fetched.marks))
            after = None if fetched.complete else fetched.last
            step = state.advanced_load(self._now, leaf, after, batch.num_rows)
            yield from self._offer(batch, step, self.bound)

    def _has_time(self, until: float) -> bool:
        return self._clock() < until

    def _query(self, here: Here, which: Which, least: int) -> Query:
        xmax, limit = here.moment.snapshot.xmax, self._settings.slice_rows
        return Query(self.table, here.look.identity, which, xmax, limit, least)

    @property
    def _is_nullable(self) -> bool:
        column = self.table.timestamp_column
        return any(c.nullable for c in self.table.columns if c.name == column)

    def _complete(
        self, batch: pa.RecordBatch, after: State, done: Bound, is_step: bool
    ) -> Iterator[Slice]:
        """Offer the last rows of a poll; nothing to send and no step taken: only remember."""
        if batch.num_rows or is_step or self.must_store:
            failpoint("send.read")
            yield from self._offer(batch, after, done)
        else:
            self.state, self.bound = after, done

    def _offer(self, batch: pa.RecordBatch, after: State, bound: Bound) -> Iterator[Slice]:
        parts = durable.encoded(after)
        self._offered = Offered(after, bound, parts)
        yield Slice(Rows(self.table, batch), durable.changes(self._durable, parts))
        if self._offered is not None:
            raise RuntimeError(f"{self.table.qualified}: confirm() comes before the next slice")


def _of(fetched: Fetched, wanted: Bools) -> pa.RecordBatch:
    """The wanted rows; no copy where that is all of them, as nearly always."""
    return fetched.batch if wanted.all() else fetched.batch.filter(pa.array(wanted))


def _ids(marks: Int64s, least: int) -> XidSet:
    """The xids that marks stand for, those that are not below the least."""
    xids = np.abs(marks)
    return XidSet.of(xids[xids >= least])


def _unclaimed(load: Load, marks: Int64s) -> Bools:
    """Which rows of a chunk no poll has sent or will send."""
    free = marks == -1
    if load.sent:
        free |= (marks >= 0) & load.sent.holds(marks)
    if load.sent_untimed:
        free |= (marks <= -2) & load.sent_untimed.holds(-2 - marks)  # noqa: PLR2004 - see Query.claim
    return np.asarray(free, np.bool_)


def margin_of(settings: Settings, table: Table) -> int:
    """What is subtracted from a bound: epsilon, clock skew, and what the column's type cuts off."""
    column = next((c for c in table.columns if c.name == table.timestamp_column), None)
    seconds = settings.epsilon_seconds + settings.clock_skew_seconds
    return int(seconds * SECOND) + (precision_margin(column) if column else 0)
