"""Holds a process group: stops it when the owner, at the other end of stdin, is gone.

Run as a script, with nothing imported that would make it heavy. See processes.Leash.
"""

import os
import select
import signal
import sys
import time

GRACE_SECONDS = 5.0
LOOK_SECONDS = 1.0


def main() -> None:
    """Wait for the end of stdin, or for a change of parent; then end the group, oneself last."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    owner = os.getppid()
    sys.stdout.write("holding\n")
    sys.stdout.close()
    while os.getppid() == owner:  # a fork of the owner may keep the pipe open
        if select.select([0], [], [], LOOK_SECONDS)[0]:
            break
    os.killpg(0, signal.SIGINT)  # PostgreSQL's fast shutdown
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
