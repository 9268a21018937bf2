"""PostgreSQL as a source of the window: its clock, snapshots, samples and reads."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from rowferry.config import Settings
from rowferry.errors import Code, NeedsPerson, Transient, Unreadable
from rowferry.flow.capture import statements
from rowferry.flow.capture.catalog import read_table
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
from rowferry.flow.capture.state import Identity
from rowferry.flow.capture.statements import Statements
from rowferry.flow.capture.treatments import treated
from rowferry.flow.capture.window import Clock, Sample, Snapshot
from rowferry.flow.capture.xids import Int64s
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.copy_cells import Uncarriable
from rowferry.model import Table

_TRAILER = b"\xff\xff"

_PROBE = """
SELECT pg_current_snapshot()::text, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_current_snapshot()::text"
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


@dataclass(slots=True)
class _Known:
    """A table as it was read from the catalog, and what it was recognised by."""

    table: Table
    fingerprint: str
    oid: int
    statements: Statements
    identity: str


class PostgresSource:
    """Implements source.Source; between is called between snapshot and sample, for tests."""

    def __init__(
        self, session: Session, settings: Settings, tables: Sequence[Table], *, prepares: bool
    ) -> None:
        self.between: Callable[[], None] = lambda: None
        self._session, self._settings, self._prepares = session, settings, prepares
        self._tables = list(tables)
        self._known = {t.qualified: self._known_as(t, "") for t in tables}
        self._identity = statements.identity_of(self._tables)
        self._clock = Clock()
        self._leaf_names: dict[int, str | None] = {}
        self._row_bytes: dict[str, float] = {}
        self._recognised: set[str] = set()

    def glance(self, settled: Snapshot | None) -> Glance | None:
        """See source.Source."""
        before = _microseconds()
        [(text, t)] = self._session.again(_PROBE)
        self._clock, went_back = self._clock.read(t, before, _microseconds())
        if settled is not None and not went_back and Snapshot.parse(text) == settled:
            return None
        looks: dict[str, Look] = {}
        rows, locked = self._identities()
        for row in rows:
            table = self._tables[row[0]]
            looks[table.qualified] = self._look(table, row)
        return Glance(t, went_back, looks, locked)

    @contextmanager
    def moment(self, t: int) -> Iterator[Moment]:
        """See source.Source."""
        snapshot = Snapshot.parse(self._session.row(_BEGIN)[0])
        self._recognised.clear()
        try:
            self.between()
            yield Moment(snapshot, self._sample(t))
        finally:
            with suppress(Transient):  # a lost connection shows at the next statement
                if self._session.in_transaction:
                    self._session.run("ROLLBACK")

    def read(self, query: Query) -> Fetched:
        """See source.Source; a slice ends early where its bytes are enough."""
        known = self._known[query.table.qualified]
        name = query.table.qualified
        most = self._settings.slice_bytes
        limit = max(1, min(query.limit, int(most / self._row_bytes.get(name, 1.0))))
        wires = known.statements.wires_of(query)
        rows = _Rows(most)
        with _reading(query.table):
            source = None if query.leaf is None else self._leaf(query.leaf)
            self._session.copy(known.statements.read(query, limit + 1, source), rows.append)
            self._recognise(query)
        batch = _carried(CopyReader(wires), rows.chunks(limit), name)
        is_complete = rows.count <= limit and not rows.is_cut
        if batch.num_rows:
            self._row_bytes[name] = max(1.0, rows.size / batch.num_rows)
        width = len(known.statements.wires)
        columns = pa.RecordBatch.from_arrays(
            batch.columns[:width], schema=pa.schema([batch.schema.field(i) for i in range(width)])
        )
        marks = batch.column(width).to_numpy()
        last = ()
        if query.order and batch.num_rows:
            last = tuple(column[-1].as_py() for column in batch.columns[width + 1 :])
        return Fetched(columns, marks, last, is_complete)

    def marks(self, query: Query) -> Int64s:
        """See source.Source."""
        known = self._known[query.table.qualified]
        chunks: list[bytes] = []
        with _reading(query.table):
            self._session.copy(known.statements.marks(query), chunks.append)
        data = np.frombuffer(b"".join(chunks), np.uint8)[19:-2]  # header, trailer
        fields = data.reshape(-1, 14)[:, 6:].copy()  # field count and length, then the value
        return fields.view(">i8").reshape(-1).astype(np.int64)

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

    def _identities(self) -> tuple[list[Any], frozenset[str]]:
        """A row a table, and the tables of which a lock keeps even the list of partitions."""
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

    def _look(self, table: Table, row: Any) -> Look:
        _, oid, leaves, columns, key = row
        fingerprint = f"{columns} {key}"
        known = self._known[table.qualified]
        if (known.oid, known.fingerprint) != (oid, fingerprint):
            again = read_table(self._session, table.schema, table.name, table.timestamp_column)
            again = treated(again, self._settings)
            self._known[table.qualified] = known = self._known_as(again, fingerprint)
            self._leaf_names.clear()
        return Look(known.table, _identity(oid, leaves, key))

    def _recognise(self, query: Query) -> None:
        """See, inside the snapshot and holding the table's lock, that it is what it was."""
        known = self._known[query.table.qualified]
        if query.table.qualified in self._recognised:
            return  # our lock keeps it so until the moment ends
        rows = self._session.again(known.identity)
        if not rows:
            raise TableChanged
        _, oid, leaves, columns, key = rows[0]
        is_same = known.fingerprint == f"{columns} {key}"
        if not is_same or _identity(oid, leaves, key) != query.identity:
            raise TableChanged
        if leaves.keys() == {str(oid)}:  # a partition may come in spite of the lock
            self._recognised.add(query.table.qualified)

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

    def _known_as(self, table: Table, fingerprint: str) -> _Known:
        own = self._settings.of(table.qualified)
        condition = own.filter or self._settings.filter
        built = Statements(table, condition, self._settings.timestamp_zone)
        return _Known(table, fingerprint, table.oid, built, statements.identity_of([table]))


