"""Reading ahead: while a piece is encoded and published, the next one is read."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from rowferry.flow.capture.source import Fetched, Query, Source

Reader = Callable[[], Executor]  # makes what reads beside us: one thread

in_a_thread: Reader = partial(ThreadPoolExecutor, 1, "read-ahead")


def pieces(
    source: Source, query: Query, reader: Reader, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[Fetched]:
    """What an ordered query gives, piece by piece, all in the moment's snapshot.

    goes_on: asked before each piece but the first. The caller leaves the source alone between two
    pieces; a caller that ends early waits here until the source is free again.
    """
    fetched = source.read(query)
    with reader() as beside:
        while not fetched.complete and goes_on():
            query = replace(query, after=fetched.last)
            coming = beside.submit(source.read, query)
            yield fetched
            fetched = coming.result()
    yield fetched
