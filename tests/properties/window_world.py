"""The capture's own code between the abstract database and a Kafka that keeps what is committed.

Every choice is a number, so that hypothesis can draw it and a seed can make it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import SecretStr

from properties.mvcc import ATTACHABLE, LEAVES, Database, Snapped, Transaction, Version
from rowferry.config import Settings
from rowferry.errors import Code, Transient
from rowferry.flow.capture.incremental import LOAD_SECONDS, IncrementalCapture
from rowferry.flow.capture.source import (
    Connected,
    Fetched,
    Glance,
    Look,
    Moment,
    Query,
    TableChanged,
    Which,
)
from rowferry.flow.capture.state import Identity, Load, Server
from rowferry.flow.capture.window import Clock, Sample, Snapshot
from rowferry.flow.capture.xids import Int64s
from rowferry.model import Column, Slice, Table

INT8, TIMESTAMPTZ = 20, 1184
TABLE = Table(
    1,
    "public",
    "t",
    (
        Column("id", "bigint", False, INT8, -1),
        Column("n", "bigint", False, INT8, -1),
        Column("updated", "timestamp with time zone", True, TIMESTAMPTZ, -1),
    ),
    ("id",),
    "updated",
)
SCHEMA = pa.schema([("id", pa.int64()), ("n", pa.int64()), ("updated", pa.int64())])
SETTINGS = Settings(
    postgres_user="u",
    postgres_db="d",
    postgres_password=SecretStr("p"),
    kafka_server="k",
    schema_server="http://s",
    tables=(TABLE.qualified,),
    timestamp_column="updated",
    epsilon_seconds=0,  # with an allowance, mistakes hide
    slice_rows=3,
    load_chunk_rows=2,
)

Hook = Callable[[], object]
Between = Callable[[str], None]


def claimed(version: Version, load: Load) -> int:
    """The mark of a row that a load reads."""
    if version.ts is None:
        return -2 - version.xid if version.xid >= load.least_untimed else -1
    return version.xid if version.xid >= load.least and version.ts >= load.since else -1


def mark(version: Version, query: Query) -> int | None:
    """The row's mark if the query asks for it."""
    x8, ts = version.xid, version.ts
    if query.leaves is not None and version.leaf not in query.leaves:
        return None
    if query.claim is not None:
        return claimed(version, query.claim) if version.leaf == query.leaf else None
    if query.which is Which.ALL:
        return x8
    if (ts is None) != (query.which is Which.UNTIMED):
        return None
    if ts is not None and query.again_since is not None and ts >= query.again_since:
        return -x8
    inside = x8 >= query.least and (query.most is None or x8 <= query.most)
    return x8 if inside and (query.since is None or ts is None or ts >= query.since) else None


class FakeSource:
    """Implements source.Source on the abstract database; `between` runs where others may act."""

    looks_again = True  # whether a scan sees that the table was rewritten

    def __init__(self, database: Database, between: Between) -> None:
        self._db, self._between = database, between
        self._generation = database.generation
        self._snapped: Snapped | None = None
        self.clock = Clock()

    def glance(self, settled: Snapshot | None) -> Glance | None:
        self._alive()
        ours = self._db.now + self._db.stepped
        self.clock, went_back = self.clock.read(self._db.now, ours, ours)
        is_settled = settled is not None and settled == Snapshot.parse(self._db.snapshot().text)
        if is_settled and not went_back:
            return None
        t = self._db.now
        self._between("clock")
        glance = Glance(t, went_back, {TABLE.qualified: Look(TABLE, self._identity())})
        self._between("tables")
        return glance

    @contextmanager
    def moment(self, t: int) -> Iterator[Moment]:
        self._alive()
        self._snapped = self._db.snapshot()
        self._between("snapshot")
        live = frozenset(x.vxid for x in self._db.open if x.state == "open")
        carried = {x.xid: x.vxid for x in self._db.open if x.state == "prepared"}
        self._between("locks")
        prepared = {
            x.xid: carried.get(x.xid)
            for x in self._db.open
            if x.state == "prepared" and x.xid is not None
        }
        try:
            yield Moment(Snapshot.parse(self._snapped.text), Sample(t, live, prepared))
        finally:
            self._snapped, self._db.is_read_locked = None, False

    def read(self, query: Query) -> Fetched:
        rows, marks = self._rows(query)
        count = min(len(rows), query.limit)
        batch = pa.RecordBatch.from_pylist(
            [{"id": v.key, "n": v.n, "updated": v.ts} for v in rows[:count]], SCHEMA
        )
        last = tuple(str(x) for x in _order(rows[count - 1], query)) if count else ()
        return Fetched(batch, np.array(marks[:count], "i8"), last, complete=count == len(rows))

    def marks(self, query: Query, take: Callable[[Int64s], None]) -> None:
        marks = np.unique(np.array(self._rows(query)[1], "i8"))
        for part in (marks[::2], marks[1::2]):
            take(part)

    def close(self) -> None:
        self._snapped = None

    def _rows(self, query: Query) -> tuple[list[Version], list[int]]:
        self._alive()
        self._between("scan")
        self._alive()
        assert self._snapped is not None
        if self._identity() != query.identity and self.looks_again:
            raise TableChanged
        self._db.is_read_locked = True
        found = [(v, mark(v, query)) for v in self._db.visible(self._snapped)]
        kept = [(v, m) for v, m in found if m is not None]
        if query.order:
            kept.sort(key=lambda one: _order(one[0], query))
            after = tuple(int(x) for x in query.after or ())
            kept = [one for one in kept if _order(one[0], query) > after]
        return [v for v, _ in kept], [m for _, m in kept]

    def _identity(self) -> Identity:
        return Identity(1, {leaf: self._db.files[leaf] for leaf in sorted(self._db.attached)})

    def _alive(self) -> None:
        if self._generation != self._db.generation:
            raise Transient(Code.PG_CONN, "the server crashed")


