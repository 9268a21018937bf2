"""A sender's memory does not grow with what it has to send."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fix_cli import Rowferry
from fix_stack import Database

pytestmark = pytest.mark.real

ROWS = "SELECT 'K' || i, {text}, i / 7.0, now() - interval '1 day' FROM generate_series(1, {n}) i"
TABLE = """
CREATE TABLE t (k text PRIMARY KEY, v text, n numeric(30, 10),
                updated timestamptz NOT NULL DEFAULT now());
INSERT INTO t
"""


def peak_mb(pid: int) -> float:
    """The most memory that a process had resident so far; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("text", "rows", "most_mb"),
    [("repeat(md5(i::text), 22)", 300_000, 290), ("'Row ' || i", 800_000, 245)],
    ids=["wide", "narrow"],
)
def test_a_load_holds_no_more_than_two_slices(
    rowferry: Rowferry,
    database: Database,
    stack_environ: Callable[..., dict[str, str]],
    text: str,
    rows: int,
    most_mb: int,
) -> None:
    # GIVEN rows that a reader of all would hold several times: 220 MB of them, or many
    database.execute(TABLE + ROWS.format(text=text, n=rows))

    # WHEN
    environ = stack_environ(tables="public.t", timestamp_column="updated", log_level="debug")
    process = rowferry.start(environ, "send", "--once")
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_mb(process.pid))
        time.sleep(0.02)

    # THEN all was sent, in many transactions
    assert process.returncode == 0, rowferry.log_of(process)
    events = [json.loads(line) for line in rowferry.log_of(process).splitlines()]
    sent = [event["rows"] for event in events if event["event"] == "batch.sent"]
    assert sum(sent) == rows
    assert len(sent) >= 8
    assert 100 < peak < most_mb
