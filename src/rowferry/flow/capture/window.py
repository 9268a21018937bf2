"""The incremental window: which transactions ended, and from when on rows must be looked at.

The idea: only a transaction that ended since the last poll can reveal rows, and its rows carry
xids that the last snapshot had not seen finished. Times are microseconds since 1970 by the
server's clock, stored raw: the margin (EPSILON_SECONDS and
CLOCK_SKEW_SECONDS) is subtracted only where a bound is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

BEGINNING = -(10**18)  # before every time: "unknown, look at all"
NEVER = 10**18  # behind every time: "nothing ended"
SECOND = 1_000_000
DRIFT = 1_000  # two clocks drift apart by less than one part in so many


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What pg_current_snapshot() says: every xid below xmax and not running is finished."""

    xmin: int
    xmax: int
    running: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Read PostgreSQL's `xmin:xmax:xip,xip,…`."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(x) for x in running.split(",") if x))

    def finished(self, xid32: int) -> bool:
        """Whether the transaction with this 32-bit id had ended."""
        xid = self.xmax - ((self.xmax - xid32) & 0xFFFFFFFF)
        return xid < self.xmax and xid not in self.running


@dataclass(frozen=True, slots=True)
class Sample:
    """Which transactions were open, seen after the snapshot was taken.

    t: the server's clock, read before the snapshot. live: virtual transaction ids.
    prepared: 32-bit xid of each prepared transaction → the vxid that it had, where known.
    """

    t: int
    live: frozenset[str]
    prepared: Mapping[int, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ring:
    """Since when each open transaction may have been open: the last sample without it.

    since: vxid, or `prepared <xid>` → that sample's t; BEGINNING for those of the first sample.
    last: the previous sample's t.
    """

    since: Mapping[str, int] = field(default_factory=dict)
    last: int = BEGINNING


@dataclass(frozen=True, slots=True)
class Seen:
    """What one sample tells every table.

    t: its clock. before: the previous sample's t. gone: the least ring time of what ended since;
    opened: the least of what is open; listed: the least of prepared transactions that are still
    listed but finished in the snapshot. NEVER where there is none.
    """

    t: int
    before: int
    gone: int
    opened: int
    listed: int


def observe(ring: Ring, sample: Sample, snapshot: Snapshot) -> tuple[Ring, Seen]:
    """Take a sample into the ring; the snapshot must be older than the sample."""
    since = {vxid: ring.since.get(vxid, ring.last) for vxid in sample.live}
    listed = NEVER
    for xid, vxid in sample.prepared.items():
        since[_prepared(xid)] = prepared_since(ring, xid, vxid)
        if snapshot.finished(xid):
            listed = min(listed, since[_prepared(xid)])
    gone = min((t for key, t in ring.since.items() if key not in since), default=NEVER)
    opened = min(since.values(), default=NEVER)
    return Ring(since, sample.t), Seen(sample.t, ring.last, gone, opened, listed)


def prepared_since(ring: Ring, xid: int, vxid: str | None) -> int:
    """The ring time of a prepared transaction: that of the vxid under which it began."""
    known = ring.since.get(_prepared(xid))
    if known is not None:
        return known
    if vxid is None or vxid.startswith("-"):  # "-1/…": recovered, its vxid is forgotten
        return BEGINNING
    return ring.since.get(vxid, ring.last)


def _prepared(xid: int) -> str:
    return f"prepared {xid}"


@dataclass(frozen=True, slots=True)
class Bound:
    """From when on a table must be looked at.

    start: F when this process took the table up; no transaction that matters began earlier, so
    it stands for every BEGINNING. low: B.
    """

    start: int
    low: int

    @classmethod
    def at(cls, start: int) -> "Bound":
        """The bound of a table that is taken up."""
        return cls(start, start)


def lowered(bound: Bound, seen: Seen) -> Bound:
    """The bound after a sample: every sample counts, also where the poll comes to nothing."""
    return replace(bound, low=min(bound.low, max(seen.gone, bound.start)))


def since(bound: Bound, seen: Seen) -> int:
    """L, raw: from when on this sample's poll must look."""
    return min(bound.low, max(seen.listed, bound.start))


def advanced(bound: Bound, seen: Seen) -> Bound:
    """The bound after a completed poll of this sample."""
    return replace(bound, low=max(bound.start, min(seen.before, seen.gone)))


def restart(bound: Bound, seen: Seen) -> int:
    """F: from when on a successor must look that knows nothing of this process."""
    return max(bound.start, min(seen.before, seen.opened, seen.gone))


def first_start(seen: Seen) -> int:
    """F0 of a table's first snapshot: what ended before the sample is the load's."""
    return min(seen.t, seen.opened)


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the server's clock is known to be ahead of ours, at least; at: when it was read."""

    ahead: int | None = None
    at: int = 0

    def read(self, server: int, before: int, after: int) -> tuple["Clock", int]:
        """Take a reading made between two of ours; the second result is how far it went back.

        A step back smaller than the round trip, or than what two clocks may drift apart since the
        last reading, a second at most, is not seen; EPSILON_SECONDS covers it.
        """
        least, most = server - after, server - before
        if self.ahead is None:
            return Clock(least, after), 0
        ahead = self.ahead - min((before - self.at) // DRIFT, SECOND)
        if most >= ahead:
            return Clock(max(ahead, least), after), 0
        return Clock(least, after), self.ahead - least


def set_back(ring: Ring, by: int) -> Ring:
    """The ring after the server's clock went back."""
    return Ring({key: t - by for key, t in ring.since.items()}, ring.last - by)


def bound_back(bound: Bound, by: int) -> Bound:
    """A table's bound after the server's clock went back."""
    return Bound(bound.start - by, bound.low - by)
