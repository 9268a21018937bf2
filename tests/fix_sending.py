"""A sender in a process of its own, over the numbered source, and the check of its topic."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rowferry.config import Settings
from sending.topic import read_topic

TABLE = "public.items"
Environ = dict[str, str]


class NotExact(AssertionError):
    """The topic is not what the source is."""


@dataclass
class SenderProcess:
    """The running program; its lines are read as they come."""

    popen: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for stream, into in ((self.popen.stdout, self.lines), (self.popen.stderr, self.errors)):
            assert stream is not None
            thread = threading.Thread(target=_collect, args=(stream, into), daemon=True)
            thread.start()
            self._threads.append(thread)

    def wait_for(self, beginning: str, count: int = 1, seconds: float = 60) -> None:
        """Until so many lines begin like this."""
        deadline = time.monotonic() + seconds
        while sum(line.startswith(beginning) for line in self.lines) < count:
            assert self.popen.poll() is None, "".join(self.errors)
            assert time.monotonic() < deadline, f"no {beginning!r}: {self.lines[-3:]}"
            time.sleep(0.01)

    def exit_code(self, seconds: float = 90) -> int:
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired as late:
            told = [*self.lines[-5:], *self.errors]
            raise AssertionError(f"still there after {seconds} s: {told}") from late
        for thread in self._threads:
            thread.join(10)
        return code

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    @property
    def said(self) -> str:
        """The last line on stderr, which tells why it ended."""
        return self.errors[-1].strip() if self.errors else ""

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.exit_code()
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()


def _collect(stream: Iterator[str], into: list[str]) -> None:
    for line in stream:  # not extend(), which shows them only at the end
        into.append(line)  # noqa: PERF402


@dataclass
class Sending:
    """Starts senders that share one pipeline, and reads what they sent."""

    environ: Callable[..., Environ]
    settings: Settings
    total: int = 5000
    slice_rows: int = 500
    large_at: int = -1
    started: list[SenderProcess] = field(default_factory=list)

    def start(
        self,
        *,
        once: bool = False,
        failpoints: str = "",
        mutant: str = "",
        no_answer: str = "",
        **overrides: Any,
    ) -> SenderProcess:
        named = {"tables": TABLE, **overrides}
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            **self.environ(**named),
            "NUMBERED_TOTAL": str(self.total),
            "NUMBERED_SLICE": str(self.slice_rows),
            "NUMBERED_LARGE_AT": str(self.large_at),
            "NUMBERED_MUTANT": mutant,
            "NUMBERED_NO_ANSWER": no_answer,
        }
        if failpoints:
            environ["ROWFERRY_FAILPOINTS"] = failpoints
        words = [sys.executable, "-m", "sending.program", *(["--once"] if once else [])]
        popen = subprocess.Popen(
            words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        process = SenderProcess(popen)
        self.started.append(process)
        return process

    def finish(self, **how: Any) -> SenderProcess:
        """Send the rest in a new process; gives it, ended."""
        process = self.start(once=True, **how)
        assert process.exit_code() == 0, "".join(process.errors)
        return process

    def numbers(self, topic: str = "") -> list[int]:
        """The numbers in the topic, sorted; a repeated one appears as often as it is there."""
        records = read_topic(self.settings, topic or self.topic)
        return sorted(record.value["n"] for record in records if record.value)

    @property
    def topic(self) -> str:
        return self.settings.topic_of(TABLE)

    def check_exact(self) -> None:
        """Every row once, and the rows of a key in order."""
        numbers = self.numbers()
        if numbers != list(range(self.total)):
            repeated = len(numbers) - len(set(numbers))
            missing = len(set(range(self.total)) - set(numbers))
            raise NotExact(f"{len(numbers)} rows: {repeated} repeated, {missing} missing")
        last: dict[bytes | None, int] = {}
        for record in read_topic(self.settings, self.topic):
            assert record.value is not None
            assert record.key == record.value["id"].encode()
            if record.value["n"] <= last.get(record.key, -1):
                raise NotExact(f"{record.key!r}: out of order at {record.offset}")
            last[record.key] = record.value["n"]


@pytest.fixture
def sending(
    stack_environ: Callable[..., Environ], stack_settings: Callable[..., Settings]
) -> Iterator[Sending]:
    made = Sending(stack_environ, stack_settings(tables=TABLE))
    yield made
    for process in made.started:
        process.close()
