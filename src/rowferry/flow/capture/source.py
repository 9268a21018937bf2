"""What the window needs of a database: one snapshot and one sample at a time, and reads in it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import pyarrow as pa

from rowferry.config import Settings
from rowferry.flow.capture.state import Cursor, Identity, Load, Server
from rowferry.flow.capture.window import Clock, Sample, Snapshot
from rowferry.flow.capture.xids import Int64s
from rowferry.model import Table


class TableChanged(Exception):
    """The table is not what it was before the snapshot: the poll is discarded and repeated."""


class SnapshotLost(Exception):
    """The read transaction is over, because of this table: all polls of the tick are.

    is_passing: it was not looked at in this tick; to look again may be all that it needs.
    is_undefined: it lacks what is asked of it, and not a lock.
    """

    def __init__(self, why: str, *, is_passing: bool = False, is_undefined: bool = False) -> None:
        super().__init__(why)
        self.is_passing, self.is_undefined = is_passing, is_undefined


class Which(Enum):
    """Which rows of a table."""

    TIMED = "timed"  # with a timestamp, by the window
    UNTIMED = "untimed"  # without one, by their xids
    ALL = "all"  # for loads and full scans


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows to read, in the snapshot of the moment.

    identity: as it was before the snapshot. since: least timestamp. least, most: of x8.
    again_since: rows from then on whatever their xid; their mark is -x8. leaf: only this one;
    leaves: only these. order: columns to order by, none for any order; after: the row behind
    which to begin.
    claim: rows that polls claim are marked by their x8, or by -2 - x8 where they have no
    timestamp; all others by -1.
    """

    table: Table
    identity: Identity
    which: Which
    xmax: int
    limit: int
    least: int = 0
    most: int | None = None
    since: int | None = None
    again_since: int | None = None
    order: tuple[str, ...] = ()
    after: Cursor | None = None
    leaf: int | None = None
    leaves: frozenset[int] | None = None
    claim: Load | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The table's columns, a mark a row (its x8, if nothing else is said), and how far it went.

    last: the ordering columns of the last row, as text, where the query had an order.
    complete: whether no row is left behind it.
    """

    batch: pa.RecordBatch
    marks: Int64s
    last: Cursor
    complete: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A table as it was before the snapshot."""

    table: Table
    identity: Identity


@dataclass(frozen=True, slots=True)
class Glance:
    """What is seen before a snapshot: the server's clock, how far it went back, the tables.

    looks: qualified name → table, without those that are gone, and without the locked ones.
    """

    t: int
    went_back: int
    looks: Mapping[str, Look]
    locked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot, held while the moment lasts, and the sample taken behind it."""

    snapshot: Snapshot
    sample: Sample


class Source(Protocol):
    """One connection to one database. Any method raises Transient, AccessDenied.

    clock: what is known of the server's clock, to be handed on to the next connection.
    """

    clock: Clock

    def glance(self, settled: Snapshot | None) -> Glance | None:
        """Look before a snapshot; None where nothing was committed since the settled one."""

    def moment(self, t: int) -> AbstractContextManager[Moment]:
        """Hold a snapshot; the sample in it is taken later than the snapshot, and says t."""

    def read(self, query: Query) -> Fetched:
        """Read rows in the moment's snapshot, then see that the table is what it was.

        Raises TableChanged, SnapshotLost.
        """

    def marks(self, query: Query, take: Callable[[Int64s], None]) -> None:
        """Hand over the distinct marks of all rows of the query, in parts.

        Its limit and order do not count. There may be as many as transactions, so they are never
        held together; take() must not raise.
        """

    def close(self) -> None:
        """Let go of the connection."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A source, the server behind it, the tables that were asked for, and about how many rows."""

    source: Source
    server: Server
    tables: Mapping[str, Table] = field(default_factory=dict)
    estimates: Mapping[str, int] = field(default_factory=dict)


Connect = Callable[[Settings], Connected]
