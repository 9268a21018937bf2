"""A table's durable state, and how polls, slices and loads change it; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rowferry.flow.capture import window
from rowferry.flow.capture.window import NEVER, Bound, Seen, Snapshot
from rowferry.flow.capture.xids import NONE, XidSet

Cursor = tuple[str, ...]  # the text of the ordering columns of the last row that was sent


@dataclass(frozen=True, slots=True)
class Server:
    """Which history of which server; a promotion changes the timeline, a crash the epoch."""

    system: str
    timeline: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Which table it is, which files its leaves are kept in, and what its key orders by."""

    oid: int
    leaves: Mapping[int, int]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A poll of one snapshot that is sent in slices.

    xids: X_S, all that the poll is to send; xmin, xmax, t: of its snapshot and sample;
    since: L, raw, margin subtracted; restart: the next F; after: the last row sent.
    """

    identity: Identity
    xids: XidSet
    xmin: int
    xmax: int
    t: int
    since: int
    restart: int
    after: Cursor


@dataclass(frozen=True, slots=True)
class Part:
    """What was sent of the rows with a timestamp, or of those without.

    least: P, all below it is sent. sent: X, what is sent at or above P.
    """

    least: int
    sent: XidSet = NONE
    pending: Pending | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The load of one leaf: the complement of all polls from the one that began it.

    Polls claim the rows with x8 >= least, not in sent, ts >= since; of rows without timestamp
    those with x8 >= least_untimed, not in sent_untimed. These bounds never move.
    """

    leaf: int
    least: int
    since: int
    least_untimed: int
    sent: XidSet = NONE
    sent_untimed: XidSet = NONE
    after: Cursor | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """All that a successor needs.

    t, xmax: of the last completed poll; restart: F. again_since: after a crash of the server,
    rows from then on are taken whatever their xid, for one poll: ids may have been used again.
    """

    server: Server
    identity: Identity
    t: int
    xmax: int
    restart: int
    timed: Part
    untimed: Part
    loads: tuple[Load, ...] = ()
    again_since: int | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll of a table is about: decided before its rows are read.

    since: L with the margin subtracted; restart: the next F. adopted: whether leaves are new, or
    loads must begin anew where they are.
    """

    identity: Identity
    snapshot: Snapshot
    t: int
    since: int
    restart: int
    adopted: bool


def first_state(
    server: Server, identity: Identity, snapshot: Snapshot, t: int, restart: int
) -> State:
    """The state of a table that is seen for the first time; all of it is still to load."""
    part = Part(snapshot.xmin)
    nowhere = replace(identity, leaves={})  # so that the first poll adopts every leaf
    return State(server, nowhere, t, snapshot.xmax, restart, part, part)


def adopts(state: State, identity: Identity) -> bool:
    """Whether a poll must begin loads: a leaf is new, or one that is loading was rewritten."""
    loading = {load.leaf for load in state.loads}
    known = state.identity.leaves
    return any(
        leaf not in known or (leaf in loading and known[leaf] != filenode)
        for leaf, filenode in identity.leaves.items()
    )


def rewritten(before: Identity, now: Identity) -> bool:
    """Whether a leaf that is still there is kept in another file than before."""
    return any(now.leaves.get(leaf, file) != file for leaf, file in before.leaves.items())


def decide(
    state: State, bound: Bound, seen: Seen, snapshot: Snapshot, identity: Identity, margin: int
) -> Poll:
    """What a poll of this sample must look at.

    One that adopts leaves looks back as far as any later poll may, so that the loads which it
    begins stay the complement of them all.
    """
    adopted = adopts(state, identity)
    back = window.restart(bound, seen)
    start = window.since(bound, seen)
    start = min(start, back) if adopted else start
    return Poll(identity, snapshot, seen.t, start - margin, back, adopted)


def with_adopted(state: State, poll: Poll) -> tuple[Load, ...]:
    """The loads after a poll: what it was the first to look at is loaded outside its bounds."""
    known = state.identity.leaves
    loading = {load.leaf: load for load in state.loads}
    timed, untimed = state.timed, _after_pending(state.untimed)
    loads: list[Load] = []
    for leaf, filenode in poll.identity.leaves.items():
        before = loading.get(leaf)
        if before is not None and known.get(leaf) == filenode:
            loads.append(before)
        elif before is not None or leaf not in known:
            # After a crash of the server polls claim less than bounds can say: load it all.
            start = poll.since if timed.least > 0 and state.again_since is None else NEVER
            begun = Load(leaf, timed.least, start, untimed.least, timed.sent, untimed.sent)
            kept = before if before is not None and leaf in known else begun
            loads.append(replace(begun, after=kept.after, rows=kept.rows))
    return tuple(loads)


def _after_pending(part: Part) -> Part:
    """What the next poll begins from, once the pending one is sent: that one knows no new leaf."""
    if part.pending is None:
        return part
    least = part.pending.xmin
    return Part(least, (part.sent | part.pending.xids).at_least(least))


def finished(state: State, poll: Poll, sent: XidSet) -> State:
    """The state after a poll of the rows with timestamps of which all is sent."""
    least = poll.snapshot.xmin
    before = NONE if state.again_since is not None else state.timed.sent
    return replace(
        state,
        identity=poll.identity,
        t=poll.t,
        xmax=poll.snapshot.xmax,
        restart=poll.restart,
        timed=Part(least, (before | sent).at_least(least)),
        loads=with_adopted(state, poll),
        again_since=None,
    )


def begun(state: State, timed: bool, poll: Poll, xids: XidSet) -> State:
    """The state of a poll that will be sent in slices, before the first of them."""
    pending = Pending(
        poll.identity,
        xids,
        poll.snapshot.xmin,
        poll.snapshot.xmax,
        poll.t,
        poll.since,
        poll.restart,
        after=(),
    )
    if not timed:
        return replace(state, untimed=replace(state.untimed, pending=pending))
    part = state.timed if state.again_since is None else Part(0)
    return replace(state, timed=replace(part, pending=pending), again_since=None)


def moved(state: State, timed: bool, after: Cursor) -> State:
    """The state with a pending poll's cursor moved on."""
    part = state.timed if timed else state.untimed
    if part.pending is None:
        raise ValueError("no poll is pending")
    part = replace(part, pending=replace(part.pending, after=after))
    return replace(state, timed=part) if timed else replace(state, untimed=part)


def resumed_poll(state: State, pending: Pending) -> Poll:
    """The poll that a pending one was."""
    return Poll(
        pending.identity,
        Snapshot(pending.xmin, pending.xmax),
        pending.t,
        pending.since,
        pending.restart,
        adopts(state, pending.identity),
    )


def finished_untimed(state: State, xmin: int, sent: XidSet) -> State:
    """The state after a poll of the rows without timestamp of which all is sent."""
    kept = (state.untimed.sent | sent).at_least(xmin)
    return replace(state, untimed=Part(xmin, kept))


def advanced_load(state: State, leaf: int, after: Cursor | None, rows: int) -> State:
    """The state after a chunk of a leaf's load; after None ends it."""
    loads: list[Load] = []
    for load in state.loads:
        if load.leaf != leaf:
            loads.append(load)
        elif after is not None:
            loads.append(replace(load, after=after, rows=load.rows + rows))
    return replace(state, loads=tuple(loads))
