"""What the commands print: data to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rowferry.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130


def emit_json(data: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout, and nothing else there."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line for people, to stderr."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


def line(text: str) -> None:
    """A line of data, to stdout, as it comes."""
    sys.stdout.write(printable(text, keep="\n") + "\n")
    sys.stdout.flush()


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
