"""The demo's folder: there for one run, and removed by the next one where that run was killed."""

import contextlib
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rowferry.errors import ConfigError
from rowferry.stack.local import LEASH, LocalStack
from rowferry.stack.processes import end

PREFIX = "rowferry-demo-"
KEPT_PREFIX = "rowferry-kept-demo-"  # of another name, so that no later demo removes it
STACK = "stack"
_BEGINNING_SECONDS = 3600.0  # a folder without a record this old is no demo that begins


@contextlib.contextmanager
def demo_folder(say: Callable[[str], None], *, keep: bool) -> Iterator[Path]:
    """A private folder in the system's temporary one, with the stack in STACK; gone at the end.

    keep: it stays. What demos of this user left that were killed is removed first. Called in the
    main thread: no signal disturbs the removal at the end.
    """
    remove_leftovers(say)
    folder = Path(tempfile.mkdtemp(prefix=KEPT_PREFIX if keep else PREFIX))
    try:
        folder.chmod(0o711)  # PostgreSQL's own user passes through; nothing in it can be listed
        yield folder
    finally:
        if keep:
            say(f"Kept: {folder}")
        else:
            with _undisturbed(), contextlib.suppress(ConfigError, FileNotFoundError):
                _remove(folder)  # unless the demo after us is already at it


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Whoever says it twice or more wants the end, which this is; it takes seconds."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def remove_leftovers(say: Callable[[str], None]) -> None:
    """End and remove what is left of demos whose process has gone."""
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with contextlib.suppress(ConfigError, OSError):  # in use, or being removed
            if _may_be_left(folder):
                with LocalStack(folder / STACK, ()).folder.held():
                    say(f"Removing what an earlier demo left: {folder}")
                    _remove(folder)


def _may_be_left(folder: Path) -> bool:
    """Whether its lock can say that it is: a folder without a record may be a demo that begins."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return False
    has_record = (folder / STACK / "stack.json").exists()
    return has_record or status.st_mtime < time.time() - _BEGINNING_SECONDS


def _remove(folder: Path) -> None:
    """Delete all of it, PostgreSQL's data elsewhere included, once no part writes there."""
    stack = LocalStack(folder / STACK, ())
    parts = [part for name, part in stack.folder.processes().items() if name != LEASH]
    end(parts)
    stack.remove()
    shutil.rmtree(folder, ignore_errors=True)
