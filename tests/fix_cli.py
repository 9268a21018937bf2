"""The command line as people use it: processes, with nothing of this machine's environment.

rowferry   Rowferry: .run(environ, *words) → Ended (code, stdout, stderr);
           .start(environ, *words) → Popen, ended with the test; .log_of(process) → its stderr
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FOREIGN = ("ROWFERRY_", "POSTGRES_", "KAFKA_", "SCHEMA_", "SNOWFLAKE_")
COMMAND = (sys.executable, "-m", "rowferry")
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str


@dataclass
class Rowferry:
    folder: Path
    started: list[Process] = field(default_factory=list)

    def run(self, environ: dict[str, str], *words: str, seconds: float = 120) -> Ended:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self._environ(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, environ: dict[str, str], *words: str) -> Process:
        number = len(self.started)
        with (self.folder / f"process-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, *words],
                cwd=self.folder,
                env=self._environ(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def log_of(self, process: Process) -> str:
        return (self.folder / f"process-{self.started.index(process)}.log").read_text()

    def stop(self, process: Process, seconds: float = 40) -> int:
        """SIGTERM; the exit code."""
        process.terminate()
        return process.wait(seconds)

    def end_all(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _environ(self, environ: dict[str, str]) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        return {**own, "ROWFERRY_LOG_FORMAT": "json", **environ}


@pytest.fixture
def rowferry(tmp_path: Path) -> Iterator[Rowferry]:
    folder = tmp_path / "cli"
    folder.mkdir()
    found = Rowferry(folder)
    yield found
    found.end_all()
