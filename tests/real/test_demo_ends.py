"""The demo ends as promised: exact, at the first signal, and after a kill -9 by the next one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from waiting import within

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
QUICK = ("--rows", "10", "--stage", "directory")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def running_in(folder: Path) -> list[str]:
    """Processes that name a folder or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_text().replace("\0", " ")
            if str(folder) in words or str(folder) in str((process / "cwd").readlink()):
                found.append(words)
    return found


def demos_in(place: Path) -> list[Path]:
    return list(place.glob("rowferry-*demo-*"))


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary folder for demos, which PostgreSQL's user may enter where we are root."""
    with tempfile.TemporaryDirectory(prefix="rowferry-test-demos-") as path:
        Path(path).chmod(0o711)
        yield Path(path)
        assert within(15, lambda: running_in(Path(path)) == []), running_in(Path(path))


def behind_a_proxy(place: Path) -> dict[str, str]:
    """An environment with a proxy that nobody is."""
    own = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**own, **dict.fromkeys(PROXIES, "http://127.0.0.1:9"), "TMPDIR": str(place)}


@contextmanager
def demo(place: Path, *flags: str) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, "-m", "rowferry", "demo", *flags]
    with subprocess.Popen(
        words, env=behind_a_proxy(place), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", beginning: str) -> None:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        if line.startswith(beginning):
            return
        lines.append(line)
    raise AssertionError(lines)


def test_a_demo_behind_a_proxy_is_exact_and_leaves_nothing(place: Path) -> None:
    words = [sys.executable, "-m", "rowferry", "demo", "--rows", "10", "--seconds", "1"]
    done = subprocess.run(
        words, env=behind_a_proxy(place), capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert demos_in(place) == []


@pytest.mark.parametrize(
    ("step", "number"), [("1/5", signal.SIGINT), ("1/5", signal.SIGTERM), ("3/5", signal.SIGINT)]
)
def test_the_first_signal_ends_a_demo_at_once_and_its_folder_goes(
    place: Path, step: str, number: signal.Signals
) -> None:
    with demo(place, *QUICK, "--seconds", "100") as process:
        # GIVEN a demo whose parts start, or that trades
        read_until(process, step)
        assert within(30, lambda: list(place.glob("*/stack/stack.json")) != [])
        # WHEN
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        # THEN it has not gone on to the next step, and nothing is left
        assert process.returncode == 130, told
        assert "/5" not in told
        assert demos_in(place) == []
        assert running_in(place) == []


def test_what_kill_9_of_a_demo_leaves_is_gone_with_the_next(place: Path) -> None:
    # GIVEN a demo that was killed while it traded: its processes end, its folder stays
    with demo(place, *QUICK, "--seconds", "100") as process:
        read_until(process, "3/5")
        process.kill()
    assert within(20, lambda: running_in(place) == []), running_in(place)
    [left] = demos_in(place)
    # WHEN another begins
    with demo(place, *QUICK, "--seconds", "100") as process:
        read_until(process, "1/5")
        # THEN
        assert not left.exists()
        process.terminate()
        process.communicate(timeout=60)
