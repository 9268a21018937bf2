"""Ten bytes of PostgreSQL's numeric may be 131,072 digits: memory is for what fits a slice."""

import struct
from collections.abc import Sequence

import pyarrow as pa
import pytest

from copy_bytes import HEADER, TRAILER, octets_of, prefixed
from memory import most_memory
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.copy_blocks import CopyBlocks
from rowferry.kernel.copy_cells import TooMuchText, Uncarriable
from rowferry.types import Wire
from wires import column, wires_of

BIG = struct.pack(">hhHhh", 1, 32_767, 0, 0, 1)  # 1e131068
TEXT = "1" + "0" * 131_068
SLICE_BYTES = 16_000_000
MB = 1 << 20
NUMBERS = wires_of(column("n", "numeric", 1700))
ARRAYS = wires_of(
    column("a", "numeric[]", 1231, element_oid=1700, dimensions=1),
)


def array_of(count: int) -> bytes:
    return struct.pack(">iiiii", 1, 0, 1700, count, 1) + prefixed(BIG) * count


def row_of(*values: bytes | None) -> bytes:
    return struct.pack(">h", len(values)) + b"".join(map(prefixed, values))


def sliced(wires: Sequence[Wire], rows: Sequence[bytes]) -> CopyBlocks:
    blocks = CopyBlocks(CopyReader(wires), len(rows), SLICE_BYTES)
    write = blocks.writer()
    for chunk in [HEADER + rows[0], *rows[1:], TRAILER]:
        write(chunk)
    return blocks


def test_numbers_of_many_digits_are_read_some_at_a_time() -> None:
    # GIVEN numbers of 26 MB of text, among others
    small = octets_of(NUMBERS[0], "-0.50")
    rows = [row_of(value) for value in (small, BIG, None) * 200]
    expected = [len("-0.50"), len(TEXT), None] * 200
    # WHEN they are read at once
    with most_memory() as most:
        batch = CopyReader(NUMBERS).read([HEADER, *rows, TRAILER])
    # THEN what it takes is no multiple of their text
    assert most() < 80 * MB
    texts = batch.column("n")
    assert pa.compute.binary_length(texts).to_pylist() == expected
    assert texts[0].as_py() == "-0.50"
    assert {texts[place].as_py() for place in range(1, 600, 3)} == {TEXT}


def test_a_slice_ends_where_the_text_of_its_numbers_is_enough() -> None:
    # GIVEN a block of 10 kB, whose numbers are 79 MB of text
    rows = [row_of(BIG)] * 600
    # WHEN it is read
    with most_memory() as most:
        blocks = sliced(NUMBERS, rows)
        batch = blocks.finish()
    # THEN the slice ends early, the others are for the next one, and that is for fewer rows
    assert most() < 100 * MB
    assert SLICE_BYTES < batch.nbytes < 50 * MB
    assert 120 < batch.num_rows < 400
    assert not blocks.is_complete
    assert blocks.size >= batch.nbytes


def test_a_slice_weighs_the_text_of_all_its_columns() -> None:
    names = "abcdefghij"
    wires = wires_of(*[column(name, "numeric", 1700) for name in names])
    blocks = sliced(wires, [row_of(*[BIG] * len(names))] * 100)
    batch = blocks.finish()
    assert SLICE_BYTES < batch.nbytes < 50 * MB
    assert not blocks.is_complete


def test_a_slice_weighs_the_text_inside_of_arrays() -> None:
    rows = [row_of(array_of(50)), row_of(None)] * 20
    blocks = sliced(ARRAYS, rows)
    batch = blocks.finish()
    assert SLICE_BYTES < batch.nbytes < 50 * MB
    assert not blocks.is_complete
    assert batch.column("a")[:2].to_pylist() == [[TEXT] * 50, None]


def test_a_row_whose_numbers_alone_are_too_much_is_told() -> None:
    with pytest.raises(Uncarriable, match=r"1 values of column 'a': .*zeros") as refused:
        sliced(ARRAYS, [row_of(array_of(1)), row_of(array_of(600))]).finish()
    assert isinstance(refused.value, TooMuchText)
