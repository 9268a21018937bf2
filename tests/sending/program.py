"""`python -m sending.program`: the sender's own loop and parts, over the numbered capture.

Settings come from the environment; NUMBERED_TOTAL and NUMBERED_SLICE say how many rows. It says
what it does on stdout: `opened`, and `sent N` after each committed slice.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from rowferry.errors import RowferryError, Transient
from rowferry.flow.publish.transactions import Transactions
from rowferry.model import Slice, Table
from rowferry.observe import log
from rowferry.run.sender import Sender
from rowferry.run.sender_parts import PollingCapture, Unobserved, assemble
from rowferry.sources import load_settings
from rowferry.stop import Stop
from sending.mutants import MUTANTS
from sending.numbered import NumberedCapture


class Telling(Unobserved):
    def opened(self, _capture: PollingCapture, _tables: tuple[Table, ...]) -> None:
        print("opened", flush=True)

    def committed(self, piece: Slice, _seconds: float) -> None:
        print(f"sent {piece.progress[0].value!r}", flush=True)

    def failed(self, error: Transient) -> None:
        print(f"failed {error}", flush=True)


def lose_an_answer(*, applied: bool) -> None:
    """The fourth commit times out, although the broker made it, or because it never came there."""
    resume: Callable[..., None] = Transactions._resume
    commits = 0

    def without_answer(self: Transactions, name: str, call: Callable[[float], Any]) -> None:
        nonlocal commits
        commits += name == "commit_transaction"
        is_hit = name == "commit_transaction" and commits == 4
        if applied or not is_hit:
            resume(self, name, call)
        if is_hit:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer"))

    Transactions._resume = without_answer  # type: ignore[method-assign]


def main() -> int:
    stop = Stop()
    stop.listen(on_second=lambda: os._exit(130))
    try:
        send(stop)
    except RowferryError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def send(stop: Stop) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("NUMBERED_")}
    settings = load_settings(environ=environ, folder=Path("/nonexistent")).settings
    log.configure(settings)
    MUTANTS[os.environ.get("NUMBERED_MUTANT", "")]()
    if fate := os.environ.get("NUMBERED_NO_ANSWER"):
        lose_an_answer(applied=fate == "applied")
    total, size = int(os.environ["NUMBERED_TOTAL"]), int(os.environ["NUMBERED_SLICE"])
    large_at = int(os.environ.get("NUMBERED_LARGE_AT", "-1"))
    parts = assemble(
        settings,
        stop,
        lambda rest: NumberedCapture(rest, total, slice_rows=size, large_at=large_at),
    )
    try:
        Sender(settings, stop, parts, Telling()).run(once="--once" in sys.argv)
    finally:
        parts.close()


if __name__ == "__main__":
    sys.exit(main())
