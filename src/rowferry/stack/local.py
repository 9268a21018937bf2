"""The local stack as a whole: all parts at once, readiness, settings, shutdown, leftovers."""

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from rowferry.errors import Code, ConfigError, LocalResource
from rowferry.stack.aot import train
from rowferry.stack.downloads import cache_folder
from rowferry.stack.folder import StackFolder
from rowferry.stack.kafka import Kafka
from rowferry.stack.part import Part
from rowferry.stack.postgres import Postgres
from rowferry.stack.processes import Leash, end, identify, start
from rowferry.stack.registry import Registry
from rowferry.stack.snowflake import Snowflake

PARTS = ("postgres", "kafka", "registry", "snowflake")
LEASH = "leash"  # its name in the folder's record
READY_SECONDS = 120.0
LOOK_SECONDS = 0.1
TRIES = 3  # a port may be taken between its choice and its use


def silent(_line: str) -> None:
    """Say nothing."""


class LocalStack:
    """Real parts on loopback, for as long as this process lives, or beyond it.

    `with LocalStack(folder) as stack: stack.settings()`. State (data, ports, passwords) stays in
    the folder and is used again. durable: fsync, as one's own work deserves. outlives: the parts
    are daemons that go on after `stop_waiting`; otherwise they end with this process, however it
    ends. Starting ends what a killed run left in the folder.
    Raises ConfigError where the folder is in use, LocalResource where a part does not start.
    """

    def __init__(
        self,
        folder: Path,
        parts: Iterable[str] = PARTS,
        *,
        durable: bool = False,
        outlives: bool = False,
        say: Callable[[str], None] = silent,
    ) -> None:
        self.folder = StackFolder(folder)
        self._outlives, self._say = outlives, say
        cache = cache_folder()
        makers: dict[str, Callable[[], Part]] = {
            "postgres": lambda: Postgres(self.folder, say, durable=durable),
            "kafka": lambda: Kafka(self.folder, cache),
            "registry": lambda: Registry(self.folder, cache),
            "snowflake": lambda: Snowflake(self.folder),
        }
        self.parts = {name: makers[name]() for name in parts}
        self._open = contextlib.ExitStack()
        self._children: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()
        self.group: int | None = None  # the leash's, once the stack has one

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all parts in parallel and wait until each answers."""
        self._stopping.clear()
        with contextlib.ExitStack() as opening:
            opening.enter_context(self.folder.held())
            self._reclaim()
            self._open = opening.pop_all()
        try:
            self._prepare()
            self.group = group = None if self._outlives else self._leash()
            with ThreadPoolExecutor(len(self.parts)) as pool:
                starting = [pool.submit(self._start, p, group) for p in self.parts.values()]
                try:
                    wait(starting, return_when=FIRST_EXCEPTION)
                finally:  # after Ctrl-C or a failure the others need not become ready
                    if any(not work.done() or work.exception() for work in starting):
                        self._stopping.set()
            for work in starting:
                work.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the parts in an orderly way; their data stays."""
        self._stopping.set()
        running = {n: p for n, p in self.folder.processes().items() if n != LEASH}
        end(running.values())
        for child in self._children:
            child.wait()
        self._children.clear()
        self.folder.forget_processes()
        self._open.close()

    def leave_running(self) -> None:
        """Let go of the parts of a stack that outlives us."""
        for child in self._children:
            child.returncode = 0  # whoever ends it, it is not ours to wait for
        self._open.close()

    def end_daemons(self) -> list[str]:
        """Stop what an earlier process left running on purpose; the names of what ran."""
        with self.folder.held():
            left = self.folder.processes()
            end(left.values())
            self.folder.forget_processes()
        return sorted(left.keys() - {LEASH})

    def remove(self) -> None:
        """Delete the data of a stopped stack, wherever it is."""
        for folder in [*(self.folder.path / name for name in PARTS), self.folder.path / "logs"]:
            if folder.is_symlink():  # PostgreSQL's, where its user could not enter
                shutil.rmtree(folder.resolve(), ignore_errors=True)
                folder.unlink()
            else:
                shutil.rmtree(folder, ignore_errors=True)
        for name in ("stack.json", "stack.lock"):
            (self.folder.path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in it
            self.folder.path.rmdir()

    def states(self, patience: float = 0.0) -> dict[str, str]:
        """Of each part: `ready`, `running` (it does not answer yet) or `stopped`.

        patience: how many seconds parts that all run are given to answer.
        """
        deadline = time.monotonic() + patience
        while True:
            found = self._states()
            is_waiting = "running" in found.values() and "stopped" not in found.values()
            if not is_waiting or time.monotonic() >= deadline:
                return found
            time.sleep(LOOK_SECONDS)

    def _states(self) -> dict[str, str]:
        alive = self.folder.processes()
        found = {}
        for name, part in self.parts.items():
            running = "ready" if name in alive and part.is_ready() else "running"
            found[name] = running if name in alive else "stopped"
        return found

    def settings(self) -> dict[str, str]:
        """The settings with which the parts are reached, NAME → value."""
        found: dict[str, str] = {}
        for part in self.parts.values():
            found |= part.settings()
        return found

    def _prepare(self) -> None:
        for part in self.parts.values():
            part.prepare()
        java_parts = [p for p in self.parts.values() if isinstance(p, Kafka | Registry)]
        train(java_parts, cache_folder(), self._say)

    def _leash(self) -> int:
        leash = Leash()
        self._open.callback(leash.let_go)
        if leash.identity is not None:
            self.folder.remember(LEASH, leash.identity)
        return leash.group

    def _reclaim(self) -> None:
        """End what a run that was killed has left behind."""
        left = self.folder.processes()
        if left and not self._outlives and not self.folder.has_recorded(LEASH):
            what = "a local stack runs in this folder (rowferry stack up)"
            advice = "stop it with: rowferry stack down --dir, or choose another folder"
            raise ConfigError(Code.CONFIG, what, where=str(self.folder.path), advice=advice)
        if left:
            self._say(f"Ending what an earlier run left: {', '.join(sorted(left))}")
            end(left.values())
        self.folder.forget_processes()

    def _start(self, part: Part, group: int | None) -> None:
        began = time.monotonic()
        for attempt in range(1, TRIES + 1):
            launch = part.launch()
            child = start(launch, group)
            self._children.append(child)
            identity = identify(child.pid)
            if identity is not None:
                self.folder.remember(part.name, identity)
            if self._became_ready(part, child):
                self._say(f"{part.name} is ready after {time.monotonic() - began:.1f} s")
                return
            if self._stopping.is_set():
                return
            if child.poll() is None or attempt == TRIES:
                raise _not_started(part.name, launch.log)

    def _became_ready(self, part: Part, child: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            if part.is_ready():
                return True
            if self._stopping.wait(LOOK_SECONDS):
                return False
        return False


def _not_started(name: str, log: Path) -> LocalResource:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "it wrote no log")
    what = f"{name} did not start: {last.strip()[:300]}"
    return LocalResource(Code.LOCAL_RESOURCE, what, advice="its log says more", where=str(log))
