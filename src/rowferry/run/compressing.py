"""Compression beside the loop: what comes for a file in large pieces, in a thread, in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from rowferry.flow.stage.files import BLOCK_BYTES, OpenFile

_SMALL_BYTES = 1 << 16  # compressed sooner than handed over
_MOST_BYTES = 1 << 25  # of lines wait for the thread, or one piece that is larger


class Compressor:
    """A thread that does what it is given in order; what waits for it is bounded."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "compress")
        self._waiting: deque[tuple[Future[object], int]] = deque()
        self._size = 0

    def do(self, work: Callable[[], object], size: int = 0) -> Future[object]:
        """Have it done; waits while too much waits already. size: the bytes it holds."""
        while self._waiting and (self._waiting[0][0].done() or self._size + size > _MOST_BYTES):
            future, freed = self._waiting.popleft()
            wait([future])
            self._size -= freed
        future = self._executor.submit(work)
        self._waiting.append((future, size))
        self._size += size
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
        self._pieces: deque[tuple[Future[object], int]] = deque()
        self._added = 0

    @property
    def path(self) -> Path:
        """Where it is built."""
        return self._file.path

    @property
    def size(self) -> int:
        """The compressed bytes so far."""
        return self._file.size

    @property
    def spooled(self) -> int:
        """The compressed bytes, and the lines that wait to be compressed."""
        return self.size + sum(size for piece, size in self._pieces if not piece.done())

    def add(self, lines: Callable[[], memoryview], size: int) -> None:
        """Append lines of so many bytes, which are made here or in the thread."""
        while self._pieces and self._pieces[0][0].done():
            self._pieces.popleft()[0].result()
        self._added += size
        if self._compressor is None or (not self._pieces and size < _SMALL_BYTES):
            self._file.add(lines())
        else:
            self._hand_over(self._compressor, lambda: self._file.add(lines()), size)

    def finish(self) -> None:
        """Nothing more comes."""
        if self._compressor is not None and self._pieces:
            self._hand_over(self._compressor, self._file.finish, min(self._added, BLOCK_BYTES))
        else:
            self._file.finish()

    def whole(self) -> Path:
        """Wait until the finished file is whole; in any thread."""
        for piece, _ in self._pieces:
            piece.result()
        return self._file.path

    def discard(self) -> None:
        """Throw away what was built, finished or not."""
        for piece, _ in self._pieces:
            piece.cancel()
        wait([piece for piece, _ in self._pieces])
        self._file.discard()

    def _hand_over(self, compressor: Compressor, work: Callable[[], object], size: int) -> None:
        self._pieces.append((compressor.do(work, size), size))
