"""`rowferry plan`: what would happen, and nothing does."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rowferry.cli import render
from rowferry.cli.flags import SENDING, uses_settings
from rowferry.config import Delivery, Settings
from rowferry.sources import Loaded

if TYPE_CHECKING:
    from rowferry.proof.plan import TablePlan


@uses_settings(
    "PostgreSQL",
    "Kafka",
    "Schema registry",
    "What is carried",
    "Capture",
    "Publish",
    "Receive",
    required=SENDING,
)
def plan(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show the real query and its EXPLAIN, schemas and what the registry says, topics, files."""
    from rowferry.proof.plan import files_per_day, plan_tables

    settings = loaded.settings
    plans = list(plan_tables(settings))
    partitions = sum(p.topic_now or settings.topic_partitions for p in plans)
    files = files_per_day(settings, partitions)
    if as_json:
        tables = [asdict(p) for p in plans]
        render.emit_json({"tables": tables, "files_per_day_at_most": files})
        return
    for planned in plans:
        _show(planned, settings)
    small = settings.delivery is Delivery.STREAMING
    hint = " (small and fresh; ROWFERRY_DELIVERY=batch makes few large ones)" if small else ""
    render.line(f"files on the stage: at most {files:,} a day{hint}")


def _show(planned: "TablePlan", settings: Settings) -> None:
    topic = (
        f"{planned.topic_now} partitions"
        if planned.topic_now is not None
        else f"would be created with {settings.topic_partitions} partitions"
    )
    render.line(f"{planned.table}: {planned.mode}, about {planned.rows:,} rows")
    render.line(f"  topic {planned.topic}: {topic}")
    if planned.changes is None:
        render.line("  schema: the registry takes it")
    else:
        render.line(f"  schema: the registry refuses it: {'; '.join(planned.changes)}")
    render.line(f"  {json.dumps(planned.schema, ensure_ascii=False)}")
    if planned.as_text:
        render.line(f"  carried as text: {', '.join(planned.as_text)}")
    render.line(f"  {planned.query}")
    for step in planned.explained:
        render.line(f"    {step}")
    render.line("")
