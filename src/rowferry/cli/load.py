"""`rowferry load`: stage → tables."""

from dataclasses import asdict
from typing import Annotated

import typer

from rowferry.cli import render
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
def load(
    loaded: Loaded,
    once: Annotated[
        bool, typer.Option("--once", help="Load what is staged and committed now, and end.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove loaded files, once no upload can repeat them.")
    ] = False,
    print_ddl: Annotated[
        bool,
        typer.Option("--print-ddl", help="Print the SQL of stage, tables and grants, and end."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Load the staged files into Snowflake tables, each row once, until stopped.

    A ledger table moves in the same transaction as the rows. Several loaders may run.
    """
    if print_ddl:
        from rowferry.run.load_script import script_of

        script = "\n".join(script_of(loaded.settings))
        if as_json:
            render.emit_json({"sql": script})
        else:
            render.line(script)
        return
    from rowferry.observe.metrics import serve
    from rowferry.run.loader import run_loader

    serve(loaded.settings, "load")
    done = run_loader(loaded.settings, stop_on_signals(), once=once, purge=purge)
    if as_json:
        render.emit_json(asdict(done))
