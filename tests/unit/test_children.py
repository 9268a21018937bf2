"""Commands as children: what a stop means for those at work, those that begin, those to come."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

import pytest

from rowferry.cli import children as cli_children
from rowferry.cli.children import Command, run_children
from rowferry.config import Settings
from rowferry.run.children import Child
from rowferry.sources import Loaded
from rowferry.stop import Stop

LOADED = Loaded(Settings(), {}, {}, ())
DRAINS = """
import signal
signal.signal(signal.SIGTERM, lambda *_: exit(0))
print("listening", flush=True)
signal.pause()
"""
BEGINS = "print('begun', flush=True); import time; time.sleep(60)"


class Starts:
    """Starts a script where a command of ours would be; each has said a line on return."""

    def __init__(self, scripts: Mapping[str, str]) -> None:
        self._scripts = scripts
        self.names: list[str] = []
        self.started: list[Child] = []
        self.stop = Stop()

    def __call__(self, words: Sequence[str], _environment: Mapping[str, str]) -> Child:
        self.names.append(words[0])
        command = [sys.executable, "-I", "-c", self._scripts[words[0]]]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.started.append(child)
        assert child.stdout is not None
        with child.stdout:
            child.stdout.readline()
        return child


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Starts]:
    made = Starts({"send": DRAINS, "receive": BEGINS, "load": "raise SystemExit(4)"})
    monkeypatch.setattr(cli_children, "start_child", made)
    yield made
    for child in made.started:
        child.kill()
        child.wait()


def run(starts: Starts, *names: str, once: bool) -> int:
    return run_children([Command(name) for name in names], LOADED, starts.stop, once=once)


def test_a_stop_while_one_command_is_at_work_starts_none_of_those_after_it(
    starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a stop that is asked for as soon as send listens
    def asked_for(_seconds: float) -> bool:
        starts.stop.request()
        return True

    monkeypatch.setattr(starts.stop, "wait", asked_for)
    # WHEN
    code = run(starts, "send", "receive", once=True)
    # THEN send drained, and receive was never there
    assert code == 0
    assert starts.names == ["send"]


def test_a_stop_that_meets_a_command_before_it_listens_is_a_good_end(starts: Starts) -> None:
    starts.stop.request()
    assert run(starts, "send", "receive", once=False) == 0
    assert [child.returncode for child in starts.started] == [0, -signal.SIGTERM]


def test_a_command_that_fails_is_told_though_the_other_had_only_begun(starts: Starts) -> None:
    assert run(starts, "receive", "load", once=False) == 4


def test_a_command_that_somebody_else_ends_is_told(starts: Starts) -> None:
    starts._scripts = {"send": "import os; os.kill(os.getpid(), 15)"}
    assert run(starts, "send", once=True) == 128 + signal.SIGTERM
