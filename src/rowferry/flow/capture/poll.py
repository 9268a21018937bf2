"""PostgreSQL as a source of the window: its clock, snapshots, samples and reads."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rowferry.config import Settings
from rowferry.errors import NeedsPerson, Transient
from rowferry.flow.capture import statements
from rowferry.flow.capture.catalog import read_table
from rowferry.flow.capture.copied import Numbers, carried
from rowferry.flow.capture.known import Known, Told
from rowferry.flow.capture.postgres import LockNotAvailable, Session, Undefined
from rowferry.flow.capture.source import (
    Fetched,
    Glance,
    Look,
    Moment,
    Query,
    SnapshotLost,
    TableChanged,
)
from rowferry.flow.capture.statements import Statements
from rowferry.flow.capture.treatments import treated
from rowferry.flow.capture.window import Clock, Sample, Snapshot
from rowferry.flow.capture.xids import Int64s
from rowferry.kernel.copy_blocks import CopyBlocks
from rowferry.model import Table

_PROBE = """
SELECT pg_current_snapshot()::text, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""
# Its now() is the time at which the server took the message up, which is before the snapshot.
_BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_current_snapshot()::text, (extract(epoch FROM now()) * 1000000)::bigint
"""
# At commit a backend's lxid is cleared together with its xid, under one lock, while its lock
# lingers and shows as n/0: the comparison with virtualtransaction leaves such locks out.
_LIVE = """
SELECT CASE WHEN l.locktype = 'virtualxid' THEN l.virtualxid END,
       CASE WHEN l.locktype = 'transactionid' THEN l.transactionid::text::bigint END,
       l.virtualtransaction
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.granted AND (
   l.locktype = 'transactionid' AND l.pid IS NULL
   OR l.locktype = 'virtualxid' AND l.virtualxid = l.virtualtransaction
      AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND (a.datid IS NULL OR a.datid = (SELECT oid FROM pg_database
                                          WHERE datname = current_database())))
