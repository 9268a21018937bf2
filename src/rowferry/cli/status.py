"""`rowferry status`: where each table and each partition stands."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from rowferry.cli import render
from rowferry.cli.flags import uses_settings
from rowferry.sources import Loaded


@uses_settings(
    "PostgreSQL",
    "Kafka",
    "Snowflake",
    "What is carried",
    "Publish",
    "Receive",
    "Stage",
    required=("kafka_server", "tables|topics"),
)
def status(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show per table and partition: position, lag in records and seconds, last file, owner.

    Partitions are shown where a STAGE is set.
    """
    from rowferry.observe.lag import partition_lags, table_positions

    settings = loaded.settings
    tables = table_positions(settings) if settings.tables else []
    partitions = list(partition_lags(settings)) if settings.stage else []
    if as_json:
        render.emit_json(
            {
                "tables": [asdict(table) for table in tables],
                "partitions": [asdict(partition) for partition in partitions],
                "lag_records": sum(partition.lag_records for partition in partitions),
            }
        )
        return
    render.table(
        ["table", "topic", "captured at", "state"],
        [
            [t.table, t.topic, _at(t.captured_at), _state(t.loading, t.owner, t.problem)]
            for t in tables
        ],
    )
    render.table(
        ["topic", "partition", "staged to", "end", "lag", "lag s", "last file", "owner"],
        [
            [
                p.topic,
                str(p.partition),
                "-" if p.committed < 0 else str(p.committed),
                str(p.end),
                str(p.lag_records),
                f"{p.lag_seconds:.1f}",
                p.last_file or "-",
                p.owner or "nobody",
            ]
            for p in partitions
        ],
    )


def _at(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    at = datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="milliseconds")
    return f"{at} ({max(0.0, time.time() - seconds):.0f} s ago)"


def _state(loading: int | None, owner: str | None, problem: str) -> str:
    if problem:
        return problem
    if loading is not None:
        return f"loading, {loading} rows so far"
    return f"owned by {owner[:8]}" if owner else "never sent"
