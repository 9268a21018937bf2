"""Arrays and maps of messages → Arrow lists: the k-th items of all rows at once, then the next."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rowferry.kernel.avro import cells
from rowferry.kernel.avro.cursor import Block, Cursor, Mask
from rowferry.kernel.avro.reasons import MalformedError, Reason
from rowferry.kernel.avro.shapes import Array, Boolean, Fixed, Float, Map, Shape
from rowferry.kernel.avro.single_read import blocks_reader, items_reader
from rowferry.kernel.avro.varints import Numbers

# A round costs about as much as this many items read one at a time in Python.
FEWEST_ROWS_A_ROUND: Final = 64
SHORT_ROUNDS_A_LIST: Final = 16
SAME_SIZE: Final = (Boolean, Float, Fixed)
ITEMS_AT_ONCE: Final = 1 << 16  # as Python's values, which take five times what Arrow's do
ITEMS_OF_ONE_SIZE: Final = 1 << 18  # positions and the like take 40 times a boolean

Decode = Callable[[Shape, Cursor], pa.Array]
Found = list[tuple[Numbers, pa.Array]]  # items, and the place in the cursor that each belongs to
# message, position, row → its items, some at a time, and the position behind them
ReadRest = Callable[[bytes, int, int], Iterable[tuple[list[Any], int]]]


def decode_list(shape: Array | Map, items: Shape, cursor: Cursor, decode: Decode) -> pa.Array:
    """A list a row, of all its blocks."""
    found: Found = []
    active, heads = np.arange(len(cursor)), 0
    while _goes_on(len(active), heads, cursor.block):
        part, heads = cursor.part(active), heads + 1
        counts, block_ends = _read_block_head(part, items.least)
        cursor.block.tally.charge(int(counts.sum()) * shape.weight)
        found += [(active[rows], column) for rows, column in _items(items, part, counts, decode)]
        odd = (block_ends >= 0) & (part.positions != block_ends) & part.alive()
        if np.count_nonzero(odd):
            part.fail(odd, Reason.BLOCK)
        cursor.join(active, part)
        active = active[counts > 0]
    if len(active):  # the rest of a few rows of many blocks
        block = cursor.block
        read = blocks_reader(block.reader(items), items.least, shape.weight, block.tally)
        found += _read_one_by_one(items, cursor, active, lambda *at: [read(*at[:2])])
    return _list_of(shape, items, found, len(cursor))


def _goes_on(rows: int, rounds: int, block: Block) -> bool:
    """Whether to have another round of so many rows, after so many of this list."""
    short = FEWEST_ROWS_A_ROUND - rows
    if short <= 0:
        return True
    return rows > 0 and rounds < SHORT_ROUNDS_A_LIST and block.short_rounds.take(short)


def _read_block_head(part: Cursor, least: int) -> tuple[Numbers, Numbers]:
    """How many items follow, 0 for the end; and where they end, -1 where that is not told."""
    counts = part.read_numbers()
    block_ends = np.full(len(counts), -1, np.int64)
    sized = counts < 0
    if np.count_nonzero(sized):
        some = part.part(sized)
        starts, sizes = some.read_lengths()
        some.positions = starts
        block_ends[sized] = starts + sizes
        part.join(sized, some)
        counts = np.abs(counts)
    room = (part.ends - part.positions) // least  # 0 for rows that failed
    beyond = counts.view(np.uint64) > room.view(np.uint64)  # -2^63 is its own absolute
    if np.count_nonzero(beyond):
        part.fail(beyond, Reason.COUNT)
        counts = np.where(beyond, 0, counts)
    return counts, block_ends


def _items(items: Shape, part: Cursor, counts: Numbers, decode: Decode) -> Found:
    if isinstance(items, SAME_SIZE):
        return _items_of_one_size(items, part, counts, decode)
    found: Found = []
    rows, number = np.flatnonzero(counts), 0
    some = part.part(rows)
    while _goes_on(len(rows), number, part.block):
        found.append((rows, decode(items, some)))
        number += 1
        goes_on = (counts[rows] > number) & some.alive()
        if not goes_on.all():
            part.join(rows, some)
            rows, some = rows[goes_on], some.part(goes_on)
    if len(rows):
        part.join(rows, some)
        found += _items_one_by_one(items, part, rows, counts - number)
    return found


def _items_of_one_size(items: Shape, part: Cursor, counts: Numbers, decode: Decode) -> Found:
    """All items, some at a time: where each lies is known."""
    found: Found = []
    rows = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    firsts = np.cumsum(counts) - counts
    failed = np.zeros(len(counts), np.bool_)
    for start in range(0, len(rows), ITEMS_OF_ONE_SIZE):
        owners = rows[start : start + ITEMS_OF_ONE_SIZE]
        places = owners.astype(np.intp)  # as NumPy would at each use
        nth = np.arange(start, start + len(places)) - firsts[places]
        some = part.part(places)
        some.positions = some.positions + nth * items.least
        found.append((owners, decode(items, some)))
        failed[owners[~some.alive()]] = True
    part.advance(counts * items.least)
    if np.count_nonzero(failed):
        part.fail(failed, Reason.TRUNCATED)  # noted with its reason before
    return found


def _items_one_by_one(items: Shape, part: Cursor, rows: Numbers, counts: Numbers) -> Found:
    """The rest of a few long blocks."""
    read = items_reader(part.block.reader(items))

    def read_items(octets: bytes, position: int, row: int) -> Iterator[tuple[list[Any], int]]:
        left = int(counts[row])
        while left:
            some = min(left, ITEMS_AT_ONCE)
            values, position = read(octets, position, some)
            yield values, position
            left -= some

    return _read_one_by_one(items, part, rows, read_items)


def _read_one_by_one(items: Shape, part: Cursor, rows: Numbers, read: ReadRest) -> Found:
    """Items of these rows in plain Python, and where they end."""
    found: Found = []
    values: list[Any] = []
    owners: list[int] = []
    for row in rows.tolist():
        start, end = int(part.positions[row]), int(part.ends[row])
        octets, first = part.block.octets(int(part.rows[row]), start, end)
        reason = Reason.TRUNCATED
        try:
            for some, position in read(octets, first, row):
                part.positions[row] = start + position - first
                part.block.slow.note("long array", len(some))
                values += some
                owners += [row] * len(some)
                if len(values) >= ITEMS_AT_ONCE:
                    found.append(_column_of(items, values, owners))
                    values, owners = [], []
            continue
        except MalformedError as odd:
            reason = odd.reason
        except IndexError:
            pass
        part.fail(_only(row, len(part)), reason)
    found.append(_column_of(items, values, owners))
    return found


def _column_of(items: Shape, values: list[Any], owners: list[int]) -> tuple[Numbers, pa.Array]:
    return np.array(owners, np.int32), cells.column_of(items, values)


def _only(row: int, rows: int) -> Mask:
    where = np.zeros(rows, np.bool_)
    where[row] = True
    return where


def _list_of(shape: Array | Map, items: Shape, found: Found, rows: int) -> pa.Array:
    """Bring the items together, in the order of their rows and then of their finding."""
    if found:
        owners = np.concatenate([owner.astype(np.int32, copy=False) for owner, _ in found])
        children = pa.concat_arrays([column for _, column in found])
        found.clear()  # else its columns would be there beside their copies
        if np.count_nonzero(owners[1:] < owners[:-1]):
            children = children.take(pa.array(np.argsort(owners, kind="stable")))
    else:
        owners, children = np.zeros(0, np.int64), cells.column_of(items, [])
    bounds = np.zeros(rows + 1, np.int32)
    np.cumsum(np.bincount(owners, minlength=rows), out=bounds[1:])
    buffers = [None, pa.py_buffer(bounds)]
    return pa.Array.from_buffers(shape.arrow, rows, buffers, children=[children])