"""
_PREPARED = (
    "SELECT transaction::text::bigint FROM pg_prepared_xacts WHERE database = current_database()"
)


class PostgresSource:
    """Implements source.Source; between is called between snapshot and sample, for tests."""

    def __init__(
        self, session: Session, settings: Settings, tables: Sequence[Table], *, prepares: bool
    ) -> None:
        self.between: Callable[[], None] = lambda: None
        self._session, self._settings, self._prepares = session, settings, prepares
        self._tables = list(tables)
        self._known = {t.qualified: Known(t, self._built(t)) for t in tables}
        self._identity = statements.identity_of(self._tables)
        self.clock = Clock()
        self._looks: dict[str, Look] | None = None  # of all tables, while reads find them unchanged
        self._is_old = self._is_busy = False  # what was seen is of an earlier glance; what changed
        self._begun: Snapshot | None = None
        self._leaf_names: dict[int, str | None] = {}
        self._row_bytes: dict[str, float] = {}
        self._recognised: set[str] = set()

    def glance(self, settled: Snapshot | None) -> Glance | None:
        """See source.Source; while tables change, the moment begins right here.

        Then they are as the glance before has seen them, or the moment's reads will tell.
        """
        looks = self._looks if self._is_busy else None
        before = _microseconds()
        text, t = self._session.again(_PROBE)[0] if looks is None else self._session.row(_BEGIN)
        self.clock, went_back = self.clock.read(t, before, _microseconds())
        snapshot = Snapshot.parse(text)
        self._is_busy = settled is None or went_back > 0 or snapshot != settled
        self._is_old = looks is not None
        if not self._is_busy:
            self._end()
            return None
        if looks is not None:
            self._begun = snapshot
            return Glance(t, went_back, looks)
        looks, locked = self._look_anew()
        self._looks = looks if len(looks) == len(self._tables) else None
        return Glance(t, went_back, looks, locked)

    @contextmanager
    def moment(self, t: int) -> Iterator[Moment]:
        """See source.Source."""
        snapshot, self._begun = self._begun, None
        snapshot = snapshot or Snapshot.parse(self._session.row(_BEGIN)[0])
        self._recognised.clear()
        self._leaf_names.clear()
        try:
            self.between()
            yield Moment(snapshot, self._sample(t))
        finally:
            self._end()

    def read(self, query: Query) -> Fetched:
        """See source.Source; a slice ends early where its bytes are enough."""
        name = query.table.qualified
        known = self._known[name]
        most = self._settings.slice_bytes
        limit = max(1, min(query.limit, int(most / self._row_bytes.get(name, 1.0))))
        rows = CopyBlocks(known.reader(query), limit, most)
        with self._reading(query.table):
            source = None if query.leaf is None else self._leaf(query.leaf)
            self._session.copy(known.statements.read(query, limit + 1, source), rows.writer())
            if source is not None:
                self._recognise_leaf(query, source)
            self._recognise(query)
        batch = carried(rows, name)
        if batch.num_rows:
            self._row_bytes[name] = max(1.0, rows.size / batch.num_rows)
        width = len(known.statements.wires)
        marks = batch.column(width).to_numpy()
        last = known.statements.last(batch, query) if batch.num_rows else ()
        return Fetched(batch.select(range(width)), marks, last, rows.is_complete)

    def marks(self, query: Query, take: Callable[[Int64s], None]) -> None:
        """See source.Source."""
        known, numbers = self._known[query.table.qualified], Numbers(take)
        with self._reading(query.table):
            self._session.copy(known.statements.marks(query), numbers.write)
        numbers.finish()

    def close(self) -> None:
        """See source.Source."""
        self._session.close()

    def _sample(self, t: int) -> Sample:
        """Who is open. Locks first: a transaction is in them, or was prepared before they were."""
        live: set[str] = set()
        prepared: dict[int, str | None] = {}
        for vxid, xid, owner in self._session.again(_LIVE):
            if vxid is not None:
                live.add(vxid)
            else:
                prepared[xid] = owner
        if self._prepares:
            listed = {row[0] for row in self._session.again(_PREPARED)}
            prepared = {xid: prepared.get(xid) for xid in listed}
        return Sample(t, frozenset(live), prepared)

    def _end(self) -> None:
        """End the moment's transaction, if there is one."""
        with suppress(Transient):  # a lost connection shows at the next statement
            if self._session.in_transaction:
                self._session.run("ROLLBACK")

    @contextmanager
    def _reading(self, table: Table) -> Iterator[None]:
        """An error of one table ends the transaction, and with it the tick; and says which it was.

        Where the table was not looked at in this tick, its change may be all that is wrong.
        """
        looks, self._looks = self._looks, None
        try:
            yield
        except LockNotAvailable as error:
            raise SnapshotLost(error.what) from error
        except (Undefined, NeedsPerson) as error:
            is_old, is_undefined = self._is_old, isinstance(error, Undefined)
            if is_old or is_undefined:
                lost = SnapshotLost(error.what, is_passing=is_old, is_undefined=is_undefined)
                raise lost from error
            error.where = table.qualified
            raise
        self._looks = looks

    def _look_anew(self) -> tuple[dict[str, Look], frozenset[str]]:
        """The tables that are there, and those of which a lock keeps even the partitions."""
        looks: dict[str, Look] = {}
        rows, locked = self._identities()
        for at, *told in rows:
            looks[self._tables[at].qualified] = self._look(self._tables[at], Told(*told))
        return looks, locked

    def _identities(self) -> tuple[list[Any], frozenset[str]]:
        try:
            return self._session.again(self._identity), frozenset()
        except LockNotAvailable:
            rows: list[Any] = []
            locked: set[str] = set()
        for at, table in enumerate(self._tables):
            try:
                found = self._session.rows(statements.identity_of([table]))
                rows += [(at, *row[1:]) for row in found]
            except LockNotAvailable:
                locked.add(table.qualified)
        return rows, frozenset(locked)

    def _look(self, table: Table, told: Told) -> Look:
        known = self._known[table.qualified]
        if not known.is_of(told):
            again = read_table(self._session, table.schema, table.name, table.timestamp_column)
            again = treated(again, self._settings)
            self._known[table.qualified] = known = Known(again, self._built(again), told)
        return known.looked(told)

    def _recognise(self, query: Query) -> None:
        """See, inside the snapshot and holding the table's lock, that it is what it was."""
        name = query.table.qualified
        if name in self._recognised:
            return  # our lock keeps it so until the moment ends
        known = self._known[name]
        rows = self._session.again(known.asking)
        if not rows or not known.is_unchanged(Told(*rows[0][1:]), query):
            raise TableChanged
        if known.is_its_own_leaf:  # a partition may come in spite of the lock
            self._recognised.add(name)

    def _recognise_leaf(self, query: Query, source: str) -> None:
        """See, holding its lock, that it was the leaf that was read.

        The name is of the snapshot; to the COPY it may already have been another table's.
        """
        if self._session.row("SELECT to_regclass(%s)::oid::bigint", (source,))[0] != query.leaf:
            raise TableChanged

    def _leaf(self, leaf: int) -> str | None:
        """The leaf's own name, if the role may read it: reading through the parent is slower."""
        if leaf not in self._leaf_names:
            rows = self._session.rows(
                "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s"
                " AND has_table_privilege(c.oid, 'SELECT')"
                " AND has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.oid)",
                (leaf,),
            )
            self._leaf_names[leaf] = rows[0][0] if rows else None
        return self._leaf_names[leaf]

    def _built(self, table: Table) -> Statements:
        own = self._settings.of(table.qualified)
        condition = own.filter or self._settings.filter
        return Statements(table, condition, self._settings.timestamp_zone)


def _microseconds() -> int:
    return int(time.monotonic() * 1_000_000)
