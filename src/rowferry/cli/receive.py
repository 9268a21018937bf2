"""`rowferry receive`: topic → stage."""

from typing import Annotated

import typer

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
    "Running",
    required=RECEIVING,
    logs=True,
)
def receive(
    loaded: Loaded,
    once: Annotated[
        bool, typer.Option("--once", help="Stage all that is in the topics now, and end.")
    ] = False,
) -> None:
    """Carry the records of the topics to JSON files on the stage, until stopped."""
    from rowferry.run.receiver import run_receiver

    run_receiver(loaded.settings, stop_on_signals(), once=once)
