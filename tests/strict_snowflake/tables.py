"""Tables on DuckDB through fakesnow's transpiler, with Snowflake's transactions around them."""

import re
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from strict_snowflake.clock import Clock
from strict_snowflake.results import status_answer
from strict_snowflake.sessions import Session
from strict_snowflake.stages import SqlError
from strict_snowflake.statements import QUALIFIED, identifiers, without_comments
from strict_snowflake.transactions import Locks, Transaction

if TYPE_CHECKING:
    from fakesnow.instance import FakeSnow

Outcome = TypeVar("Outcome")

_I = re.IGNORECASE
_BEGIN = re.compile(r"(BEGIN(\s+(WORK|TRANSACTION))?(\s+NAME\s+\w+)?|START\s+TRANSACTION)", _I)
_END = re.compile(r"(COMMIT|ROLLBACK)(\s+WORK)?", _I)
_DDL = re.compile(r"(CREATE|ALTER|DROP|UNDROP|COMMENT)\b", _I)
_DML = re.compile(r"(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b", _I)
_COMPUTING = re.compile(r"(INSERT|UPDATE|DELETE|MERGE|WITH)\b|SELECT\b.*\bFROM\b", _I | re.DOTALL)
_LOCKING = re.compile(
    rf"(?:UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?)\s+(?P<table>{QUALIFIED})", _I
)
_FORGETS = re.compile(
    rf"(?:CREATE\s+OR\s+REPLACE|DROP|TRUNCATE)\s+(?:TRANSIENT\s+)?(?:TABLE\s+)?"
    rf"(?:IF\s+EXISTS\s+)?(?P<table>{QUALIFIED})",
    _I,
)