def _order(version: Version, query: Query) -> tuple[int, ...]:
    columns = {"id": version.key, "updated": version.ts}
    return tuple(value for name in query.order if (value := columns[name]) is not None)


class AtOnce(Executor):
    """Reads ahead before what was read first is committed; two chunks of a load fit in a tick."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._world.seconds += LOAD_SECONDS
        coming: Future[Any] = Future()
        try:
            coming.set_result(fn(*args, **kwargs))
        except (Transient, TableChanged) as error:
            coming.set_exception(error)
        return coming


class World:
    """One schedule: writers, the server's accidents, the capture, and what reached Kafka."""

    def __init__(self) -> None:
        self.db = Database()
        self.durable: dict[str, bytes] = {}
        self.sent: list[tuple[int, int]] = []  # (key, n), in the order of commits
        self.capture: IncrementalCapture | None = None
        self.hooks: dict[str, Hook] = {}  # what a test has happen at a place, once
        self.seconds = 0.0
        self._script: list[int] = []

    # --- what others do

    def act(self, choice: int) -> None:
        """One step of a writer, or an accident that no capture can see coming."""
        kind, which = choice % 16, choice // 16
        db = self.db
        opened = [t for t in db.open if t.state == "open"]
        transaction = opened[which % len(opened)] if opened else None
        if transaction is None or kind in (0, 1):
            transaction = db.begin()
            if kind == 0:
                return
        self._write_or_end(kind, which, transaction)

    def _write_or_end(  # noqa: C901 - a table of choices
        self, kind: int, which: int, transaction: Transaction
    ) -> None:
        db = self.db
        if kind in (1, 2, 3, 4, 5):
            key = which % 6
            is_odd = key == 5 and which % 3 == 0
            leaf = ATTACHABLE if is_odd else LEAVES[0]
            db.write(transaction, key + (100 if is_odd else 0), timed=which % 5 != 0, leaf=leaf)
        elif kind in (6, 7, 8):
            db.commit(transaction)
        elif kind == 9:
            db.abort(transaction)
        elif kind == 10:
            db.savepoint(transaction)
        elif kind == 11:
            (db.rollback_to if which % 2 else db.release)(transaction)
        elif kind == 12:
            db.prepare(transaction)
        elif kind == 13:
            self._end_prepared(which)
        elif kind == 14:
            db.now += 1 + which % 7
        elif which % 3 == 0:
            db.rewrite(LEAVES[which % 2])
        elif which % 3 == 1:
            db.attach()
        else:
            db.detach()

    def fill(self, choices: Sequence[int]) -> None:
        """Rows that are there before anybody looks, in both leaves."""
        for choice in choices:
            transaction = self.db.begin()
            leaf = LEAVES[choice % 3 % 2]
            key = choice // 3 % 6 + (100 if leaf == ATTACHABLE else 0)
            self.db.write(transaction, key, timed=choice % 7 != 0, leaf=leaf)
            self.db.commit(transaction)
            self.db.now += choice % 2

    def _end_prepared(self, which: int) -> None:
        prepared = [t for t in self.db.open if t.state == "prepared"]
        if prepared:
            transaction = prepared[which % len(prepared)]
            (self.db.abort if which % 7 == 0 else self.db.commit)(transaction)

    def _between(self, place: str) -> None:
        """Run a stretch of the script while the capture is in the middle of something."""
        if place in self.hooks:
            self.hooks.pop(place)()
        for _ in range(self._script.pop() % 4 if self._script else 0):
            if self._script:
                self.act(self._script.pop())

    # --- what the capture does

    def start(self) -> IncrementalCapture:
        if self.capture is None:
            self.capture = IncrementalCapture(
                SETTINGS,
                lambda: self.seconds,
                connect=self._connect,
                reader=lambda: AtOnce(self),
            )
            self.capture.open({TABLE.qualified: self.durable})
        return self.capture

    def _connect(self, _settings: Settings) -> Connected:
        server = Server("system", "00000001", str(self.db.epoch))
        source = FakeSource(self.db, self._between)
        return Connected(source, server, {TABLE.qualified: TABLE})

    def tick(self, script: Sequence[int] = (), fate: int = 0) -> bool:
        """One tick; says whether it gave anything out.

        fate: 0 all goes well; else at the (fate // 4)-th slice: 1 it is not committed and the
        tick is given up; 2 the same, and the process dies; 3 it is committed, and the process
        dies before it knows.
        """
        self._script = list(script)
        capture, kind, at = self.start(), fate % 4, fate // 4
        count = 0
        try:
            slices = capture.tick()
            for number, one in enumerate(slices):
                count += 1
                if kind and number == at:
                    if kind == 3:
                        self._commit(one)
                    slices.close()
                    break
                self._commit(one)
                capture.confirm(one)
        except Transient:
            kind = 2
        if kind in (2, 3) and (count or kind == 2):
            self.restart()
        self._script = []
        return count > 0

    def _commit(self, one: Slice) -> None:
        batch = one.rows.batch
        self.sent += zip(batch["id"].to_pylist(), batch["n"].to_pylist(), strict=True)
        for record in one.progress:
            if record.value is None:
                self.durable.pop(record.part)
            else:
                self.durable[record.part] = record.value

    def restart(self) -> None:
        if self.capture is not None:
            self.capture.close()
            self.capture = None

    def clock_back(self, by: int) -> None:
        """The server's clock goes back while the capture runs and can notice."""
        self.start()
        self.tick()
        self.db.clock_back(by)
        self.tick()

    def reconnect(self) -> None:
        """The connection is lost, and found again by the same process."""
        self.start().open({TABLE.qualified: self.durable})

    def crash(self, *, losing: bool) -> None:
        """The server crashes."""
        self.db.crash(losing=losing)

    # --- what was promised

    def check(self) -> None:
        """Nothing twice, nothing that was never committed, each key's versions in order."""
        db = self.db
        by_n = {v.n: v for v in db.versions}
        for n, times in Counter(n for _, n in self.sent).items():
            assert n in db.lost or n in by_n, f"version {n} was never committed"
            if n not in db.lost:
                most = 1 + by_n[n].rewrites + db.excused - db.excuse_at[n]
                assert times <= most, f"version {n} was sent {times} times"

    def finish(self) -> None:
        """Let all transactions end, and the capture come to rest: then nothing may be missing."""
        for transaction in list(self.db.open):
            if transaction.xid is not None and transaction.xid % 2:
                self.db.commit(transaction)
            else:
                self.db.abort(transaction)
        self._settle()
        arrived = {n for _, n in self.sent}
        missing = [v.n for v in self.db.final() if v.n not in arrived | self.db.revived]
        assert not missing, f"versions {missing} were never sent"
        self.check()
        self._check_order()

    def _settle(self) -> None:
        for _ in range(60):
            self.tick()
            if self.capture is not None and self.capture.is_settled:
                return
        raise AssertionError("the capture does not come to rest")

    def _check_order(self) -> None:
        last: dict[int, int] = {}
        for key, n in self.sent:
            if not self.db.excused:
                assert n >= last.get(key, 0), f"key {key}: version {n} came behind a later one"
            last[key] = max(n, last.get(key, 0))
