"""Counts events into a registry of its own, and serves it."""

import time
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from structlog.typing import EventDict

from rowferry.config import Settings
from rowferry.errors import Code, RowferryError
from rowferry.observe.lag import Stand, stands
from rowferry.observe.metrics import (
    COUNTED,
    GROUP_LAG,
    GROUP_LAG_LABELS,
    RECEIVE_LAG,
    RECEIVE_LAG_LABELS,
    SEND_LAG,
    TIMED,
    Counted,
    Timed,
)

SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
CODES: Final = frozenset(str(code) for code in Code)
OTHER: Final = "other"
ASK_SECONDS: Final = 5.0  # between two questions to Kafka, however often somebody looks


class Metrics:
    """A registry of its own, and a structlog processor that feeds it; any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._notes: dict[str, list[Callable[[EventDict], None]]] = {}
        for counted in COUNTED:
            note = _counting(counted, self.registry)
            for event in counted.events:
                self._notes.setdefault(event, []).append(note)
        for timed in TIMED:
            self._notes.setdefault(timed.event, []).append(_timing(timed, self.registry))
        ProcessCollector(registry=self.registry)

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Count an event, and give it on."""
        for note in self._notes.get(event["event"], ()):
            note(event)
        return event

    def tell_group_lag(self, settings: Settings) -> None:
        """Also ask Kafka, when somebody looks, how far the group is behind."""
        self.registry.register(GroupLag(lambda: stands(settings), settings.group, self._clock))

    def listen(self, host: str, port: int) -> tuple[int, Callable[[], None]]:
        """Answer on a thread; gives the port and what ends it. Raises OSError where it is taken."""
        server, thread = start_http_server(port, host, self.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return server.server_port, close

    def tell_send_lag(self) -> None:
        """Also tell how long ago the last poll began that left nothing behind.

        Once a table is stopped every poll leaves it behind, however the others go on.
        """
        settled_at = self._clock()
        carries_all = True

        def note(event: EventDict) -> None:
            nonlocal settled_at
            if event["settled"] and carries_all:
                settled_at = self._clock() - event["seconds"]

        def note_stopped(_event: EventDict) -> None:
            nonlocal carries_all
            carries_all = False

        gauge = Gauge(*SEND_LAG, registry=self.registry)
        gauge.set_function(lambda: self._clock() - settled_at)
        self._notes["poll.done"].append(note)
        self._notes["table.stopped"].append(note_stopped)


class GroupLag(Collector):
    """Asks where the group stands, at most once in so many seconds; no samples without answer."""

    def __init__(
        self, ask: Callable[[], Iterable[Stand]], group: str, clock: Callable[[], float]
    ) -> None:
        self._ask, self._group, self._clock = ask, group, clock
        self._lock = Lock()
        self._asked_at: float | None = None
        self._stands: list[Stand] = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give both gauges of each partition."""
        records = GaugeMetricFamily(*GROUP_LAG, labels=GROUP_LAG_LABELS)
        seconds = GaugeMetricFamily(*RECEIVE_LAG, labels=RECEIVE_LAG_LABELS)
        for stand in self._answer():
            place = [stand.log.topic.topic, str(stand.log.partition)]
            records.add_metric([self._group, *place], stand.lag_records)
            seconds.add_metric(place, stand.lag_seconds)
        yield from (records, seconds)

    def _answer(self) -> list[Stand]:
        with self._lock:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= ASK_SECONDS:
                self._asked_at = now
                try:
                    self._stands = list(self._ask())
                except RowferryError:
                    self._stands = []
            return self._stands


def label_of(event: EventDict, label: str) -> str:
    """A label's value; of codes only those that there are, so that their number is bounded."""
    if label == "code":
        code = str(event["reason"]).partition(":")[0]
        return code if code in CODES else OTHER
    return str(event[label])


def _counting(counted: Counted, registry: CollectorRegistry) -> Callable[[EventDict], None]:
    counter = Counter(counted.name, counted.meaning, counted.labels, registry=registry)

    def note(event: EventDict) -> None:
        labels = [label_of(event, label) for label in counted.labels]
        counter.labels(*labels).inc(event[counted.field] if counted.field else 1)

    return note


def _timing(timed: Timed, registry: CollectorRegistry) -> Callable[[EventDict], None]:
    histogram = Histogram(timed.name, timed.meaning, buckets=SECONDS, registry=registry)
    return lambda event: histogram.observe(event["seconds"])
