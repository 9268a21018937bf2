"""Several processes of one command: which end is final, which is a crash, who ends with whom."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import cast

import pytest

from rowferry.config import Settings
from rowferry.run.children import Child
from rowferry.run.workers import Worker, run_workers
from rowferry.stop import Stop

LONG_AGO = 1000.0


class Process:
    """What a worker's owner sees of it."""

    def __init__(self) -> None:
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


class Starts:
    """Counts starts, and keeps the latest process."""

    def __init__(self) -> None:
        self.count = 0
        self.process = Process()

    def __call__(self, _number: int) -> Child:
        self.count += 1
        self.process = Process()
        return cast("Child", self.process)


def worker(*, once: bool = False) -> tuple[Worker, Starts]:
    starts = Starts()
    return Worker(1, starts, 0.0, once=once), starts


@pytest.mark.parametrize("returned", [-signal.SIGKILL, -signal.SIGSEGV, 1, 0])
def test_a_worker_that_crashes_is_started_again_after_a_pause(returned: int) -> None:
    # GIVEN a worker that has ended, while nobody asked it to
    lone, starts = worker()
    starts.process.returncode = returned
    # WHEN its owner looks, at once and later
    assert lone.look(10.0) is None
    assert lone.look(10.1) is None
    assert starts.count == 1
    assert lone.look(10.3) is None
    # THEN it is there again
    assert starts.count == 2
    assert lone.look(11.0) is None


@pytest.mark.parametrize("code", [2, 3, 4, 5, 6, 7, 8])
def test_a_worker_that_needs_a_person_has_ended_for_good(code: int) -> None:
    lone, starts = worker()
    starts.process.returncode = code
    assert lone.look(1.0) == code


def test_a_worker_that_has_done_all_has_ended_for_good() -> None:
    lone, starts = worker(once=True)
    starts.process.returncode = 0
    assert lone.look(1.0) == 0


def test_a_restarted_worker_that_reaches_nobody_is_no_reason_to_end_the_others() -> None:
    # GIVEN a worker that crashed and was started again
    lone, starts = worker()
    starts.process.returncode = -signal.SIGKILL
    lone.look(1.0)
    lone.look(2.0)
    # WHEN it gives up because the broker is away, for which the others wait without end
    starts.process.returncode = 6
    # THEN it is started again
    assert lone.look(40.0) is None
    lone.look(50.0)
    assert starts.count == 3


def test_crashes_without_end_are_told_but_not_those_with_calm_between() -> None:
    # GIVEN a worker that crashes once in a long while
    lone, starts = worker()
    now = 0.0
    for _ in range(20):
        now += LONG_AGO
        starts.process.returncode = -signal.SIGKILL
        assert lone.look(now) is None
        now += LONG_AGO
        lone.look(now)
    # WHEN it crashes as soon as it is started, again and again
    codes = []
    for _ in range(6):
        starts.process.returncode = -signal.SIGKILL
        now += 1
        codes.append(lone.look(now))
        now += 40
        lone.look(now)
    # THEN that is given up in the end, with the exit code of the last one
    assert codes[:4] == [None] * 4
    assert 128 + signal.SIGKILL in codes[4:]


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait()


def script(children: list[Child], text: str) -> Child:
    words = [sys.executable, "-I", "-S", "-c", text]
    children.append(subprocess.Popen(words))
    return children[-1]


SLEEP = "import time; time.sleep(60)"


def test_one_that_needs_a_person_ends_all_with_its_exit_code(children: list[Child]) -> None:
    # GIVEN three workers, of which the second stops for a person
    texts = {1: SLEEP, 2: "raise SystemExit(4)", 3: SLEEP}
    # WHEN
    code = run_workers(
        lambda number: script(children, texts[number]), Settings(workers=3), Stop(), once=False
    )
    # THEN
    assert code == 4
    assert [child.poll() for child in children] == [-signal.SIGTERM, 4, -signal.SIGTERM]


def test_once_ends_when_the_last_has_done_its_part(children: list[Child]) -> None:
    texts = {1: "raise SystemExit(0)", 2: "import time; time.sleep(0.5)"}
    began = time.monotonic()
    code = run_workers(
        lambda number: script(children, texts[number]), Settings(workers=2), Stop(), once=True
    )
    assert code == 0
    assert time.monotonic() - began >= 0.5
    assert [child.poll() for child in children] == [0, 0]


def test_one_that_does_not_drain_in_time_is_killed(
    children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a worker that does not hear
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(end='1'); {SLEEP}"

    def start(_number: int) -> Child:
        words = [sys.executable, "-I", "-S", "-u", "-c", deaf]
        children.append(subprocess.Popen(words, stdout=subprocess.PIPE))
        pipe = children[-1].stdout
        assert pipe is not None
        with pipe:
            pipe.read(1)
        return children[-1]

    # WHEN a stop is asked for
    monkeypatch.setattr("rowferry.run.workers._GRACE_SECONDS", 0.1)
    stop = Stop()
    stop.request()
    code = run_workers(start, Settings(workers=1, drain_seconds=0.1), stop, once=False)
    # THEN it has ended all the same, and the exit code says how
    assert code == 128 + signal.SIGKILL


def test_a_worker_that_a_stop_meets_before_it_listens_has_nothing_to_drain(
    children: list[Child],
) -> None:
    # GIVEN a worker that does not take signals as requests yet, as in its first second
    stop = Stop()
    stop.request()
    # WHEN
    code = run_workers(
        lambda _number: script(children, SLEEP), Settings(workers=1), stop, once=False
    )
    # THEN
    assert code == 0
    assert [child.poll() for child in children] == [-signal.SIGTERM]
