"""The private folder of files being built, and the removal of those that killed runs left."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from rowferry.errors import Code, LocalResource

_PREFIX = "rowferry-spool-"
_LOCK = "owner.lock"


class Spool:
    """A folder only this user can enter, locked while the process lives, removed at its end."""

    def __init__(self, above: str | None) -> None:
        parent = Path(above) if above else Path(tempfile.gettempdir())
        try:
            if above:
                parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _remove_abandoned(parent)
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = _lock(self.folder / _LOCK)
        except OSError as error:
            raise LocalResource(
                Code.LOCAL_RESOURCE,
                f"the spool folder cannot be made: {error.strerror}",
                where=str(parent),
                advice="set ROWFERRY_SPOOL_DIR to a folder with space that you may write to",
            ) from error
        self._numbers = count()

    def new_path(self) -> Path:
        """A name in the folder that was not given before."""
        return self.folder / f"{next(self._numbers)}.gz"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock; None where another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or going away at this moment
            if folder.stat().st_uid != os.getuid() or not (folder / _LOCK).exists():
                continue
            lock = _lock(folder / _LOCK)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
