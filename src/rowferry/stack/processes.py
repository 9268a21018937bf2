"""The parts' processes: how they start without holding on to their owner, and how they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

GRACE_SECONDS = 15.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Launch:
    """A command as a part wants it run: where, as whom (a user and group id), with what added."""

    command: tuple[str, ...]
    folder: Path
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one of the same number."""

    pid: int
    started: str


def start(launch: Launch, group: int | None) -> subprocess.Popen[bytes]:
    """Run the command with no descriptor of ours, its output to its log.

    group: the process group to join, that of the leash; None: a session of its own, to outlive us.
    """
    user, own_group = launch.user or (None, None)
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as log:
        return subprocess.Popen(
            launch.command,
            cwd=launch.folder,
            env={**os.environ, **launch.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=group is None,
            process_group=group if group is not None else None,
            user=user,
            group=own_group,
            extra_groups=None if user is None else [],
        )


def identify(pid: int) -> Identity | None:
    """The process of this number, with its start time; None where there is none, or a zombie."""
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = text.rpartition(")")[2].split()  # the name before may hold spaces and brackets
        return None if fields[0] in "ZX" else Identity(pid, fields[19])
    asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    line = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    state, _, started = line.partition(" ")
    return None if not line or state.startswith("Z") else Identity(pid, started.strip())


def is_alive(identity: Identity) -> bool:
    """Whether exactly this process still runs."""
    return identify(identity.pid) == identity


def end(identities: Iterable[Identity], seconds: float = GRACE_SECONDS) -> None:
    """Stop the processes that still are who they were: politely, and after `seconds` by force.

    SIGINT comes first because PostgreSQL takes SIGTERM as "wait until all clients have left".
    """
    left = [identity for identity in identities if is_alive(identity)]
    for number in (signal.SIGINT, signal.SIGTERM):
        for identity in left:
            _send(identity, number)
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        left = [identity for identity in left if is_alive(identity)]
    for identity in left:
        _send(identity, signal.SIGKILL)
    while left:
        time.sleep(LOOK_SECONDS)
        left = [identity for identity in left if is_alive(identity)]


def _send(identity: Identity, number: signal.Signals) -> None:
    if is_alive(identity):
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return


class Leash:
    """A small process whose group the parts join, and which ends them when its owner is gone.

    It reads a pipe that only the owner can write to: after a kill -9 of the owner the pipe is at
    its end, and the leash stops the whole group. Joining happens before a part's exec, so there
    is no moment in which a part is not held.
    """

    def __init__(self) -> None:
        script = Path(__file__).with_name("leash.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self._process.stdout.readline()  # it ignores signals from now on
        self._process.stdout.close()

    @property
    def group(self) -> int:
        """The process group to start parts in."""
        return self._process.pid

    @property
    def identity(self) -> Identity | None:
        """The leash itself, to be recorded beside the parts."""
        return identify(self._process.pid)

    def end_group(self) -> None:
        """End all that joined, at once, and the leash with it."""
        os.killpg(self.group, signal.SIGKILL)
        self.let_go()

    def let_go(self) -> None:
        """End the leash; the parts have been stopped before."""
        self._process.kill()
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        self._process.wait()
