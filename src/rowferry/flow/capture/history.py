"""What accidents of the server make of a state: crashes, failovers, restores, its clock; pure."""

from dataclasses import replace

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.capture.state import Identity, Part, Server, State, rewritten
from rowferry.flow.capture.window import BEGINNING, SECOND, Snapshot

FAILOVER_OVERLAP = 3600 * SECOND


def taken_up(state: State, server: Server) -> State:
    """The state as it must be read on this server.

    Crash recovery (a new epoch) and failover (a new timeline) may use xids again that the lost
    part of the WAL had used. Raises DataAtRisk for another system.
    """
    if state.server == server:
        return state
    if state.server.system != server.system:
        raise DataAtRisk(
            Code.PG_HISTORY_DIVERGED,
            "this is another database system than the one that the progress belongs to",
            advice="point POSTGRES_HOST to the right server, or choose another ROWFERRY_PIPELINE"
            " to load the tables again",
        )
    if state.server.timeline != server.timeline:
        state = unpended(state)
        back = max(BEGINNING, state.restart - FAILOVER_OVERLAP)
        return replace(state, server=server, xmax=0, restart=back, timed=Part(0), untimed=Part(0))
    state = unpended(state)
    return replace(state, server=server, xmax=0, untimed=Part(0), again_since=state.t)


def checked(state: State, snapshot: Snapshot) -> State:
    """The state, if the server's xids have not gone back behind it."""
    if snapshot.xmax < state.xmax:
        raise DataAtRisk(
            Code.PG_HISTORY_DIVERGED,
            f"the server's transaction ids went back from {state.xmax} to {snapshot.xmax}:"
            " an older copy of the database was put in its place",
            advice="find out what was restored; to load the tables again, choose another"
            " ROWFERRY_PIPELINE",
        )
    return state


def unpended(state: State) -> State:
    """The state without its unfinished polls; what they sent may be sent again."""
    restart = state.restart
    if state.timed.pending is not None:
        restart = min(restart, state.timed.pending.since)
    return replace(
        state,
        restart=restart,
        timed=replace(state.timed, pending=None),
        untimed=replace(state.untimed, pending=None),
    )


def continued(state: State, now: Identity) -> State:
    """The state, without what a table that was rewritten or has another key cannot continue.

    What is read in the order of the key begins anew; what it had sent may be sent again. A leaf
    that is away now is none of what an unfinished poll looks at: if it comes back, it is loaded.
    """
    if state.identity.key not in ("", now.key):
        loads = tuple(replace(load, after=None, rows=0) for load in state.loads)
        identity = replace(state.identity, key=now.key)
        return replace(unpended(state), identity=identity, loads=loads)
    pendings = (state.timed.pending, state.untimed.pending)
    if any(p is not None and rewritten(p.identity, now) for p in pendings):
        return unpended(state)
    timed, untimed = _without_gone(state.timed, now), _without_gone(state.untimed, now)
    if timed is state.timed and untimed is state.untimed:
        return state
    return replace(state, timed=timed, untimed=untimed)


def _without_gone(part: Part, now: Identity) -> Part:
    if part.pending is None or part.pending.identity.leaves.keys() <= now.leaves.keys():
        return part
    identity = part.pending.identity
    leaves = {leaf: file for leaf, file in identity.leaves.items() if leaf in now.leaves}
    pending = replace(part.pending, identity=replace(identity, leaves=leaves))
    return replace(part, pending=pending)


def set_back(state: State, by: int) -> State:
    """The state after the server's clock went back; the bounds of loads and slices stay."""
    timed = state.timed
    if timed.pending is not None:
        pending = replace(timed.pending, t=timed.pending.t - by, restart=timed.pending.restart - by)
        timed = replace(timed, pending=pending)
    again = None if state.again_since is None else state.again_since - by
    return replace(
        state, t=state.t - by, restart=state.restart - by, timed=timed, again_since=again
    )


def clockless(state: State) -> State:
    """The state where the server's clock is behind it: all stored times mean nothing."""
    again = None if state.again_since is None else BEGINNING
    timed = state.timed
    if timed.pending is not None:
        timed = replace(timed, pending=replace(timed.pending, restart=BEGINNING))
    return replace(state, restart=BEGINNING, timed=timed, again_since=again)


def latest(state: State) -> int:
    """The latest of the server's times that the state was made by."""
    pending = state.timed.pending
    return state.t if pending is None else max(state.t, pending.t)
