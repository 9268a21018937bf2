"""The loop that sends: read a slice → encode → 1. produce rows and position → 2. confirm.

Rows and position are committed in one Kafka transaction. Only then may the source count them as
sent. A crash anywhere in between sends again what was not committed, and nothing else.
"""

import time
from contextlib import closing

import structlog

from rowferry.config import Settings
from rowferry.errors import Code, NeedsPerson, Transient
from rowferry.failpoints import failpoint
from rowferry.flow.encode.contract import NOTE
from rowferry.model import Slice
from rowferry.run.patience import Retry, first_reach
from rowferry.run.sender_parts import Observer, Parts, Unobserved, assemble, of_database
from rowferry.run.sender_summary import Summary
from rowferry.run.watchdog import Watchdog
from rowferry.stop import Stop

log = structlog.get_logger()

# Trouble of one table, which does not keep the others from being carried.
_OF_ONE_TABLE = (
    Code.SR_INCOMPATIBLE,
    Code.TOO_LARGE,
    Code.UNCARRIABLE,
    Code.TABLE_GONE,
    Code.TABLE_UNFIT,
)


def run_sender(
    settings: Settings, stop: Stop, *, once: bool = False, observer: Observer | None = None
) -> None:
    """Carry the settings' tables to their topics until a stop is requested.

    once: until all that was committed before is sent. Raises NeedsPerson: at once where nothing
    can go on, else at the end for a table that had to be left behind.
    """
    capture = of_database(once=once)
    with Watchdog(stop, settings.drain_seconds):  # a read may be silent for long
        parts = first_reach(lambda: assemble(settings, stop, capture), settings, stop)
        if parts is None:
            return
        try:
            Sender(settings, stop, parts, observer or Unobserved()).run(once=once)
        finally:
            parts.close()


class Sender:
    """The loop; used once."""

    def __init__(self, settings: Settings, stop: Stop, parts: Parts, observer: Observer) -> None:
        self._settings, self._stop, self._parts = settings, stop, parts
        self._observer = observer
        self._retry = Retry(settings, stop)
        self._tables = list(settings.tables)
        self._capture = parts.capture(settings)
        self._table: str | None = None  # the one at work
        self._summary = Summary()
        self._left_behind: NeedsPerson | None = None
        self._looked = False

    def run(self, *, once: bool) -> None:
        """See run_sender()."""
        is_complete = False
        try:
            while not is_complete and not self._stop.requested:
                try:
                    self._open()
                    is_complete = self._carry(once=once)
                except Transient as error:
                    self._observer.failed(error)
                    self._retry.wait(error)
                except NeedsPerson as error:
                    self._leave_behind(error)
        finally:
            self._capture.close()
            self._summary.tell()
        if self._left_behind is not None:
            raise self._left_behind

    def _open(self) -> None:
        """Fence older instances, take up the position, reach the database and the registry."""
        self._table = None
        if not self._looked:  # a table that cannot be captured leaves no topic behind
            self._capture.open({})
            self._looked = True
        topics = {table: self._settings.topic_of(table) for table in self._tables}
        progress = self._parts.publisher.open(topics)
        tables = self._capture.open(progress)
        for table in tables:
            self._table = table.qualified
            self._parts.encoder.prepare(table, progress[table.qualified].get(NOTE))
        self._table = None
        self._retry.succeeded()
        self._observer.opened(self._capture, tables)
        log.info("send.started", tables=self._tables)

    def _carry(self, *, once: bool) -> bool:
        """Tick until a stop is requested, or once all is sent; says whether it is."""
        while not self._stop.requested:
            began = time.monotonic()
            self._tick()
            seconds, is_settled = time.monotonic() - began, self._capture.is_settled
            self._observer.ticked(seconds)
            self._summary.polled(seconds, is_settled=is_settled)
            if once and is_settled:
                return True
            self._stop.wait(self._capture.pause_seconds)
        return False

    def _tick(self) -> None:
        """Carry what is new, slice by slice."""
        with closing(self._capture.tick()) as slices:
            for piece in slices:
                self._carry_slice(piece)
                if self._stop.requested:
                    return

    def _carry_slice(self, piece: Slice) -> None:
        began = time.monotonic()
        self._table = piece.rows.table.qualified
        messages = self._parts.encoder.encode(piece.rows)
        note = self._parts.encoder.note(self._table)
        # 1. produce: rows and position become durable together
        progress = (*piece.progress, note) if note else piece.progress
        self._parts.publisher.publish(self._table, messages, progress)
        failpoint("send.commit")
        self._note_sent(piece, time.monotonic() - began)
        # 2. confirm: only now may the source count them as sent
        self._capture.confirm(piece)
        failpoint("send.confirm")
        self._table = None

    def _note_sent(self, piece: Slice, seconds: float) -> None:
        self._observer.committed(piece, seconds)
        self._summary.sent(piece.rows, seconds)

    def _leave_behind(self, error: NeedsPerson) -> None:
        """Go on without the table whose trouble it is; raise where that is not the trouble."""
        table = self._table or error.where
        if error.code not in _OF_ONE_TABLE or table not in self._tables or len(self._tables) == 1:
            raise error
        log.error("table.stopped", table=table, reason=str(error), others=len(self._tables) - 1)
        self._left_behind = self._left_behind or error
        self._tables.remove(table)
        self._capture.close()
        rest = self._settings.model_copy(update={"tables": tuple(self._tables)})
        self._capture = self._parts.capture(rest)
