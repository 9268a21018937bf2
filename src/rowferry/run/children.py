"""Processes of ours below this one: how they start, how they end, and that none stays behind."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)

Child = subprocess.Popen[bytes]


def start_child(words: Sequence[str], environment: Mapping[str, str]) -> Child:
    """Start a command of ours; where this process dies, however it does, it is told to end."""
    # A session of its own: Ctrl-C reaches the children once, through us, and not twice.
    return subprocess.Popen(
        [sys.executable, "-m", "rowferry", *words],
        env={**os.environ, **environment},
        start_new_session=True,
        preexec_fn=_dying_with(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def end_children(children: Sequence[Child], seconds: float) -> list[int]:
    """End those that still run: in order, and after so many seconds at once; their exit codes.

    One that our request ends there and then had not begun: it counts as one that drained.
    """
    asked = [child for child in children if child.poll() is None]
    for child in asked:
        child.terminate()
    for child in asked:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    idle = [child for child in asked if child.returncode == -signal.SIGTERM]
    return [0 if child in idle else exit_code(child) for child in children]


def exit_code(child: Child) -> int:
    """Of a child that has ended, as a shell tells it: 128 + the signal's number if killed."""
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _dying_with(parent: int) -> Callable[[], None]:
    def set_signal() -> None:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it died before it could be told
            os._exit(128 + signal.SIGTERM)

    return set_signal
