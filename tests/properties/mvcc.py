"""An abstract PostgreSQL: transactions, subtransactions, snapshots, xids, vxids; no SQL.

Time is the server's clock in microseconds. A row version carries the start of its transaction as
timestamp, as `DEFAULT now()` does, or none.
"""

from dataclasses import dataclass, field

LEAVES = (100, 200)  # the second is a table of its own until it is attached
ATTACHABLE = 200


@dataclass(eq=False)
class Version:
    n: int  # unique, what the application knows it by
    key: int
    ts: int | None
    xid: int
    leaf: int
    top: "Transaction"
    visible_from: int = -1  # the commit's number; -1 while it is not committed
    visible_to: int = 2**62
    rewrites: int = 0  # how often the table was rewritten since


@dataclass(eq=False)
class Transaction:
    vxid: str
    start: int
    xid: int | None = None
    open_subs: list[int] = field(default_factory=list)
    ended_subs: list[int] = field(default_factory=list)
    writes: list[Version] = field(default_factory=list)
    state: str = "open"


@dataclass(frozen=True)
class Snapped:
    """A snapshot: how many commits it sees, and what pg_current_snapshot() says."""

    commits: int
    text: str


class Database:
    def __init__(self) -> None:
        self.now = 1_000
        self.stepped = 0  # how far the clock was set back so far
        self.next_xid = 10
        self.latest = 9  # the greatest xid that ended
        self.commits = 0
        self.lxid = 0
        self.versions: list[Version] = []
        self.open: list[Transaction] = []
        self.counter = 0
        self.epoch = 0
        self.generation = 0  # a crash of the server ends every connection
        self.files = {leaf: leaf for leaf in LEAVES}
        self.attached = {LEAVES[0]}
        self.is_read_locked = False  # by the capture's transaction
        self.lost: set[int] = set()  # versions whose commit a crash undid
        self.revived: set[int] = set()  # those that they had superseded: Kafka is ahead of them
        self.excused = 0  # how often each version may have been sent again by now
        self.excuse_at: dict[int, int] = {}

    # --- writers

    def begin(self) -> Transaction:
        self.lxid += 1
        transaction = Transaction(f"7/{self.lxid}", self.now)
        self.open.append(transaction)
        return transaction

    def _new_xid(self) -> int:
        self.next_xid += 1
        return self.next_xid - 1

    def write(self, transaction: Transaction, key: int, *, timed: bool, leaf: int) -> None:
        holder = next((v for t in self.open for v in t.writes if v.key == key), None)
        if holder is not None and holder.top is not transaction:
            return  # would wait for the other's lock
        if transaction.xid is None:
            transaction.xid = self._new_xid()
        xid = transaction.open_subs[-1] if transaction.open_subs else transaction.xid
        self.counter += 1
        # After a crash, ids below a running load's P0 are used again, after a step of the clock
        # times before its F0: polls and load may meet.
        self.excuse_at[self.counter] = self.excused - min(self.excused, 1)
        ts = transaction.start if timed else None
        transaction.writes.append(Version(self.counter, key, ts, xid, leaf, transaction))

    def savepoint(self, transaction: Transaction) -> None:
        if transaction.xid is None:
            transaction.xid = self._new_xid()
        transaction.open_subs.append(self._new_xid())

    def rollback_to(self, transaction: Transaction) -> None:
        if transaction.open_subs:
            sub = transaction.open_subs.pop()
            transaction.writes = [v for v in transaction.writes if v.xid != sub]
            self.latest = max(self.latest, sub)

    def release(self, transaction: Transaction) -> None:
        if transaction.open_subs:
            transaction.ended_subs.append(transaction.open_subs.pop())

    def commit(self, transaction: Transaction) -> None:
        self.commits += 1
        for version in transaction.writes:
            for older in self.versions:
                if older.key == version.key and older.visible_to == 2**62:
                    older.visible_to = self.commits
            version.visible_from = self.commits
            if any(v.key == version.key and v.n > version.n for v in transaction.writes):
                version.visible_to = self.commits  # superseded in its own transaction
            self.versions.append(version)
        self._end(transaction, "committed")

    def abort(self, transaction: Transaction) -> None:
        transaction.writes = []
        self._end(transaction, "aborted")

    def _end(self, transaction: Transaction, state: str) -> None:
        transaction.state = state
        self.open.remove(transaction)
        ids = [*transaction.open_subs, *transaction.ended_subs]
        if transaction.xid is not None:
            self.latest = max(self.latest, transaction.xid, *ids)

    def prepare(self, transaction: Transaction) -> None:
        if transaction.xid is not None and transaction.state == "open":
            transaction.state = "prepared"

    # --- what breaks snapshots

    def rewrite(self, leaf: int) -> None:
        """ALTER TABLE: every row is written anew, by one transaction, with its old timestamp."""
        if self.is_read_locked or any(v.leaf == leaf for t in self.open for v in t.writes):
            return  # would wait for the lock
        xid = self._new_xid()
        self.latest = max(self.latest, xid)
        self.commits += 1
        for version in self.versions:
            version.rewrites += 1  # of the table: a pending poll is begun anew for all leaves
            if version.leaf == leaf:
                version.xid = xid
                # The new file holds nothing that an older snapshot sees.
                version.visible_from = max(version.visible_from, self.commits)
        self.files[leaf] += 1000

    def attach(self) -> None:
        """Make the second leaf a part of the table: a transaction like others."""
        if ATTACHABLE not in self.attached:
            self.latest = max(self.latest, self._new_xid())
            self.commits += 1
            self.attached.add(ATTACHABLE)

    def detach(self) -> None:
        """Take the second leaf away; what comes back is loaded again."""
        is_written = any(v.leaf == ATTACHABLE for t in self.open for v in t.writes)
        if ATTACHABLE not in self.attached or self.is_read_locked or is_written:
            return  # would wait for the lock
        self.latest = max(self.latest, self._new_xid())
        self.commits += 1
        self.attached.discard(ATTACHABLE)
        for version in self.versions:
            version.rewrites += version.leaf == ATTACHABLE

    def clock_back(self, by: int) -> None:
        self.now -= by
        self.stepped += by
        self.excused += 1  # rows that a load has sent may be claimed again by polls

    def crash(self, *, losing: bool) -> None:
        """A backend was killed: recovery. Ids that no flushed record mentions are used again."""
        for transaction in [t for t in self.open if t.state == "open"]:
            transaction.writes = []
            self.open.remove(transaction)
        if losing:
            self._lose_last_commit()
        used = [v.xid for v in self.versions]
        used += [x for t in self.open for x in (t.xid or 0, *t.open_subs, *t.ended_subs)]
        self.next_xid = max(used, default=9) + 1
        self.latest = self.next_xid - 1
        for transaction in self.open:
            transaction.vxid = f"-1/{transaction.xid}"
        self.lxid = 0
        self.epoch += 1
        self.generation += 1
        self.is_read_locked = False
        self.excused += 1

    def _lose_last_commit(self) -> None:
        """With synchronous_commit off, the last commit may be undone."""
        last = [v for v in self.versions if v.visible_from == self.commits]
        if not last or any(v.rewrites for v in self.versions):
            return
        for version in last:
            self.versions.remove(version)
            self.lost.add(version.n)
        for version in self.versions:
            if version.visible_to == self.commits:
                version.visible_to = 2**62
                self.revived.add(version.n)

    # --- readers

    def snapshot(self) -> Snapped:
        running = sorted(t.xid for t in self.open if t.xid is not None)
        xmax = self.latest + 1
        inside = [xid for xid in running if xid < xmax]
        xmin = min([*inside, xmax])
        return Snapped(self.commits, f"{xmin}:{xmax}:{','.join(map(str, inside))}")

    def visible(self, snapped: Snapped) -> list[Version]:
        return [
            v
            for v in self.versions
            if v.leaf in self.attached and v.visible_from <= snapped.commits < v.visible_to
        ]

    def final(self) -> list[Version]:
        return self.visible(self.snapshot())
