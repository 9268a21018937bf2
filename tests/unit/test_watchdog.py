"""A stop that takes too long ends the process, whatever keeps it and whatever people registered."""

import signal
import subprocess
import sys
import time

import pytest

DEADLINE = 6  # the exit code
HANGING = """
import ctypes, os
from rowferry.run.watchdog import Watchdog
from rowferry.stop import Stop

def on_second():
    print("at once", flush=True)
    {on_second}

stop, lock = Stop(), ctypes.create_string_buffer(64)
stop.listen(on_second)
with Watchdog(stop, {drain}):
    print("ready", flush=True)
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(lock)  # for ever, and no signal ends it
"""


def ended(signals: int, drain: float, on_second: str = "pass") -> tuple[int, str]:
    """The exit code, and what was said, of a process in whose main thread no handler runs."""
    command = [sys.executable, "-c", HANGING.format(on_second=on_second, drain=drain)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(signals):
            time.sleep(0.2 * number)  # two that come together are one
            process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    return process.returncode, said


def test_a_stop_ends_a_process_that_hears_nothing_at_its_deadline() -> None:
    code, said = ended(1, 0.5)
    assert code == DEADLINE
    assert "at once" not in said


@pytest.mark.parametrize("on_second", ["raise SystemExit(3)", "raise KeyboardInterrupt", "pass"])
def test_a_second_signal_is_told_and_takes_no_deadline_away(on_second: str) -> None:
    code, said = ended(2, 1.5, on_second)
    assert code == DEADLINE
    assert "at once" in said


def test_a_second_signal_may_end_it_at_once() -> None:
    code, said = ended(2, 60, "os._exit(130)")
    assert code == 130
    assert "at once" in said
