"""Compression beside the loop: what comes for a file in large pieces, in a thread, in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from rowferry.flow.stage.files import OpenFile

_SMALL_BYTES = 1 << 16  # compressed sooner than handed over
_MOST_PIECES = 8  # of some MB each, wait for the thread


class Compressor:
    """A thread that does what it is given in order; what waits for it is bounded."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "compress")
        self._waiting: deque[Future[object]] = deque()

    def do(self, work: Callable[..., object], *given: object) -> Future[object]:
        """Have it done; waits while too much waits already."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= _MOST_PIECES):
            wait([self._waiting.popleft()])
        future = self._executor.submit(work, *given)
        self._waiting.append(future)
        return future

    def close(self) -> None:
        """End the thread, when all is done."""
        self._executor.shutdown()


class BackgroundFile:
    """An OpenFile that a compressor fills; without one it is filled at once.

    add(), finish() and discard() in one thread. They raise what OpenFile raises, or whole() does.
    """

    def __init__(self, file: OpenFile, compressor: Compressor | None) -> None:
        self._file, self._compressor = file, compressor
        self._pieces: deque[Future[object]] = deque()

    @property
    def path(self) -> Path:
        """Where it is built."""
        return self._file.path

    @property
    def size(self) -> int:
        """The compressed bytes so far."""
        return self._file.size

    def add(self, lines: memoryview) -> None:
        """Append lines."""
        while self._pieces and self._pieces[0].done():
            self._pieces.popleft().result()
        if self._compressor is None or (not self._pieces and len(lines) < _SMALL_BYTES):
            self._file.add(lines)
        else:
            self._pieces.append(self._compressor.do(self._file.add, lines))

    def finish(self) -> None:
        """Nothing more comes."""
        if self._compressor is not None and self._pieces:
            self._pieces.append(self._compressor.do(self._file.finish))
        else:
            self._file.finish()

    def whole(self) -> Path:
        """Wait until the finished file is whole; in any thread."""
        for piece in self._pieces:
            piece.result()
        return self._file.path

    def discard(self) -> None:
        """Throw away what was built, finished or not."""
        for piece in self._pieces:
            piece.cancel()
        wait(self._pieces)
        self._file.discard()
