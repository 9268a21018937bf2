"""Which metrics there are: counted from the events that the log tells, so the two agree."""

from dataclasses import dataclass
from typing import Final

import structlog

from rowferry.config import Settings
from rowferry.observe.log import configure

log = structlog.get_logger()

PORTS: Final = {"send": 0, "receive": 100, "load": 200}  # from METRICS_PORT on; workers: 0, 1, …


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter: of events, or of what one field of them sums up to.

    events: which. labels: fields of the event; "event" is its name, "code" that of its reason.
    """

    name: str
    meaning: str
    events: tuple[str, ...]
    labels: tuple[str, ...] = ()
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A histogram of an event's `seconds`."""

    name: str
    meaning: str
    event: str


RETRIES: Final = (
    "connect.retry",
    "kafka.waiting",
    "stage.retry",
    "records.waiting",
    "membership.over",
)
COUNTED: Final = (
    Counted("rowferry_sent_rows", "Rows committed to a topic", ("batch.sent",), ("table",), "rows"),
    Counted(
        "rowferry_sent_bytes",
        "Bytes of these rows, as columns in memory",
        ("batch.sent",),
        ("table",),
        "bytes",
    ),
    Counted("rowferry_sent_batches", "Kafka transactions with rows", ("batch.sent",), ("table",)),
    Counted("rowferry_staged_rows", "Rows in staged files", ("batch.staged",), ("topic",), "rows"),
    Counted(
        "rowferry_staged_bytes",
        "Compressed bytes of staged files",
        ("batch.staged",),
        ("topic",),
        "bytes",
    ),
    Counted(
        "rowferry_staged_files",
        "Staged files, by what closed them",
        ("batch.staged",),
        ("topic", "reason"),
    ),
    Counted(
        "rowferry_unreadable_records",
        "Records put aside in the dead-letter topic",
        ("records.dead_letter",),
        ("topic",),
        "records",
    ),
    Counted("rowferry_loaded_rows", "Rows in tables", ("load.loaded",), ("topic",), "rows"),
    Counted(
        "rowferry_loaded_files", "Files loaded into tables", ("load.loaded",), ("topic",), "files"
    ),
    Counted(
        "rowferry_purged_files",
        "Loaded files removed from the stage",
        ("load.purged",),
        ("topic",),
        "files",
    ),
    Counted("rowferry_retries", "What was tried again, by error code", RETRIES, ("event", "code")),
    Counted(
        "rowferry_stopped_tables",
        "Tables that need a person, while others go on",
        ("table.stopped",),
        ("code",),
    ),
    Counted(
        "rowferry_kernel_fallbacks",
        "Values that went through Python one by one; `kind` is why",
        ("kernel.fallback",),
        ("schema", "column", "kind"),
        "values",
    ),
)
TIMED: Final = (
    Timed("rowferry_poll_seconds", "A poll of the database, with what it sent", "poll.done"),
    Timed("rowferry_send_seconds", "Encoding and committing a batch", "batch.sent"),
    Timed("rowferry_stage_seconds", "First record of a file → file staged", "batch.staged"),
    Timed("rowferry_load_seconds", "A transaction that loads files", "load.loaded"),
)
# Gauges, by name and meaning.
SEND_LAG: Final = (
    "rowferry_send_lag_seconds",
    "What was committed in the database longer ago than this is in its topic",
)
GROUP_LAG: Final = ("kafka_consumergroup_lag", "Offsets that are not in staged files")
GROUP_LAG_LABELS: Final = ("consumergroup", "topic", "partition")
RECEIVE_LAG: Final = ("rowferry_receive_lag_seconds", "Age of the oldest record not staged")
RECEIVE_LAG_LABELS: Final = ("topic", "partition")


def serve(settings: Settings, command: str) -> None:
    """From now on count what `command` does, and serve it until the process ends.

    Nothing where METRICS_PORT is unset. A port that is taken is told, and does not keep rows from
    being carried.
    """
    if settings.metrics_port is None:
        return
    from rowferry.observe.counting import Metrics

    port = settings.metrics_port + PORTS[command]
    metrics = Metrics()
    if command == "send":
        metrics.tell_send_lag()
    if command == "receive":
        metrics.tell_group_lag(settings)
    try:
        metrics.listen(settings.metrics_host, port)
    except OSError as error:
        log.warning("metrics.unserved", port=port, reason=error.strerror)
        return
    configure(settings, count=metrics)
    log.info("metrics.served", host=settings.metrics_host, port=port)
