"""`rowferry demo`: the whole path on a stack of its own, and the proof that it is exact."""

import dataclasses
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rowferry.cli import render
from rowferry.cli.stopping import interrupt_on_signals

if TYPE_CHECKING:
    from rich.progress import Progress

    from rowferry.stack.demo import Outcome

NOT_EXACT = 4


def demo(
    rows: Annotated[int, typer.Option(min=0, help="Rows of the table before the shop opens.")] = (
        100_000
    ),
    seconds: Annotated[float, typer.Option(min=1, help="How long the shop trades.")] = 30,
    stage: Annotated[
        Literal["snowflake", "directory"], typer.Option(help="Where the files go.")
    ] = "snowflake",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder: data, logs, files.")] = (
        False
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line.")
    ] = False,
) -> int:
    """Start everything, carry a live shop's rows to the stage, and prove that it is exact."""
    from rowferry.stack.demo import Demo, Plan
    from rowferry.stack.demo_folder import demo_folder
    from rowferry.stack.loopback import no_proxy

    interrupt_on_signals(signal.SIGINT, signal.SIGTERM)
    os.environ.update(no_proxy(os.environ))  # for the connector, here and in what we start
    with demo_folder(render.note, keep=keep) as folder, _progress() as progress:
        bar = progress.add_task("the shop trades", total=seconds, visible=False)

        def show(done: float) -> None:
            progress.update(bar, completed=done, visible=done < seconds)

        outcome = Demo(Plan(rows, seconds, stage), folder, render.note, show).run()
    if as_json:
        render.emit_json(as_data(outcome))
    else:
        _summarise(outcome)
    return 0 if outcome.is_exact else NOT_EXACT


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("     {task.description}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())


def as_data(outcome: "Outcome") -> dict[str, object]:
    """The outcome as the JSON object of `--json`."""
    return {
        **dataclasses.asdict(outcome.found),
        "files": outcome.files,
        "latency_seconds": dict(outcome.latency_seconds),
        "rows_per_second": dict(outcome.rows_per_second),
        "transactions": dataclasses.asdict(outcome.takings),
    }


def _summarise(outcome: "Outcome") -> None:
    found, took = outcome.found, outcome.takings
    latency, rate = outcome.latency_seconds, outcome.rows_per_second
    traffic = (
        f"{took.transactions:,} transactions: {took.late:,} committed late, "
        f"{took.rolled_back:,} rolled back, {took.with_savepoints:,} with savepoints"
    )
    rows = [
        ("committed", f"{found.committed:,}", f"row versions; {traffic}"),
        ("in the topic", f"{found.in_topic:,}", "records; a version replaced at once is not read"),
        ("on the stage", f"{found.on_stage:,}", f"JSON lines in {outcome.files:,} files"),
        ("missing", f"{found.missing:,}", "rows whose final version is not in topic and stage"),
        ("duplicated", f"{found.duplicated:,}", "versions in the topic, lines on the stage"),
        ("changed", f"{found.changed:,}", "cells compared with the database, exactly"),
        (
            "latency",
            _of(latency["p50"], "{:.2f} s"),
            f"commit → file; p99 {_of(latency['p99'], '{:.2f} s')}",
        ),
        (
            "rate",
            _of(rate["send"], "{:,.0f}"),
            f"rows/s sent, {_of(rate['receive'], '{:,.0f}')} staged (load)",
        ),
    ]
    render.table(("", "", ""), rows)
    verdict = "Exact: nothing missing, nothing twice, nothing changed."
    render.note(verdict if outcome.is_exact else "NOT exact: see the numbers above.")


def _of(value: float | None, form: str) -> str:
    return "?" if value is None else form.format(value)
