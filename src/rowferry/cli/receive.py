"""`rowferry receive`: topic → stage, and, if wanted, → tables."""

from typing import Annotated

import typer

from rowferry.cli.children import receiving, run_children
from rowferry.cli.flags import RECEIVING, uses_settings
from rowferry.cli.stopping import stop_on_signals
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

    Where LOAD is set, a loader runs beside it; if one of them ends, the other stops.
    """
    stop = stop_on_signals()
    commands = receiving(loaded.settings)
    if len(commands) > 1:
        return run_children(commands, loaded, stop, once=once)
    from rowferry.observe.metrics import serve
    from rowferry.run.receiver import run_receiver

    serve(loaded.settings, "receive")
    run_receiver(loaded.settings, stop, once=once)
    return 0