class Tables:
    """Runs the statements that are not about stages; one engine, one connection a session."""

    def __init__(self, clock: Clock, forget_loads: Callable[[str], None]) -> None:
        self._clock = clock
        self._forget_loads = forget_loads
        self._engine: FakeSnow | None = None
        self._open: dict[int, Transaction] = {}
        self._lock = threading.Lock()
        self._locks = Locks(clock)
        self._catalog = threading.Lock()  # the engine's own notes of columns take one at a time

    def run(self, session: Session, body: dict[str, Any]) -> dict[str, Any]:
        """`data` of the answer. Raises SqlError; a failed statement leaves no trace."""
        from strict_snowflake.engine import execute

        sql = without_comments(str(body["sqlText"]))
        transaction = self.of(session)
        with transaction.turn:
            self._see(transaction)
            if _BEGIN.fullmatch(sql):
                self.begin(transaction)
                return status_answer("Statement executed successfully.")
            if match := _END.fullmatch(sql):
                self.end(transaction, commits=match[1].upper() == "COMMIT")
                return status_answer("Statement executed successfully.")
            if _COMPUTING.match(sql):
                require_warehouse(session)
            bindings = body.get("bindings")
            if _DDL.match(sql):
                return self._define(transaction, sql)
            if _DML.match(sql):
                answer = self.change(
                    transaction,
                    lambda: execute(transaction, sql, bindings),
                    locks=_target(session, _LOCKING.match(sql)),
                )
                self._forget(transaction, sql)
                return answer
            return self.guarded(transaction, lambda: execute(transaction, sql, bindings))

    def locked(self) -> frozenset[str]:
        """DATABASE.SCHEMA.TABLE of what open transactions have locked."""
        return self._locks.held()

    @property
    def waiting(self) -> int:
        """How many statements wait for a lock."""
        return self._locks.waiting

    def of(self, session: Session) -> Transaction:
        """The session's place among the tables."""
        with self._lock:
            if self._engine is None:
                from fakesnow.instance import FakeSnow

                self._engine = FakeSnow()
            found = self._open.get(session.session_id)
            if found is None:
                connection = self._engine.connect(session.database, session.schema)
                found = self._open[session.session_id] = Transaction(session, connection)
            return found

    def begin(self, transaction: Transaction) -> None:
        """Open a transaction; one that is open goes on."""
        if not transaction.is_open:
            transaction.connection.cursor().execute("BEGIN")
            transaction.is_open = True

    def end(self, transaction: Transaction, *, commits: bool) -> None:
        """Commit or roll back, if a transaction is open, and give its locks back."""
        if transaction.is_open:
            transaction.connection.cursor().execute("COMMIT" if commits else "ROLLBACK")
            if commits:
                for step in transaction.at_commit:
                    step()
        transaction.is_open = False
        transaction.steps, transaction.at_commit = [], []
        self._locks.release(transaction)

    def change(
        self, transaction: Transaction, step: Callable[[], Outcome], *, locks: str | None = None
    ) -> Outcome:
        """Do a step that changes tables: in the open transaction, or in one of its own."""
        alone = not transaction.is_open and transaction.session.autocommit
        if locks:
            self._locks.acquire(locks, transaction, self._abort)
        self.begin(transaction)
        try:
            outcome = self.guarded(transaction, step)
        except SqlError:
            if alone:
                self.end(transaction, commits=False)
            raise
        transaction.steps.append(step)
        if alone:
            self.end(transaction, commits=True)
        return outcome

    def guarded(self, transaction: Transaction, step: Callable[[], Outcome]) -> Outcome:
        """Do a step; if it fails, the transaction stands as it did before it."""
        try:
            return step()
        except SqlError:
            if transaction.is_open:
                cursor = transaction.connection.cursor()
                cursor.execute("ROLLBACK")
                cursor.execute("BEGIN")
                for earlier in transaction.steps:
                    earlier()
            raise

    def close(self, session: Session) -> None:
        """A session that logs out rolls back."""
        with self._lock:
            transaction = self._open.pop(session.session_id, None)
        if transaction:
            with transaction.turn:
                self.end(transaction, commits=False)
                transaction.connection.close()

    def close_all(self) -> None:
        """Let the engine go."""
        for transaction in list(self._open.values()):
            self.close(transaction.session)
        if self._engine is not None:
            self._engine.duck_conn.close()

    def _see(self, transaction: Transaction) -> None:
        # duckdb warns of fakesnow's way to fetch; in a server's thread that would be its end
        warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
        transaction.seen_at = self._clock.now()
        if transaction.aborted:
            transaction.aborted = False
            raise SqlError(
                "000670", "40001", "Your transaction was aborted: it was idle and blocked others."
            )

    def _abort(self, transaction: Transaction) -> None:
        transaction.connection.cursor().execute("ROLLBACK")
        transaction.is_open, transaction.aborted = False, True
        transaction.steps, transaction.at_commit = [], []

    def _define(self, transaction: Transaction, sql: str) -> dict[str, Any]:
        """DDL commits what is open, and stands by itself."""
        from strict_snowflake.engine import execute

        self.end(transaction, commits=True)
        with self._catalog:
            answer = execute(transaction, sql)
        self._forget(transaction, sql)
        return answer

    def _forget(self, transaction: Transaction, sql: str) -> None:
        """A table that is replaced, dropped or truncated forgets its loads, once that is sure."""
        table = _target(transaction.session, _FORGETS.match(sql))
        if table:
            self.when_committed(transaction, lambda: self._forget_loads(table))

    def when_committed(self, transaction: Transaction, step: Callable[[], None]) -> None:
        """Do a step with the commit; at once where no transaction is open."""
        if transaction.is_open:
            transaction.at_commit.append(step)
        else:
            step()


def require_warehouse(session: Session) -> None:
    """Reading and changing tables needs one; stages and definitions do not. Raises SqlError."""
    if not session.warehouse:
        raise SqlError(
            "000606",
            "57P03",
            "No active warehouse selected in the current session. "
            "Select an active warehouse with the 'use warehouse' command.",
        )


def full_name(session: Session, name: str) -> str:
    """DATABASE.SCHEMA.TABLE of a name as written in a statement."""
    parts = identifiers(name)
    place = (session.database or "", session.schema or "")
    return ".".join((*place[: 3 - len(parts)], *parts))


def _target(session: Session, match: re.Match[str] | None) -> str | None:
    return full_name(session, match["table"]) if match else None
