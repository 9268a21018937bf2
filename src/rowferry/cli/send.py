"""`rowferry send`: capture → topic."""

import os
from functools import partial
from typing import Annotated

import typer

from rowferry.cli.flags import SENDING, as_environment, uses_settings
from rowferry.cli.stopping import stop_on_signals
from rowferry.config import Settings, environment_name
from rowferry.observe.log import WORKER
from rowferry.run.children import Child, start_child
from rowferry.run.heap import share_heap
from rowferry.run.send_workers import own_share, worker_count
from rowferry.sources import Loaded
from rowferry.stop import Stop


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
) -> int:
    """Carry new and updated rows from PostgreSQL to their topics, until stopped.

    WORKERS processes share the tables; one that crashes is started again.
    """
    stop, settings = stop_on_signals(), loaded.settings
    number = os.environ.get(WORKER)
    if number is not None:
        settings = own_share(settings, int(number))
    elif (count := worker_count(settings)) > 1:
        from rowferry.run.workers import run_workers

        counted = settings.model_copy(update={"workers": count})
        start = partial(_start_worker, loaded, once=once)
        return run_workers(start, counted, stop, once=once, together=False)
    _send(settings, stop, once=once)
    return 0


def _send(settings: Settings, stop: Stop, *, once: bool) -> None:
    share_heap()
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

    serve(settings, "send")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        run_sender(settings, stop, once=once, observer=LoadBar(bars))


def _start_worker(loaded: Loaded, number: int, *, once: bool) -> Child:
    own = {WORKER: str(number)}
    if loaded.settings.metrics_port is not None:
        own[environment_name("metrics_port")] = str(loaded.settings.metrics_port + number - 1)
    words = ["send", *(["--once"] if once else [])]
    return start_child(words, {**as_environment(loaded), **own})
