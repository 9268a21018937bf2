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
    from rowferry.proof.cost import Cost
    from rowferry.proof.plan import TablePlan


@uses_settings(
    "PostgreSQL",
    "Kafka",
    "Schema registry",
    "What is carried",
    "Capture",
    "Publish",
    "Receive",
    "Load",
    required=SENDING,
)
def plan(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show the real query and its EXPLAIN, schemas and what the registry says, topics, costs."""
    from rowferry.proof.plan import files_per_day, plan_costs, plan_tables

    settings = loaded.settings
    plans = list(plan_tables(settings))
    partitions = sum(p.topic_now or settings.topic_partitions for p in plans)
    files = files_per_day(settings, partitions)
    costs = plan_costs(settings, plans)
    if as_json:
        tables = [asdict(p) for p in plans]
        days = [asdict(cost) for cost in costs]
        render.emit_json({"tables": tables, "files_per_day_at_most": files, "costs": days})
        return
    for planned in plans:
        _show(planned, settings)
    small = settings.delivery is Delivery.STREAMING
    hint = " (small and fresh; ROWFERRY_DELIVERY=batch makes few large ones)" if small else ""
    render.line(f"files on the stage: at most {files:,} a day{hint}")
    if any(planned.traffic.rows_last_day for planned in plans):
        _show_costs(costs)


def _show(planned: "TablePlan", settings: Settings) -> None:
    topic = (
        f"{planned.topic_now} partitions"
        if planned.topic_now is not None
        else f"would be created with {settings.topic_partitions} partitions"
    )
    render.line(f"{planned.table}: {planned.mode}, about {planned.rows:,} rows")
    render.line(f"  topic {planned.topic}: {topic}")
    render.line(f"  {_told(planned)}")
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


def _told(planned: "TablePlan") -> str:
    """What the table did lately."""
    traffic = planned.traffic
    line = f"a line has about {traffic.line_bytes:,} bytes, {traffic.compressed_bytes:,} compressed"
    if traffic.rows_last_day is None:
        return f"how often its rows change is not known; {line}"
    return (
        f"rows changed in the last day {traffic.rows_last_day:,}, in the last hour "
        f"{traffic.rows_last_hour:,}; {line}"
    )


def _show_costs(costs: "list[Cost]") -> None:
    from rowferry.proof import cost as price

    render.line("")
    render.line("a day like the last one costs about (a row that changed twice counts once)")
    head = ("fresh after", "files", "a file", "PUT and LIST", "credits of load")
    render.line("  " + "".join(f"{text:>17}" for text in head))
    for cost in costs:
        cells = (
            f"{cost.fresh_seconds:g} s",
            f"{cost.files:,}",
            f"{cost.file_bytes:,} bytes",
            f"{cost.requests:,}",
            f"{cost.load_credits:g}",
        )
        render.line("  " + "".join(f"{text:>17}" for text in cells))
    render.line(
        f"  PUT and LIST need no warehouse. load: a warehouse of size X-Small, about "
        f"{price.CREDITS_AN_HOUR:g} credit an hour, AUTO_SUSPEND = {price.LEAST_SECONDS}, and "
        f"LOAD_SECONDS as large as the freshness."
    )
    render.line(
        f"  Snowpipe instead of load: about {costs[0].snowpipe_credits:g} credits "
        f"({price.CREDITS_A_GIGABYTE:g} a GB of uncompressed lines, by Snowflake's price list)."
    )
