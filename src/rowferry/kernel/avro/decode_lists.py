"""Arrays and maps of messages → Arrow lists: the k-th items of all rows at once, then the next."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rowferry.kernel.avro import cells
from rowferry.kernel.avro.cursor import Cursor, Mask
from rowferry.kernel.avro.reasons import MalformedError, Reason
from rowferry.kernel.avro.shapes import Array, Boolean, Fixed, Float, Map, Shape
from rowferry.kernel.avro.single_read import blocks_reader, items_reader
from rowferry.kernel.avro.varints import Numbers

# A round costs about as much as this many items read one at a time in Python.
FEWEST_ROWS_A_ROUND: Final = 64
ROUNDS_IN_ANY_CASE: Final = 16
SAME_SIZE: Final = (Boolean, Float, Fixed)
ITEMS_AT_ONCE: Final = 1 << 16  # as Python's values, which take five times what Arrow's do
ITEMS_OF_ONE_SIZE: Final = 1 << 18  # positions and the like take 40 times a boolean

Decode = Callable[[Shape, Cursor], pa.Array]
Found = list[tuple[Numbers, pa.Array]]  # items, and the place in the cursor that each belongs to
# bytes and the row → its items, some at a time, and how many bytes were read up to there
ReadRest = Callable[[bytes, int], Iterable[tuple[list[Any], int]]]


def decode_list(shape: Array | Map, items: Shape, cursor: Cursor, decode: Decode) -> pa.Array:
    """A list a row, of all its blocks."""
    found: Found = []
    active, heads = np.arange(len(cursor)), 0
    while len(active) >= FEWEST_ROWS_A_ROUND or (len(active) and heads < ROUNDS_IN_ANY_CASE):
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
        read = blocks_reader(items, shape.weight, cursor.block.tally)
        found += _read_one_by_one(items, cursor, active, lambda octets, _: [read(octets, 0)])
    return _list_of(shape, items, found, len(cursor))


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
    while len(rows) >= FEWEST_ROWS_A_ROUND or (len(rows) and number < ROUNDS_IN_ANY_CASE):
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
    read = items_reader(items, part.block.tally)

    def read_items(octets: bytes, row: int) -> Iterator[tuple[list[Any], int]]:
        left, position = int(counts[row]), 0
        while left:
            some = min(left, ITEMS_AT_ONCE)
            values, position = read(octets, position, some)
            yield values, position
            left -= some

    return _read_one_by_one(items, part, rows, read_items)


def _read_one_by_one(items: Shape, part: Cursor, rows: Numbers, read: ReadRest) -> Found:
    """Items of these rows in plain Python, and where they end."""
    found: Found = []
    for row in rows.tolist():
        start, end = int(part.positions[row]), int(part.ends[row])
        reason = Reason.TRUNCATED
        try:
            for values, size in read(part.block.data[start:end].tobytes(), row):
                part.positions[row] = start + size
                part.block.slow.note("long array", len(values))
                owners = np.full(len(values), row, np.int32)
                found.append((owners, cells.column_of(items, values)))
            continue
        except MalformedError as odd:
            reason = odd.reason
        except IndexError:
            pass
        part.fail(_only(row, len(part)), reason)
    return found


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
