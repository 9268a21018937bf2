"""`rowferry receive`: topic → stage, and, if wanted, → tables."""

from functools import partial
from typing import Annotated

import typer

from rowferry.cli.children import receiving, run_children
from rowferry.cli.flags import RECEIVING, as_environment, uses_settings
from rowferry.cli.stopping import stop_on_signals
from rowferry.config import environment_name
from rowferry.observe.log import WORKER
from rowferry.run.children import Child, start_child
from rowferry.sources import Loaded


@uses_settings(
    "Kafka",
    "Schema registry",
    "Snowflake",
    "What is carried",
    "Receive",
    "Stage",
    "Load",
    "Running",
    required=RECEIVING,
    logs=True,
)
def receive(
    loaded: Loaded,
    once: Annotated[
        bool, typer.Option("--once", help="Stage all that is in the topics now, and end.")
    ] = False,
) -> int:
    """Carry the records of the topics to JSON files on the stage, until stopped.

    Where LOAD is set, a loader runs beside it; if one of them ends, the other stops. WORKERS
    processes share the partitions; one that crashes is started again.
    """
    stop = stop_on_signals()
    commands = receiving(loaded.settings)
    if len(commands) > 1:
        return run_children(commands, loaded, stop, once=once)
    if loaded.settings.workers > 1:
        from rowferry.run.workers import run_workers

        return run_workers(
            partial(_start_worker, loaded, once=once), loaded.settings, stop, once=once
        )
    from rowferry.observe.metrics import serve
    from rowferry.run.receiver import run_receiver

    serve(loaded.settings, "receive")
    run_receiver(loaded.settings, stop, once=once)
    return 0


def _start_worker(loaded: Loaded, number: int, *, once: bool) -> Child:
    own = {environment_name("workers"): "1", WORKER: str(number)}
    if loaded.settings.metrics_port is not None:
        own[environment_name("metrics_port")] = str(loaded.settings.metrics_port + number - 1)
    words = ["receive", *(["--once"] if once else [])]
    return start_child(words, {**as_environment(loaded), **own})
