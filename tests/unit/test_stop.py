"""A stop is heard wherever it comes, and by everyone who waits."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rowferry.stop import Stop

STORM = """
import os, signal, threading
from rowferry.stop import Stop

for _ in range(200):
    stop = Stop()
    stop.listen(lambda: None)
    threading.Timer(0.001, os.kill, (os.getpid(), signal.SIGTERM)).start()
    while not stop.wait(0):
        pass
print("all heard")
"""


def test_a_wait_ends_at_once_for_everyone_and_from_then_on() -> None:
    stop, heard = Stop(), []
    waiting = [
        threading.Thread(target=lambda: heard.append(stop.wait(30)), daemon=True) for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    assert not stop.wait(0.01)
    assert not stop.requested
    stop.request()
    stop.request()
    for thread in waiting:
        thread.join(10)
    assert heard == [True] * 3
    assert stop.requested
    assert stop.wait(30)
    assert stop.wait(-1)


def test_a_signal_at_any_moment_of_a_wait_is_heard() -> None:
    command = [sys.executable, "-c", STORM]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert done.stdout == "all heard\n", done.stderr


def test_a_process_with_many_descriptors_can_wait() -> None:
    program = """
import os, resource
from rowferry.stop import Stop
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
opened = [os.dup(1) for _ in range(1100)]
stop = Stop()
print(stop.wait(0.01), stop.request(), stop.wait(10))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert done.stdout == "False None True\n", done.stderr


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are listed on Linux")
def test_a_stop_that_nobody_has_any_more_keeps_no_descriptor() -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(50):
        Stop().request()
    assert len([*Path("/proc/self/fd").iterdir()]) <= before
