"""`rowferry stack`: real parts on loopback for one's own work, as daemons."""

import os
import signal
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from rowferry.cli import render
from rowferry.cli.stopping import interrupt_on_signals

app = typer.Typer(
    name="stack",
    help="PostgreSQL, Kafka, a schema registry and a Snowflake emulator for your own work.",
    no_args_is_help=True,
)
NOT_ALL_RUN = 6
SLOW_SECONDS = 20.0  # a busy machine's parts are no reason to start them again
Folder = Annotated[Path, typer.Option("--dir", help="Folder of the stack: its data and its logs.")]
DEFAULT = Path(".rowferry") / "stack"


@app.command()
def up(folder: Folder = DEFAULT) -> None:
    """Start the stack and print its settings as NAME=value lines, fit for a .env file.

    It goes on until `stack down`. Data, ports and passwords stay in the folder and are used again;
    a stack that runs already is left alone, and its settings are printed.
    """
    from rowferry.stack.local import LocalStack
    from rowferry.stack.loopback import needs_no_proxy

    interrupt_on_signals(signal.SIGTERM)
    stack = LocalStack(folder, durable=True, outlives=True, say=render.note)
    if set(stack.states(SLOW_SECONDS).values()) == {"ready"}:
        render.note("The stack runs already.")
    else:
        render.note(f"Starting the local stack in {folder} …")
        stack.start()
        stack.leave_running()
        render.note(f"It runs until you say: rowferry stack down --dir {folder}")
    for name, value in stack.settings().items():
        sys.stdout.write(f"{name}={value}\n")
    _note_if_readable()
    if needs_no_proxy():
        render.note(
            "A proxy is set: Snowflake's connector needs NO_PROXY=127.0.0.1,localhost, too."
        )


@app.command()
def down(
    folder: Folder = DEFAULT,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete its data and logs, too.")
    ] = False,
) -> None:
    """Stop the stack; its data stays, unless --remove is given."""
    from rowferry.stack.local import LocalStack

    if not (folder / "stack.json").exists():
        render.note(f"There is no stack in {folder}.")
        return
    stack = LocalStack(folder)
    ended = stack.end_daemons()
    render.note(f"Stopped: {', '.join(ended)}." if ended else "Nothing ran.")
    if remove:
        stack.remove()
        render.note(f"Removed the data in {folder}.")


@app.command()
def status(
    folder: Folder = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which parts run and answer; exit code 6 unless all do."""
    from rowferry.stack.local import PARTS, LocalStack

    exists = (folder / "stack.json").exists()
    states = LocalStack(folder).states() if exists else dict.fromkeys(PARTS, "stopped")
    if as_json:
        render.emit_json({"folder": str(folder), "parts": states})
    else:
        render.table(("part", "state"), list(states.items()))
    if set(states.values()) != {"ready"}:
        raise typer.Exit(NOT_ALL_RUN)


def _note_if_readable() -> None:
    """Where the settings went to a file that others may read: say how to keep the passwords."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        render.note("The settings hold passwords, and others may read that file: chmod 600 it.")
