"""How signals end a command: the first one in order, the second one at once."""

import os
import signal
from types import FrameType

from rowferry.cli.render import INTERRUPTED
from rowferry.stop import Stop


def stop_on_signals() -> Stop:
    """A stop that SIGTERM and SIGINT request; a second signal ends the process there and then.

    That is safe at any point: what was not durable was not counted.
    """
    stop = Stop()
    stop.listen(on_second=lambda: os._exit(INTERRUPTED))
    return stop


def interrupt_on_signals(*numbers: signal.Signals) -> None:
    """Let these signals interrupt the command as Ctrl-C does: what it started ends on the way."""
    for number in numbers:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
