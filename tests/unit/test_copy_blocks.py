"""Rows that are read while they come: the same as all at once, and none beyond those wanted."""

import gc
import weakref
from collections.abc import Sequence

import pytest

from copy_bytes import HEADER, TRAILER, copy_of
from rowferry.kernel import copy_blocks
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.copy_blocks import CopyBlocks
from rowferry.kernel.copy_cells import Uncarriable
from wires import column, wires_of

WIRES = wires_of(column("a", "text", 25), column("b", "integer", 23))
ROWS = [["x" * (row % 7), row] for row in range(40)]
SIZES = [len(chunk) for chunk in copy_of(WIRES, [["", 0], *ROWS])][1:-1]
BEYOND = 1 << 30


def written(chunks: Sequence[bytes], limit: int = BEYOND, most_bytes: int = BEYOND) -> CopyBlocks:
    blocks = CopyBlocks(CopyReader(WIRES), limit, most_bytes)
    write = blocks.writer()
    for chunk in chunks:
        write(chunk)
    return blocks


@pytest.fixture(params=[1, 100, 500, BEYOND], ids=lambda size: f"blocks of {size} bytes")
def _block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_blocks, "BLOCK_BYTES", request.param)


pytestmark = pytest.mark.usefixtures("_block_bytes")


@pytest.mark.parametrize("count", [0, 1, 2, 39, 40])
def test_blocks_give_what_one_read_gives(count: int) -> None:
    chunks = copy_of(WIRES, ROWS[:count])
    blocks = written(chunks)
    assert blocks.finish().equals(CopyReader(WIRES).read(chunks))
    assert blocks.is_complete
    assert abs(blocks.size - sum(SIZES[:count])) <= len(HEADER)


@pytest.mark.parametrize("limit", [1, 7, 38, 39, 40, 41])
def test_rows_beyond_the_limit_are_told_and_not_read(limit: int) -> None:
    # GIVEN a row behind the limit that cannot be carried: it is for the next slice to tell
    chunks = copy_of(WIRES, ROWS)
    if limit < len(ROWS):
        chunks[limit] = chunks[limit].replace(b"x", b"\xff")
    blocks = written(chunks[: limit + 1] + [TRAILER] * (limit < len(ROWS)), limit)
    assert blocks.finish().num_rows == min(limit, len(ROWS))
    assert blocks.is_complete == (limit >= len(ROWS))


@pytest.mark.parametrize("most_bytes", [1, 60, 100, 400, sum(SIZES) - 1])
def test_a_slice_ends_with_the_row_that_makes_it_large_enough(most_bytes: int) -> None:
    blocks = written(copy_of(WIRES, ROWS), most_bytes=most_bytes)
    count = blocks.finish().num_rows
    assert not blocks.is_complete or count == len(ROWS)
    assert sum(SIZES[: count - 1]) <= most_bytes
    assert sum(SIZES[:count]) + len(HEADER) > most_bytes


def test_a_value_that_cannot_be_carried_is_told_when_all_rows_have_come() -> None:
    chunks = copy_of(WIRES, ROWS)
    chunks[5] = chunks[5].replace(b"x", b"\xff")
    blocks = written(chunks)
    with pytest.raises(Uncarriable, match="not UTF-8"):
        blocks.finish()


def test_a_copy_that_breaks_off_is_none() -> None:
    for chunks in ([], [HEADER], copy_of(WIRES, ROWS)[:-1], copy_of(WIRES, ROWS)[1:]):
        with pytest.raises(ValueError, match="COPY"):
            written(chunks).finish()


def test_what_was_read_is_free_without_a_collection() -> None:
    blocks = written(copy_of(WIRES, ROWS))
    blocks.finish()
    seen = weakref.ref(blocks)
    gc.disable()
    try:
        del blocks
        assert seen() is None
    finally:
        gc.enable()
