"""Batches are told together, and metrics hear of each."""

from typing import Any

from structlog.testing import capture_logs

from rowferry.run.sender_summary import TOLD_SECONDS, Summary
from sending.numbered import rows_of, table_of

TABLE = table_of("public.t")


def told(events: list[Any], name: str) -> list[Any]:
    return [event for event in events if event["event"] == name]


def test_batches_are_told_together_and_metrics_hear_of_each() -> None:
    # GIVEN a summary whose clock we move
    now = [0.0]
    with capture_logs() as events:
        summary = Summary(lambda: now[0])

        # WHEN batches are sent for ten seconds, and one more until the end
        for seconds in (0, 1, TOLD_SECONDS, TOLD_SECONDS + 1):
            now[0] = seconds
            summary.sent(rows_of(TABLE, 0, 3), 0.01)
        summary.sent(rows_of(TABLE, 0, 0), 0.01)
        summary.tell()
        summary.tell()

    # THEN each with rows is an event below the usual level
    batches = told(events, "batch.sent")
    assert [(event["rows"], event["log_level"]) for event in batches] == [(3, "debug")] * 4

    # AND sums are told, each row in one of them
    sums = [(event["rows"], event["batches"]) for event in told(events, "rows.sent")]
    assert sums == [({"public.t": 9}, 3), ({"public.t": 3}, 1)]
