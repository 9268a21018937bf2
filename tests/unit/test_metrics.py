"""Metrics count what the log tells, and nothing else."""

import ast
import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from rowferry.config import Settings
from rowferry.errors import Code, Transient
from rowferry.flow.receive.decode import Decoder
from rowferry.model import Offset, Partition, RawRecords, TopicId
from rowferry.observe.counting import GroupLag, Metrics
from rowferry.observe.lag import Stand
from rowferry.observe.log import configure
from rowferry.observe.metrics import COUNTED, TIMED, serve
from rowferry.proof.topic import Log

SOURCES = Path(__file__).parents[2] / "src/rowferry"


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def told(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_batch_is_counted_also_where_the_log_does_not_show_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = Metrics()
    configure(Settings(log_level="warning"), count=metrics)
    for rows in (3, 4):
        structlog.get_logger().info(
            "batch.sent", table="public.a", rows=rows, bytes=100, seconds=0.5
        )
    assert told(metrics, "rowferry_sent_rows_total", table="public.a") == 7
    assert told(metrics, "rowferry_sent_bytes_total", table="public.a") == 200
    assert told(metrics, "rowferry_sent_batches_total", table="public.a") == 2
    assert told(metrics, "rowferry_send_seconds_sum") == 1.0
    assert capsys.readouterr().err == ""


def test_retries_are_told_by_code_and_their_texts_are_no_labels() -> None:
    metrics = Metrics()
    for reason in ("E_PG_CONN: gone [host]", "E_PG_CONN: refused", "whatever the client said"):
        metrics(None, "warning", {"event": "connect.retry", "reason": reason})
    by_code = {
        code: told(metrics, "rowferry_retries_total", event="connect.retry", code=code)
        for code in ("E_PG_CONN", "other")
    }
    assert by_code == {"E_PG_CONN": 2, "other": 1}


def test_the_senders_lag_is_the_age_of_the_last_poll_that_left_nothing_behind() -> None:
    now = 100.0
    metrics = Metrics(clock=lambda: now)
    metrics.tell_send_lag()
    now = 110.0
    metrics(None, "debug", {"event": "poll.done", "seconds": 2.0, "settled": True})
    now = 115.0
    metrics(None, "debug", {"event": "poll.done", "seconds": 1.0, "settled": False})
    assert told(metrics, "rowferry_send_lag_seconds") == 7.0


def test_the_senders_lag_grows_once_a_table_is_left_behind_whatever_the_others_do() -> None:
    now = 100.0
    metrics = Metrics(clock=lambda: now)
    metrics.tell_send_lag()
    settled = {"event": "poll.done", "seconds": 1.0, "settled": True}
    metrics(None, "debug", dict(settled))
    metrics(None, "error", {"event": "table.stopped", "reason": "E_TABLE_GONE: gone"})
    now = 130.0
    metrics(None, "debug", dict(settled))
    assert told(metrics, "rowferry_send_lag_seconds") == 31.0
    assert told(metrics, "rowferry_stopped_tables_total", code="E_TABLE_GONE") == 1


def test_metrics_are_served_in_their_own_registry() -> None:
    metrics = Metrics()
    metrics(None, "info", {"event": "load.purged", "topic": "a", "files": 2})
    port, close = metrics.listen("127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            page = answer.read().decode()
    finally:
        close()
    assert 'rowferry_purged_files_total{topic="a"} 2.0' in page
    assert "process_resident_memory_bytes" in page
    assert "python_info" not in page  # of the library's global registry


def events_of_the_source() -> dict[str, list[set[str]]]:
    """Every log call with a literal event: the names of its fields, a set a call."""
    found: dict[str, list[set[str]]] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("log")), args=[ast.Constant(str(event))]
                ):
                    found.setdefault(event, []).append({str(k.arg) for k in node.keywords})
    return found


def test_every_counted_event_is_told_somewhere_with_what_is_counted() -> None:
    calls = events_of_the_source()
    derived = {"event": None, "code": "reason"}
    for counted in COUNTED:
        fields = {derived.get(label, label) for label in counted.labels} | {counted.field}
        for event in counted.events:
            assert calls.get(event), event
            assert all(fields - {None} <= call for call in calls[event]), (counted.name, event)
    for timed in TIMED:
        assert all("seconds" in call for call in calls[timed.event]), timed.name


def test_what_goes_through_python_value_by_value_is_counted_by_column() -> None:
    # GIVEN a schema of others, with a union
    field = {"name": "u", "type": ["int", "string"]}
    plain = {"name": "i", "type": "int"}
    text = json.dumps({"type": "record", "name": "Odd", "fields": [plain, field]})
    metrics = Metrics()
    # WHEN enough of its records for the way in columns are decoded
    configure(Settings(log_level="error"), count=metrics)
    values: list[bytes | None] = [b"\0\0\0\0\x07\x02\x00\x04"] * 100
    numbers = pa.array(range(100), pa.int64())
    keys: list[bytes | None] = [b"k"] * 100
    raw = RawRecords("t", Partition(0), keys, values, numbers, numbers, Offset(100))
    assert Decoder(Known(text)).decode(raw).bad == {}
    # THEN those of the union are told
    place = {"schema": "Odd", "column": "u", "kind": "union"}
    assert told(metrics, "rowferry_kernel_fallbacks_total", **place) == 100


class Known:
    """A registry with one schema."""

    def __init__(self, text: str) -> None:
        self.text = text

    def by_id(self, _schema_id: int) -> str:
        return self.text

    def latest(self, _topic: str) -> str:
        return self.text

    def is_of(self, topic: str, schema: str) -> bool:
        del topic, schema
        return True


def test_the_groups_lag_is_asked_at_most_every_few_seconds_and_untold_without_an_answer() -> None:
    # GIVEN a group that is behind
    now, asked = 100.0, 0
    log = Log(TopicId("t", "abcdefgh"), Partition(3), 0, 50)

    def ask() -> list[Stand]:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise Transient(Code.KAFKA_CONN, "no broker")
        return [Stand(log, 40, 10, 2.5)]

    registry = CollectorRegistry()
    registry.register(GroupLag(ask, "g", lambda: now))
    place = {"topic": "t", "partition": "3"}

    def lags() -> tuple[float | None, float | None]:
        return (
            registry.get_sample_value("kafka_consumergroup_lag", {"consumergroup": "g", **place}),
            registry.get_sample_value("rowferry_receive_lag_seconds", place),
        )

    # WHEN somebody looks often THEN Kafka is asked once
    assert [lags(), lags()] == [(10, 2.5), (10, 2.5)]
    assert asked == 1
    # WHEN it does not answer later THEN nothing is said
    now = 106.0
    assert lags() == (None, None)


def test_nothing_is_counted_or_served_where_no_port_is_set() -> None:
    before = structlog.get_config()["processors"]
    serve(Settings(), "send")
    assert structlog.get_config()["processors"] == before


def test_a_port_that_is_taken_keeps_no_row_from_being_carried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as events:
        serve(Settings(metrics_port=taken.getsockname()[1]), "send")
    assert [event["event"] for event in events] == ["metrics.unserved"]
