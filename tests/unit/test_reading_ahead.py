"""What is read while something else is published, and who waits for whom."""

import threading
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rowferry.errors import Code, Transient
from rowferry.flow.capture.ahead import in_a_thread, pieces
from rowferry.flow.capture.source import Fetched, Query, Which
from rowferry.flow.capture.state import Identity
from rowferry.model import Table

TABLE = Table(1, "public", "t", (), ("id",))
QUERY = Query(TABLE, Identity(1, {1: 1}), Which.ALL, 9, 2, order=("id",))


class Pages:
    """A source of numbered pages that tells when a read begins, and may be slow or fail."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.began = [threading.Event() for _ in range(count)]
        self.may_end = [threading.Event() for _ in range(count)]
        self.fails_at = -1

    def read(self, query: Query) -> Fetched:
        page = 0 if query.after is None else int(query.after[0]) + 1
        self.begun.append(page)
        self.began[page].set()
        assert self.may_end[page].wait(10)
        if page == self.fails_at:
            raise Transient(Code.PG_CONN, "gone")
        self.ended.append(page)
        batch = pa.record_batch({"page": [page]})
        return Fetched(batch, np.array([0]), (str(page),), complete=page == self.count - 1)


def number(fetched: Fetched) -> Any:
    return fetched.batch["page"][0].as_py()


def test_the_next_piece_is_under_way_while_one_is_published() -> None:
    source: Any = Pages(3)
    source.may_end[0].set()
    with closing(_generator(source)) as coming:
        # WHEN the first piece is given out
        assert number(next(coming)) == 0

        # THEN the second is being read before anybody asks for it, and the third is not
        assert source.began[1].wait(10)
        assert source.ended == [0]
        source.may_end[1].set()
        source.may_end[2].set()
        assert [number(one) for one in coming] == [1, 2]


def test_who_ends_early_waits_until_the_source_is_free() -> None:
    # GIVEN a second piece that is still being read
    source: Any = Pages(3)
    source.may_end[0].set()
    coming = _generator(source)
    next(coming)
    assert source.began[1].wait(10)

    # WHEN no more is wanted
    threading.Timer(0.05, source.may_end[1].set).start()
    coming.close()

    # THEN nobody is reading any more
    assert source.ended == [0, 1]
    assert source.begun == [0, 1]


def test_a_read_that_fails_ahead_fails_where_its_piece_is_asked_for() -> None:
    source: Any = Pages(3)
    source.fails_at = 1
    for event in source.may_end:
        event.set()
    coming = _generator(source)
    assert number(next(coming)) == 0
    with pytest.raises(Transient):
        next(coming)


def test_nothing_is_read_ahead_when_the_time_is_over() -> None:
    source: Any = Pages(3)
    source.may_end[0].set()
    given = list(pieces(source, QUERY, in_a_thread, lambda: False))
    assert [number(one) for one in given] == [0]
    assert source.begun == [0]


def _generator(source: Any) -> Any:
    return pieces(source, QUERY, in_a_thread)
