"""The root command: which commands there are, and how each way to end becomes an exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from rowferry.cli import (
    check,
    config,
    demo,
    init,
    load,
    plan,
    receive,
    render,
    schema,
    send,
    stack,
    status,
    verify,
)
from rowferry.cli import run as run_command
from rowferry.cli.endings import Ending
from rowferry.errors import RowferryError

app = typer.Typer(
    name="rowferry",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order of the help: what one does first comes first.
COMMANDS: tuple[Callable[..., Any], ...] = (
    demo.demo,
    init.init,
    check.check,
    plan.plan,
    send.send,
    receive.receive,
    load.load,
    run_command.run,
    status.status,
    verify.verify,
    schema.schema,
    config.config,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rowferry {version('rowferry')}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="On an error, print the traceback to stderr too.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Carry the rows of PostgreSQL to Kafka as Avro and on to a Snowflake stage, exactly once.

    Settings come from flags, the environment, .env and rowferry.toml, in this order of precedence.
    """
    del debug, version  # Ending.asked_by() has looked already


app.add_typer(stack.app)
for command in COMMANDS:
    app.command()(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; the process entry point, where every error ends."""
    ending = Ending.asked_by(arguments)
    try:
        code = get_command(app).main(list(arguments), prog_name="rowferry", standalone_mode=False)
    except RowferryError as error:
        return ending.failure(error)
    except typer.TyperException as error:
        return ending.misuse(error)
    except (typer.Abort, KeyboardInterrupt):
        return render.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return render.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a process entry point
        return ending.unexpected(error)
    return code if isinstance(code, int) else 0
