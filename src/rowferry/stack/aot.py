"""Training runs that leave an AOT cache (JEP 514), with which the Java parts start faster.

A cache is in the user's cache folder, once for each set of jars, flags and runtime.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from rowferry.errors import LocalResource
from rowferry.stack import java
from rowferry.stack.downloads import alone
from rowferry.stack.folder import StackFolder
from rowferry.stack.kafka import Kafka
from rowferry.stack.processes import Leash, start
from rowferry.stack.registry import Registry

READY_SECONDS = 60.0
WRITE_SECONDS = 120.0
LOOK_SECONDS = 0.2

JavaPart = Kafka | Registry


def train(parts: list[JavaPart], cache: Path, say: Callable[[str], None]) -> None:
    """Train the caches that are missing; what fails is said once and done without.

    The parts are prepared already. One process trains at a time; the others wait for its caches.
    """
    if not _untrained(parts, cache):
        return
    try:
        with alone(cache, "Preparing the Java parts"):
            missing = _untrained(parts, cache)
            if missing:
                _train_all(missing, cache, say)
    except LocalResource as error:  # a cache that others filled, and that we may only read
        say(f"The Java parts are not prepared to start faster: {error.what}")


def _train_all(missing: list[JavaPart], cache: Path, say: Callable[[str], None]) -> None:
    names = " and ".join(part.name for part in missing)
    say(f"Preparing {names} to start faster (once, about 20 s) …")
    leash = Leash()
    with ThreadPoolExecutor(len(missing)) as pool:
        runs = [pool.submit(_train, type(part), cache, leash.group) for part in missing]
        try:
            wait(runs)
        finally:  # after Ctrl-C, too: the threads end with their processes
            leash.end_group()
    for part, run in zip(missing, runs, strict=True):
        if not run.result():
            mark = _failure(part, cache)
            mark.parent.mkdir(exist_ok=True)
            mark.touch()
            say(f"{part.name} could not be prepared; it works all the same")


def _untrained(parts: list[JavaPart], cache: Path) -> list[JavaPart]:
    found = [part for part in parts if not java.aot_file(part.program, cache).exists()]
    return [part for part in found if not _failure(part, cache).exists()]


def _failure(part: JavaPart, cache: Path) -> Path:
    """A mark that training failed here, so that not every start tries again."""
    return java.aot_file(part.program, cache).with_suffix(".failed")


def _train(kind: type[JavaPart], cache: Path, group: int) -> bool:
    """Start the part on a scratch folder, wait until it serves, stop it, keep what it learnt."""
    scratch = Path(tempfile.mkdtemp(prefix="training-", dir=cache))
    half = scratch / "half.aot"
    try:
        folder = StackFolder(scratch / "stack")
        with folder.held():
            part = kind(folder, cache, training=half)
            part.prepare()
            child = start(part.launch(), group)
            ready = _becomes_ready(part, child)
            child.terminate()  # on its way out it writes the cache
            try:
                child.wait(WRITE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                return False
        trained = java.aot_file(part.program, cache)
        if not ready or not half.exists():
            return False
        trained.parent.mkdir(exist_ok=True)
        half.replace(trained)
        return True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _becomes_ready(part: JavaPart, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        if part.is_ready():
            return True
        time.sleep(LOOK_SECONDS)
    return False
