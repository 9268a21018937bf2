"""`rowferry run`: sender, receiver and, if wanted, loader as the children of one process."""

import ctypes
import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from rowferry.cli.flags import RECEIVING, SENDING, as_environment, uses_settings
from rowferry.cli.stopping import stop_on_signals
from rowferry.sources import Loaded
from rowferry.stop import Stop

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 5  # beyond the children's own drain deadline
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)

Child = subprocess.Popen[bytes]


@uses_settings(required=(*SENDING, *RECEIVING))
def run(
    loaded: Loaded,
    once: Annotated[
        bool, typer.Option("--once", help="Send, stage and load what is committed now, and end.")
    ] = False,
) -> int:
    """Run send and receive, and load where LOAD is set, side by side; if one ends, all stop."""
    stop = stop_on_signals()
    commands = ["send", "receive", *(["load"] if loaded.settings.load != "off" else [])]
    if once:
        each = (_side_by_side([command], loaded, stop) for command in commands)
        return next((code for code in each if code), 0)
    return _side_by_side(commands, loaded, stop)


def _side_by_side(commands: list[str], loaded: Loaded, stop: Stop) -> int:
    """Run the commands until one ends or a stop is requested; the first one's exit code, if bad."""
    once = ["--once"] if len(commands) == 1 else []
    children = [_start([command, *once], loaded) for command in commands]
    while all(child.poll() is None for child in children) and not stop.wait(_LOOK_SECONDS):
        pass
    ended_first = [child for child in children if child.poll() is not None]
    _finish(children, loaded.settings.drain_seconds + _GRACE_SECONDS)
    codes = [child.returncode for child in [*ended_first, *children]]
    return next((_exit_code(code) for code in codes if code), 0)


def _start(arguments: list[str], loaded: Loaded) -> Child:
    # A session of its own: Ctrl-C reaches the children once, through us, and not twice.
    return subprocess.Popen(
        [sys.executable, "-m", "rowferry", *arguments],
        env={**os.environ, **as_environment(loaded)},
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _finish(children: list[Child], seconds: float) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _exit_code(returned: int) -> int:
    """As a shell tells it: 128 + the signal's number for a killed child."""
    return 128 - returned if returned < 0 else returned
