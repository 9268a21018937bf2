"""Table locks and open transactions: who holds what, who waits, and for how long."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from strict_snowflake.clock import Clock
from strict_snowflake.sessions import Session
from strict_snowflake.stages import SqlError

DEFAULT_LOCK_TIMEOUT_SECONDS = 43200.0
ABANDONED_AFTER_SECONDS = 300.0
LOOK_AGAIN_SECONDS = 0.02

Step = Callable[[], Any]


@dataclass
class Transaction:
    """A session's place among the tables: its connection, and its transaction when one is open.

    steps: what the open transaction has done; they are done again when a later statement fails,
    since in Snowflake a failed statement undoes itself and not the transaction.
    at_commit: what is done when the transaction commits: load history, purging.
    """

    session: Session
    connection: Any  # fakesnow's
    is_open: bool = False
    steps: list[Step] = field(default_factory=list)
    at_commit: list[Step] = field(default_factory=list)
    seen_at: float = 0.0
    turn: threading.RLock = field(default_factory=threading.RLock)
    aborted: bool = False


class Locks:
    """Exclusive table locks, taken by UPDATE, DELETE and MERGE, held to the transaction's end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holders: dict[str, Transaction] = {}
        self._waiting = 0
        self._changed = threading.Condition()

    def acquire(self, table: str, asker: Transaction, abort: Callable[[Transaction], None]) -> None:
        """Wait for the lock, LOCK_TIMEOUT seconds at most; then SqlError.

        A holder whose client has been silent for 5 minutes is aborted: `abort` rolls it back.
        """
        limit = float(asker.session.parameters.get("LOCK_TIMEOUT", DEFAULT_LOCK_TIMEOUT_SECONDS))
        waited_from = self._clock.now()
        with self._changed, self._counted():
            while (holder := self._holders.get(table)) not in (None, asker):
                assert holder is not None
                if self._clock.now() - holder.seen_at >= ABANDONED_AFTER_SECONDS:
                    abort(holder)
                    self._drop(holder)
                    continue
                if self._clock.now() - waited_from >= limit:
                    raise SqlError(
                        "000625",
                        "57014",
                        f"Statement has locked table '{table}' in transaction "
                        f"{holder.session.session_id} and this lock has not yet been released.",
                    )
                self._changed.wait(LOOK_AGAIN_SECONDS)
            self._holders[table] = asker

    def held(self) -> frozenset[str]:
        """The tables that somebody has locked."""
        with self._changed:
            return frozenset(self._holders)

    @property
    def waiting(self) -> int:
        """How many wait for a lock."""
        with self._changed:
            return self._waiting

    def release(self, holder: Transaction) -> None:
        """Give back all that a transaction holds."""
        with self._changed:
            self._drop(holder)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _drop(self, holder: Transaction) -> None:
        for table in [t for t, h in self._holders.items() if h is holder]:
            del self._holders[table]
        self._changed.notify_all()
