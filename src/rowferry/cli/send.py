"""`rowferry send`: capture → topic."""

from typing import Annotated

import typer

from rowferry.cli.flags import SENDING, uses_settings
from rowferry.cli.stopping import stop_on_signals
from rowferry.sources import Loaded


@uses_settings(
    "PostgreSQL",
    "Kafka",
    "Schema registry",
    "What is carried",
    "Capture",
    "Publish",
    "Running",
    required=SENDING,
    logs=True,
)
def send(
    loaded: Loaded,
    once: Annotated[
        bool, typer.Option("--once", help="Send all that was committed before now, and end.")
    ] = False,
) -> None:
    """Carry new and updated rows from PostgreSQL to their topics, until stopped."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from rowferry.cli.load_bar import LoadBar
    from rowferry.observe.metrics import serve
    from rowferry.run.sender import run_sender

    serve(loaded.settings, "send")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        run_sender(loaded.settings, stop_on_signals(), once=once, observer=LoadBar(bars))