class _Rows:
    """The rows of a COPY, a chunk each, as many as may be kept at once."""

    def __init__(self, most_bytes: int) -> None:
        self.size = 0
        self.is_cut = False
        self._most = most_bytes
        self._kept: list[bytes] = []

    def append(self, chunk: bytes) -> None:
        """Take a chunk, unless there is enough."""
        if self.size > self._most and chunk != _TRAILER:
            self.is_cut = True
        if not self.is_cut:
            self._kept.append(chunk)
            self.size += len(chunk)

    @property
    def count(self) -> int:
        """How many rows were kept."""
        if len(self._kept) == 1:  # header and trailer, and nothing between them
            return 0 if self._kept[0].endswith(_TRAILER) and not self.is_cut else 1
        return len(self._kept) - (self._kept[-1] == _TRAILER)

    def chunks(self, limit: int) -> list[bytes]:
        """At most limit rows, as a whole COPY."""
        if not self.count:
            return self._kept
        return [*self._kept[: min(limit, self.count)], _TRAILER]


@contextmanager
def _reading(table: Table) -> Iterator[None]:
    """An error of one table ends the transaction, and with it the tick; and says which it was."""
    try:
        yield
    except (LockNotAvailable, Undefined) as error:
        raise SnapshotLost(str(error)) from error
    except NeedsPerson as error:
        error.where = table.qualified
        raise


def _carried(reader: CopyReader, chunks: list[bytes], table: str) -> pa.RecordBatch:
    try:
        return reader.read(chunks)
    except Uncarriable as error:
        count = len(error.rows)
        raise Unreadable(
            Code.UNCARRIABLE,
            f"{count} value{'s' if count != 1 else ''} of column {error.column!r} cannot be"
            f" carried: {error.reason}",
            where=table,
            advice="correct the rows, or leave them out with ROWFERRY_FILTER; see ROWFERRY_ARRAYS,"
            " ROWFERRY_NUMERIC_SPECIAL and, for a column of its own form, docs/types.md",
        ) from error


def _identity(oid: int, leaves: dict[str, int], key: str | None) -> Identity:
    files = {int(leaf): int(file) for leaf, file in leaves.items() if file is not None}
    return Identity(oid, files, key or "")


def _microseconds() -> int:
    return int(time.monotonic() * 1_000_000)
