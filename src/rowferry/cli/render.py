"""What the commands print: data to stdout, everything else to stderr, an error on one line."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowferry.errors import Code, RowferryError
from rowferry.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130
USAGE = 2

_tracebacks = False


def show_tracebacks(wanted: bool) -> None:
    """Print tracebacks of errors to stderr from now on (`--debug`)."""
    global _tracebacks  # noqa: PLW0603 - a root flag, read where errors end
    _tracebacks = wanted


def emit_json(data: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout, and nothing else there."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line for people, to stderr."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


def output() -> "Console":
    """The console of stdout; NO_COLOR and a missing terminal are respected."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; in a pipe, tab-separated lines without decoration."""
    if not sys.stdout.isatty():
        for row in rows:
            sys.stdout.write("\t".join(printable(cell) for cell in row) + "\n")
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    output().print(grid)


def failure(error: RowferryError, *, as_json: bool) -> int:
    """Tell an error of the tree, and give its exit code."""
    _tell(str(error), as_json=as_json, details=error)
    if _tracebacks:
        sys.stderr.write(_redacted_traceback(error))
    return error.exit_code


def misuse(error: Exception, *, as_json: bool) -> int:
    """Tell a wrong use of the command line."""
    # Typer's usage errors carry their own sentence; --help without a command is none.
    message = getattr(error, "format_message", error.__str__)()
    if not message.strip():
        return 0
    text = f"{Code.CONFIG}: {message} — see: rowferry --help"
    _tell(text, as_json=as_json, details=RowferryError(Code.CONFIG, message), exit_code=USAGE)
    return USAGE


def unexpected(error: Exception, *, as_json: bool) -> int:
    """Tell a bug on one line, and keep its traceback in a file that only this user can read."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    handle, path = tempfile.mkstemp(prefix="rowferry-traceback-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(_redacted_traceback(error))
    what = f"{type(error).__name__} at {place}: a bug of Rowferry"
    advice = f"the traceback is in {path}; please report it"
    bug = RowferryError(Code.UNEXPECTED, what, advice=advice)
    _tell(str(bug), as_json=as_json, details=bug)
    if _tracebacks:
        sys.stderr.write(_redacted_traceback(error))
    return bug.exit_code


def _tell(
    text: str, *, as_json: bool, details: RowferryError, exit_code: int | None = None
) -> None:
    note(_redacted(text))
    if as_json:
        told = {
            "code": str(details.code),
            "what": _redacted(details.what),
            "where": _redacted(details.where),
            "advice": _redacted(details.advice),
            "exit_code": details.exit_code if exit_code is None else exit_code,
        }
        emit_json({"error": told})


def _redacted(text: str) -> str:
    from rowferry.observe.redact import redact

    return redact(text)


def _redacted_traceback(error: BaseException) -> str:
    return printable(_redacted("".join(traceback.format_exception(error))), keep="\n")
