"""The pool that uploads files, and asks the stage, while the receiver goes on polling."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import structlog

from rowferry.errors import Code, NoSpace, RowferryError, Transient
from rowferry.failpoints import failpoint
from rowferry.flow.stage.contract import Stage

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 30.0
_MOST_BYTES = 200_000_000  # on their way at once: Snowflake's connector has whole files in memory

log = structlog.get_logger()


def _nothing() -> None: ...


@dataclass(eq=False, slots=True)
class Task:
    """Work of the pool: done, failed with an error for the loop, or still under way.

    Transient errors are not seen outside, but for NoSpace: the task is tried again until it is
    cancelled.
    """

    action: Callable[[], None]
    what: str
    error: BaseException | None = None
    tries: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at_work: bool = False
    _afterwards: Callable[[], None] = _nothing

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants it any more."""
        return self._cancelled.is_set()

    @property
    def ended(self) -> bool:
        """Whether it is done or has failed."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; says whether it came."""
        return self._ended.wait(max(0.0, seconds))

    def cancel(self, then: Callable[[], None] = _nothing) -> None:
        """Try no more; what is under way goes on, and does no harm.

        then: what is to be done once no worker is at it: here and at once, or by the worker.
        """
        with self._lock:
            self._cancelled.set()
            if self._at_work:
                self._afterwards = then
                return
        then()

    def run(self) -> None:
        """Try until it is done, fails or is cancelled; called by a worker."""
        with self._lock:
            self._at_work = not self.cancelled
        self._try()
        # The action knows its task: the two would hold a file until a garbage collection.
        self.action = _nothing
        with self._lock:
            self._at_work = False
        self._afterwards()
        self._afterwards = _nothing
        self._ended.set()

    def _try(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._cancelled.is_set():
            self.tries += 1
            try:
                self.action()
                break
            except NoSpace as error:  # our own files may be what fills the disk: give them up
                self.error = error
                break
            except Transient as error:
                log.warning("stage.retry", what=self.what, reason=str(error), tries=self.tries)
                self._cancelled.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - a thread's entry point; the loop raises it
                self.error = error
                break


class Room:
    """Bounds the bytes that are on their way at once; first come, first served.

    A file that is larger goes alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Wait for room, and have it until the block ends."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket and self._fits(size))
            self._waiting.popleft()
            self._taken += size
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._most


class Uploads:
    """Daemon threads, so that a black hole behind an upload cannot keep the process."""

    def __init__(self, stage: Stage, threads: int) -> None:
        self.stage = stage
        self._room = Room(_MOST_BYTES)
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"upload-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, name: str, whole: Callable[[], Path], before: Callable[[], None]) -> Task:
        """Upload a spooled file, which `whole` waits for."""

        def upload() -> None:
            path = whole()
            with self._room.taken(path.stat().st_size):
                if task.cancelled:
                    return
                before()
                self.stage.put(name, path)
                failpoint("receive.put")

        task = Task(upload, f"put {name}")
        return self._add(task)

    def ask(self, action: Callable[[], None], what: str) -> Task:
        """Do something that waits for the stage or the cluster."""
        return self._add(Task(action, what))

    def close(self, seconds: float) -> None:
        """Let the threads end; one that hangs is left behind."""
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _add(self, task: Task) -> Task:
        self._queue.put(task)
        return task

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            task.run()


def raise_failure(task: Task) -> None:
    """Raise what made the task fail, in the thread that asks."""
    if task.error is None:
        return
    if isinstance(task.error, RowferryError):
        raise task.error
    raise RowferryError(
        Code.UNEXPECTED, f"{task.what}: {type(task.error).__name__}"
    ) from task.error
