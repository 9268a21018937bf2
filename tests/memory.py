"""How much memory Python's objects took at most, for tests of what must not grow."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def most_memory() -> Iterator[Callable[[], int]]:
    """A function that says, once the block is over, how many bytes were taken in it at most."""
    most = 0
    tracemalloc.start()
    try:
        yield lambda: most
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
