"""How an error ends a command: one line on stderr, an exit code, and JSON if it was asked for."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rowferry.cli import render
from rowferry.errors import Code, ConfigError, RowferryError
from rowferry.observe.redact import redact
from rowferry.printable import printable


@dataclass(frozen=True, slots=True)
class Ending:
    """Tells errors, redacted; each method gives the exit code.

    as_json: also as one object on stdout. debug: also the traceback, on stderr.
    """

    as_json: bool
    debug: bool

    @classmethod
    def asked_by(cls, arguments: Sequence[str]) -> "Ending":
        """As the command line asks, also one that could not be parsed."""
        return cls(as_json="--json" in arguments, debug="--debug" in arguments)

    def failure(self, error: RowferryError) -> int:
        """An error of the tree."""
        render.note(redact(str(error)))
        if self.as_json:
            told = {
                "code": str(error.code),
                "what": redact(error.what),
                "where": redact(error.where),
                "advice": redact(error.advice),
                "exit_code": error.exit_code,
            }
            render.emit_json({"error": told})
        if self.debug:
            sys.stderr.write(_traceback(error))
        return error.exit_code

    def misuse(self, error: Exception) -> int:
        """A wrong use of the command line, as Typer found it."""
        message = getattr(error, "format_message", error.__str__)()
        if not message.strip():  # help was all that was asked for
            return 0
        return self.failure(ConfigError(Code.CONFIG, message, advice="see: rowferry --help"))

    def unexpected(self, error: Exception) -> int:
        """A bug: its traceback is kept in a file that only this user can read."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no place"
        handle, path = tempfile.mkstemp(prefix="rowferry-traceback-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_traceback(error))
        bug = RowferryError(
            Code.UNEXPECTED,
            f"{type(error).__name__} at {place}: a bug of Rowferry",
            advice=f"the traceback is in {path}; please report it",
        )
        if self.debug:
            sys.stderr.write(_traceback(error))
        return Ending(self.as_json, debug=False).failure(bug)


def _traceback(error: BaseException) -> str:
    return printable(redact("".join(traceback.format_exception(error))), keep="\n")
