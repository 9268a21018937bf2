"""`python -m sending.program`: the sender's own loop and parts, over the numbered capture.

Settings come from the environment; NUMBERED_TOTAL and NUMBERED_SLICE say how many rows. It says
what it does on stdout: `opened`, and `sent N` after each committed slice.
"""

import os
import sys
from pathlib import Path

from rowferry.errors import RowferryError, Transient
from rowferry.model import Slice, Table
from rowferry.run.sender import Sender
from rowferry.run.sender_parts import PollingCapture, Unobserved, assemble
from rowferry.sources import load_settings
from rowferry.stop import Stop
from sending.numbered import NumberedCapture


class Telling(Unobserved):
    def opened(self, _capture: PollingCapture, _tables: tuple[Table, ...]) -> None:
        print("opened", flush=True)

    def committed(self, piece: Slice, _seconds: float) -> None:
        print(f"sent {piece.progress[0].value!r}", flush=True)

    def failed(self, error: Transient) -> None:
        print(f"failed {error}", flush=True)


def main() -> int:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("NUMBERED_")}
    settings = load_settings(environ=environ, folder=Path("/nonexistent")).settings
    total = int(os.environ["NUMBERED_TOTAL"])
    size = int(os.environ["NUMBERED_SLICE"])
    stop = Stop()
    stop.listen(on_second=lambda: os._exit(130))
    parts = assemble(settings, stop, lambda tables: NumberedCapture(tables, total, slice_rows=size))
    try:
        Sender(settings, stop, parts, Telling()).run(once="--once" in sys.argv)
    except RowferryError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    finally:
        parts.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
