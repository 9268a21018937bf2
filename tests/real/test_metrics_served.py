"""What the running commands' metrics say is what the database, the topic and the stage hold."""

import time
import urllib.request
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fix_cli import Rowferry
from fix_stack import Database
from rowferry.observe.metrics import PORTS
from rowferry.stack.ports import free_port, is_free

pytestmark = pytest.mark.real

TABLE = """
    CREATE TABLE products (
        product_id text PRIMARY KEY, price numeric(10,2) NOT NULL,
        updated_timestamp timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ON products (updated_timestamp);
    INSERT INTO products SELECT 'p' || n, n / 100.0 FROM generate_series(1, 300) n
"""
PATIENCE_SECONDS = 60.0


def page(port: int) -> dict[str, float]:
    """The sums of the metrics over their labels; nothing where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def port_for_all() -> int:
    """A port of which those of all commands are free."""
    while True:
        port = free_port()
        if port < 65_000 and all(is_free(port + more) for more in PORTS.values()):
            return port


def page_when(port: int, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The metrics as soon as they hold."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds(found := page(port)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def test_sender_and_receiver_tell_what_they_have_carried_and_how_far_they_are_behind(
    stack_environ: Callable[..., dict[str, str]], database: Database, rowferry: Rowferry
) -> None:
    # GIVEN rows that are there, and a quiet log
    database.execute(TABLE)
    port = port_for_all()
    environ = stack_environ(tables="public.products", metrics_port=port, log_level="warning")
    # WHEN all is carried, and some rows more
    running = rowferry.start(environ, "run")
    page_when(port, lambda found: found.get("rowferry_sent_rows_total") == 300)
    database.execute("UPDATE products SET price = 1, updated_timestamp = now() WHERE price > 2.5")
    # THEN the sender has counted each version once, in at least two transactions
    sent = page_when(port, lambda found: found.get("rowferry_sent_rows_total") == 350)
    assert sent["rowferry_sent_batches_total"] == sent["rowferry_send_seconds_count"] >= 2
    assert sent["rowferry_sent_bytes_total"] > 350 * 10
    assert sent["rowferry_poll_seconds_count"] > 2
    assert 0 <= sent["rowferry_send_lag_seconds"] < 5
    # AND the receiver has staged them all, in the files that lie there, and is not behind
    place = port + PORTS["receive"]
    page_when(place, lambda found: found.get("rowferry_staged_rows_total") == 350)
    staged = page_when(place, lambda found: found.get("kafka_consumergroup_lag") == 0)
    assert staged["rowferry_receive_lag_seconds"] == 0
    files = list((rowferry.folder.parent / "stage").rglob("*.json.gz"))
    assert staged["rowferry_staged_files_total"] == len(files)
    assert staged["rowferry_staged_bytes_total"] == sum(file.stat().st_size for file in files)
    assert "rowferry_kernel_fallbacks_total" not in sent | staged
    # AND none of it is in the log
    assert rowferry.stop(running) == 0
    assert "batch.s" not in rowferry.log_of(running)
