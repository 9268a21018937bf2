"""A folder as a stage: the same contract, for those who load from files or try things out."""

import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from rowferry.errors import AccessDenied, Code, DataAtRisk, LocalResource, RowferryError, Transient
from rowferry.flow.stage.same import same_contents
from rowferry.model import StagedFile

_INCOMING = ".incoming"  # files on their way; a dot keeps them out of every listing
_ABANDONED_SECONDS = 3600
_COMPONENT = re.compile(r"[\w~-][\w.~-]*", re.ASCII)
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class DirectoryStage:
    """Files below a folder; a file appears by link(2), whole, and is never replaced."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._incoming = self._root / _INCOMING
        try:
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_abandoned()
        except OSError as error:
            raise self._translate(error) from error

    def put(self, name: str, spooled: Path) -> None:
        """Write beside, sync, link under the name, sync the folder."""
        final = self._path(name)
        temporary = self._incoming / uuid4().hex
        try:
            self._make_folders(final.parent)
            self._copy(spooled, temporary)
            try:
                self._link(temporary, final)
            except FileExistsError:
                self._compare(final, spooled, name)
            self._sync_folder(final.parent)
        except OSError as error:
            raise self._translate(error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[StagedFile]:
        """Walk only the folders that can hold such names."""
        folder, _, _ = prefix.rpartition("/")
        start = self._path(folder) if folder else self._root
        try:
            yield from self._walk(start, f"{folder}/" if folder else "", prefix)
        except OSError as error:
            raise self._translate(error) from error

    def read(self, name: str) -> bytes:
        """The file's bytes."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._translate(error) from error

    def remove(self, name: str) -> None:
        """Remove the file and forget it durably."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                self._sync_folder(path.parent)
        except OSError as error:
            raise self._translate(error) from error

    def close(self) -> None:
        """Nothing is held."""

    def _path(self, name: str) -> Path:
        """Where the name lies; a name that could leave the folder is refused."""
        if not all(_COMPONENT.fullmatch(part) for part in name.split("/")):
            raise ValueError(f"not a name on a stage: {name!r}")
        path = self._root / name
        if not path.parent.resolve().is_relative_to(self._root.resolve()):
            raise ValueError(f"a link leads out of the stage: {name!r}")
        return path

    def _walk(self, folder: Path, above: str, prefix: str) -> Iterator[StagedFile]:
        try:
            with os.scandir(folder) as found:
                entries = [(f"{e.name}/" if e.is_dir() else e.name, e) for e in found]
        except FileNotFoundError:
            return
        for text, entry in sorted(entries, key=lambda pair: pair[0]):
            name = above + text
            if entry.name.startswith("."):
                continue
            if text.endswith("/"):
                if name.startswith(prefix) or prefix.startswith(name):
                    yield from self._walk(Path(entry.path), name, prefix)
            elif name.startswith(prefix):
                with suppress(FileNotFoundError):  # a loader may remove files meanwhile
                    yield StagedFile(name, entry.stat().st_size)

    def _make_folders(self, folder: Path) -> None:
        """Make missing folders, each durable in the one above before a file depends on it."""
        if folder.is_dir():
            return
        self._make_folders(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
        self._sync_folder(folder.parent)

    @staticmethod
    def _copy(spooled: Path, temporary: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with (
            spooled.open("rb") as source,
            os.fdopen(os.open(temporary, flags, 0o644), "wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())

    @staticmethod
    def _link(temporary: Path, final: Path) -> None:
        try:
            os.link(temporary, final, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            if final.exists():
                raise FileExistsError(str(final)) from error
            # A racing writer of this name carries the same lines, so replacing loses nothing.
            temporary.rename(final)

    @staticmethod
    def _compare(final: Path, spooled: Path, name: str) -> None:
        with final.open("rb") as there, spooled.open("rb") as ours:
            if same_contents(there, ours):
                return
        raise DataAtRisk(
            Code.STAGE_CONFLICT,
            "a staged file with the same name has other contents",
            where=name,
            advice="nothing was overwritten; find out which other writer uses this stage",
        )

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _remove_abandoned(self) -> None:
        """Remove what killed puts left; an hour is longer than any put may take."""
        oldest = time.time() - _ABANDONED_SECONDS
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _translate(self, error: OSError) -> RowferryError:
        where = str(self._root)
        what = f"the stage folder cannot be used: {error.strerror}"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = "let the receiver's user write there"
            return AccessDenied(Code.STAGE_GONE, what, where=where, advice=advice)
        if error.errno == errno.EIO:  # after a failed fsync nothing is known about earlier writes
            return LocalResource(Code.LOCAL_RESOURCE, what, where=where, advice="check the disk")
        return Transient(Code.STAGE_DOWN, what, where=where, advice="free space or mount it again")
