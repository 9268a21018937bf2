"""The whole table, by primary key in slices, once or on a schedule; resumable within a scan."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from rowferry.config import Settings
from rowferry.failpoints import failpoint
from rowferry.flow.capture import durable
from rowferry.flow.capture.ahead import pieces
from rowferry.flow.capture.source import Query, Which
from rowferry.flow.capture.state import Cursor
from rowferry.flow.capture.turn import Here, LoadProgress
from rowferry.flow.capture.window import SECOND, Seen
from rowferry.model import ProgressRecord, Rows, Slice, Table

PART = "full"


@dataclass(frozen=True, slots=True)
class Scan:
    """Where the scans of a table are: began is the server's clock; after None is a finished one.

    key: what the key orders by; another one ends an unfinished scan, and the next begins.
    """

    began: int
    rows: int = 0
    after: Cursor | None = None
    key: str = ""


class FullFeed:
    """A table in full mode.

    A scan that is taken up by a successor goes on behind the last row that was sent, in a newer
    snapshot: each row that is there throughout is sent once a scan.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        table: Table,
        parts: Mapping[str, bytes],
        *,
        once: bool,
    ) -> None:
        self.table = table
        self.settled = False
        self.must_store = False  # a step of the server's clock moves the schedule, and no more
        self._settings, self._clock = settings, clock
        self._scan = _decoded(parts.get(PART))
        self._offered: Scan | None = None
        self._t = 0
        self._due = 0 if once or self._scan is None else self._next_due(self._scan)
        self._wake = clock()

    @property
    def is_waiting(self) -> bool:
        """Whether a scan is due or unfinished."""
        is_unfinished = self._scan is not None and self._scan.after is not None
        return is_unfinished or self._clock() >= self._wake

    @property
    def load_progress(self) -> LoadProgress | None:
        """How far the scan is; None between scans."""
        if self._scan is None or self._scan.after is None:
            return None
        return LoadProgress(self.table, self._scan.rows, 1)

    def sampled(self, seen: Seen) -> None:
        """Take note of the server's clock."""
        self._t = seen.t

    def clock_went_back(self, by: int) -> None:
        """Keep the schedule."""
        self._due = max(0, self._due - by)

    def confirm(self) -> None:
        """The slice that was offered is durable: move on."""
        if self._offered is None:
            raise RuntimeError(f"{self.table.qualified}: no slice is waiting for confirm()")
        self._scan, self._offered = self._offered, None

    def turn(self, here: Here) -> Iterator[Slice]:
        """Scan, if it is time to."""
        self.table, self._offered = here.look.table, None
        scan, key = self._scan, here.look.identity.key
        if scan is None or scan.after is None:
            if self._t < self._due:
                self._sleep()
                return
            scan = Scan(here.seen.t, key=key)
        elif scan.key not in ("", key):
            scan = Scan(here.seen.t, key=key)
        query = Query(
            self.table,
            here.look.identity,
            Which.ALL,
            here.moment.snapshot.xmax,
            self._settings.slice_rows,
            order=self.table.key,
            after=scan.after,
        )
        yield from self._slices(here, query, scan)
        self._due = self._next_due(scan)
        self._sleep()

    def _sleep(self) -> None:
        self.settled = True
        self._wake = self._clock() + (self._due - self._t) / SECOND

    def _slices(self, here: Here, query: Query, scan: Scan) -> Iterator[Slice]:
        for fetched in pieces(here.source, query, here.reader):
            failpoint("send.read")
            after = None if fetched.complete else fetched.last
            scan = replace(scan, rows=scan.rows + fetched.batch.num_rows, after=after)
            value = durable.sealed(json.dumps(asdict(scan)).encode())
            self._offered = scan
            yield Slice(Rows(self.table, fetched.batch), (ProgressRecord(PART, value),))
            if self._offered is not None:
                raise RuntimeError(f"{self.table.qualified}: confirm() comes before the next slice")

    def _next_due(self, scan: Scan) -> int:
        return scan.began + int(self._settings.full_every_seconds * SECOND)


def _decoded(value: bytes | None) -> Scan | None:
    if value is None:
        return None
    stored = json.loads(durable.opened(PART, value))
    after = stored.pop("after")
    return Scan(**stored, after=None if after is None else tuple(after))
