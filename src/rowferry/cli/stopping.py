"""How signals end a command: the first one in order, the second one at once."""

import os

from rowferry.cli.render import INTERRUPTED
from rowferry.stop import Stop


def stop_on_signals() -> Stop:
    """A stop that SIGTERM and SIGINT request; a second signal ends the process there and then.

    That is safe at any point: what was not durable was not counted.
    """
    stop = Stop()
    stop.listen(on_second=lambda: os._exit(INTERRUPTED))
    return stop
