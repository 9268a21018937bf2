"""Compression beside the loop: what comes for a file in large pieces, in a thread, in order."""

from collections import deque
from concurrent.futures import Executor, Future, wait
from pathlib import Path

from rowferry.flow.stage.files import OpenFile

_SMALL_BYTES = 1 << 16  # compressed sooner than handed over
_MOST_PIECES = 4  # of a file, of some MB each, wait for the thread


class BackgroundFile:
    """An OpenFile that an executor of one thread fills; without one it is filled at once.

    Raises what OpenFile raises, perhaps at a later call.
    """

    def __init__(self, file: OpenFile, executor: Executor | None) -> None:
        self._file, self._executor = file, executor
        self._pieces: deque[Future[None]] = deque()

    @property
    def size(self) -> int:
        """The compressed bytes so far."""
        return self._file.size

    def add(self, lines: memoryview) -> None:
        """Append lines."""
        while self._pieces and (self._pieces[0].done() or len(self._pieces) >= _MOST_PIECES):
            self._pieces.popleft().result()
        if self._executor is None or (not self._pieces and len(lines) < _SMALL_BYTES):
            self._file.add(lines)
        else:
            self._pieces.append(self._executor.submit(self._file.add, lines))

    def finish(self) -> Path:
        """The whole file."""
        while self._pieces:
            self._pieces.popleft().result()
        return self._file.finish()

    def discard(self) -> None:
        """Throw away what was built."""
        for piece in self._pieces:
            piece.cancel()
        wait(self._pieces)
        self._file.discard()
