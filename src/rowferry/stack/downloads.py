"""Artefacts from Maven repositories, pinned by a lock: fetched once, resumed, checked by sha256."""

import contextlib
import fcntl
import hashlib
import os
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from rowferry.errors import Code, LocalResource, RowferryError, Transient

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

THREADS = 8
TRIES = 4
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 60  # jgo's own 10 s are too few for a repository that is cold
CHUNK_BYTES = 1 << 16
HTTP_OK, HTTP_PARTIAL = 200, 206


@dataclass(frozen=True, slots=True)
class Artefact:
    """One line of a lock: `group:name:version[:packaging[:classifier]] sha256:… bytes:…`."""

    group: str
    name: str
    version: str
    packaging: str
    classifier: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """The name the artefact has in its repository."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where downloads live: ROWFERRY_CACHE, else the user's cache folder."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get("ROWFERRY_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rowferry"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rowferry"


def read_lock(name: str) -> list[Artefact]:
    """The artefacts of `NAME.lock.txt`, which ships in this package."""
    text = (resources.files("rowferry.stack") / f"{name}.lock.txt").read_text(encoding="ascii")
    return [parse_line(line) for line in text.splitlines() if line.strip()]


def parse_line(line: str) -> Artefact:
    """One line of a lock."""
    coordinate, sha256, size = line.split()
    group, name, version, packaging, classifier = (*coordinate.split(":"), "jar", "")[:5]
    if coordinate.count(":") == 4:  # noqa: PLR2004 - group:name:version:packaging:classifier
        packaging, classifier = coordinate.split(":")[3:]
    return Artefact(
        group,
        name,
        version,
        packaging,
        classifier,
        sha256.removeprefix("sha256:"),
        int(size.removeprefix("bytes:")),
    )


def fetch(
    artefacts: list[Artefact],
    cache: Path,
    title: str,
    repositories: Mapping[str, str] | None = None,
) -> list[Path]:
    """The files of the artefacts, in order; what the cache lacks is fetched with 8 threads.

    A file is in the cache under its sha256, and only when its sum was right; a broken download is
    resumed at the next call. Two processes may call this at once: the second waits.
    repositories: name → URL of the Maven repositories to ask; None: jgo's own.
    Raises Transient when the repository cannot be reached, LocalResource when the disk is at fault.
    """
    paths = [cache / "artefacts" / a.sha256 / a.file_name for a in artefacts]
    if all(path.exists() for path in paths):
        return paths
    with alone(cache, title), _progress() as progress:
        missing = [a for a, path in zip(artefacts, paths, strict=True) if not path.exists()]
        bar = progress.add_task(title, total=sum(a.size for a in missing))
        interrupted = threading.Event()
        with ThreadPoolExecutor(THREADS) as pool:
            fetching = _Fetching(progress, bar, interrupted, repositories)
            waiting = [pool.submit(_fetch_one, artefact, cache, fetching) for artefact in missing]
            try:
                for done in waiting:
                    done.result()
            except BaseException:  # Ctrl-C, too, ends the threads at their next chunk
                interrupted.set()
                raise
    return paths


def unpacked(archive: Path) -> Path:
    """The folder of a fetched `.tar.gz`, unpacked beside it once and whole."""
    folder = archive.parent / "unpacked"
    if not folder.exists():
        with alone(archive.parents[2], f"Unpacking {archive.name}"):
            if not folder.exists():
                half = archive.parent / "unpacking"
                with tarfile.open(archive) as tar:
                    # Python before 3.11.4 has no filters; the sum vouches for the archive, too.
                    tar.extraction_filter = getattr(tarfile, "data_filter", None)
                    tar.extractall(half)  # noqa: S202
                half.rename(folder)
    return folder


@contextlib.contextmanager
def alone(cache: Path, title: str) -> Iterator[None]:
    """Hold the cache's lock: one process at a time fills it, the others wait and say so."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"{title}: waiting for another process …", file=sys.stderr)  # noqa: T201
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        what = f"the cache cannot be filled: {error.strerror or error}"
        advice = "free some disk, or set ROWFERRY_CACHE to another folder"
        raise LocalResource(Code.LOCAL_RESOURCE, what, where=str(cache), advice=advice) from error


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    speed = (TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, *speed, console=Console(stderr=True))


@dataclass(frozen=True, slots=True)
class _Fetching:
    progress: "Progress"
    bar: "TaskID"
    interrupted: threading.Event
    repositories: Mapping[str, str] | None

    def advance(self, count: int) -> None:
        self.progress.advance(self.bar, count)


def _fetch_one(artefact: Artefact, cache: Path, fetching: _Fetching) -> None:
    folder = cache / "artefacts" / artefact.sha256
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part"
    problem = ""
    for _ in range(TRIES):
        counted = part.stat().st_size if part.exists() else 0
        fetching.advance(counted)
        try:
            for count in _receive(artefact, part, fetching.repositories):
                counted += count
                fetching.advance(count)
                if fetching.interrupted.is_set():
                    return
            problem = _defect(artefact, part)
        except ConnectionError as error:
            problem = str(error)
        if not problem:
            part.rename(folder / artefact.file_name)
            return
        fetching.advance(-counted)
        fetching.interrupted.wait(PAUSE_SECONDS)
    raise _unfetched(artefact, problem)


def _defect(artefact: Artefact, part: Path) -> str:
    """What is wrong with a received file, empty where nothing is; a wrong one is deleted."""
    if part.stat().st_size < artefact.size:
        return "the connection ended early"  # the next try goes on from here
    with part.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == artefact.sha256:
            return ""
    part.unlink()
    return "its sha256 is not that of the lock"


def _unfetched(artefact: Artefact, problem: str) -> RowferryError:
    what = f"{artefact.file_name} could not be fetched: {problem}"
    advice = "check the network (HTTPS_PROXY is heeded) and call again; it goes on where it stopped"
    where = f"{artefact.group}:{artefact.name}:{artefact.version}"
    return Transient(Code.LOCAL_RESOURCE, what, where=where, advice=advice)


def _receive(
    artefact: Artefact, part: Path, repositories: Mapping[str, str] | None
) -> Iterator[int]:
    """Append what is missing of the artefact to `part`; yields the bytes of each chunk."""
    from jgo.maven import MavenContext
    from jgo.util import http

    given = dict(repositories) if repositories is not None else None
    context = MavenContext(timeout=TIMEOUT_SECONDS, remote_repos=given)
    component = context.project(artefact.group, artefact.name).at_version(artefact.version)
    start = part.stat().st_size if part.exists() else 0
    if start >= artefact.size:
        return
    problem = "no repository has it"
    for repository in context.remote_repos.values():
        url = f"{repository}/{component.path_prefix.as_posix()}/{artefact.file_name}"
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        try:
            with http.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=headers) as answer:
                if answer.status_code not in (HTTP_OK, HTTP_PARTIAL):
                    problem = f"HTTP {answer.status_code}"
                    continue
                resumed = answer.status_code == HTTP_PARTIAL
                with part.open("ab" if resumed else "wb") as file:
                    for chunk in answer.iter_content(CHUNK_BYTES):
                        file.write(chunk)
                        yield len(chunk)
                return
        except OSError as error:  # the client's errors are OSErrors, and so are the disk's
            if error.errno is not None and not isinstance(error, ConnectionError):
                raise
            problem = f"the connection broke ({type(error).__name__})"
    raise ConnectionError(problem)
