"""`rowferry run`: sender, receiver and, if wanted, loader as the children of one process."""

from typing import Annotated

import typer

from rowferry.cli.children import Command, receiving, run_children
from rowferry.cli.flags import RECEIVING, SENDING, uses_settings
from rowferry.cli.stopping import stop_on_signals
from rowferry.sources import Loaded


@uses_settings(required=(*SENDING, *RECEIVING))
def run(
    loaded: Loaded,
    once: Annotated[
        bool, typer.Option("--once", help="Send, stage and load what is committed now, and end.")
    ] = False,
) -> int:
    """Run send and receive, and load where LOAD is set, side by side; if one ends, all stop."""
    commands = [Command("send"), *receiving(loaded.settings)]
    return run_children(commands, loaded, stop_on_signals(), once=once)
