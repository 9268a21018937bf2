"""Two gzip files are the same where their lines are, and that is found out in little memory."""

import gzip
import random
import struct
import zlib
from io import BytesIO

import pytest

from memory import most_memory
from rowferry.flow.stage.same import PIECE_BYTES, same_contents

LINES = b"".join(b'{"n":%d}\n' % n for n in range(200_000))  # of more than two pieces
SHORT = b'{"a":1}\n'
MOST_BYTES = 10 * PIECE_BYTES
ZEROS = 1 << 22


def same(one: bytes, other: bytes) -> bool:
    answer = same_contents(BytesIO(one), BytesIO(other))
    assert same_contents(BytesIO(other), BytesIO(one)) == answer, "whichever comes first"
    return answer


def bomb(times: int) -> bytes:
    """A gzip file of many zeros, 4 MiB each time, whose checksum is not theirs."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflate.compress(bytes(ZEROS)) + deflate.flush(zlib.Z_FULL_FLUSH)
    header = gzip.compress(b"", mtime=0)[:10]
    return header + block * times + deflate.flush() + struct.pack("<II", 0, 0)


@pytest.mark.parametrize("lines", [b"", SHORT, LINES, LINES[:PIECE_BYTES], bytes(PIECE_BYTES * 2)])
def test_contents_are_compared_without_their_compression(lines: bytes) -> None:
    fast, thorough = gzip.compress(lines, 1, mtime=0), gzip.compress(lines, 9, mtime=1)
    assert fast != thorough
    assert same(fast, thorough)
    assert same(fast, fast)
    assert same(fast, gzip.compress(lines, 0))


@pytest.mark.parametrize("at", [0, PIECE_BYTES - 1, PIECE_BYTES, len(LINES) - 1])
def test_one_byte_makes_another_file(at: int) -> None:
    other = bytearray(LINES)
    other[at] ^= 1
    assert not same(gzip.compress(LINES, 1), gzip.compress(other, 9))
    assert not same(gzip.compress(LINES, 1), gzip.compress(other, 1))


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 2 * PIECE_BYTES, len(LINES) - 1])
def test_a_beginning_is_not_the_whole(size: int) -> None:
    assert not same(gzip.compress(LINES, 1), gzip.compress(LINES[:size], 9))


@pytest.mark.parametrize("lines", [SHORT, LINES])
@pytest.mark.parametrize("kept", [0, 1, 9, 10, -9, -8, -1])
def test_a_file_that_is_cut_short_equals_only_its_own_bytes(lines: bytes, kept: int) -> None:
    whole = gzip.compress(lines, 1)
    cut = whole[:kept]
    assert not same(whole, cut)
    assert not same(gzip.compress(lines, 9), cut)
    assert same(cut, cut)


@pytest.mark.parametrize("at", [0, 2, 20, -8, -4])
def test_a_damaged_file_equals_only_its_own_bytes(at: int) -> None:
    changed = bytearray(gzip.compress(LINES, 1))
    changed[at] ^= 0xFF
    damaged = bytes(changed)
    assert not same(gzip.compress(LINES, 1), damaged)
    assert not same(gzip.compress(LINES, 9), damaged)
    assert same(damaged, damaged)


def test_what_is_not_gzip_equals_only_its_own_bytes() -> None:
    assert not same(b"not gzip", gzip.compress(SHORT))
    assert not same(b"not gzip", b"not gzip either")
    assert not same(SHORT, gzip.compress(SHORT))
    assert not same(zlib.compress(SHORT), gzip.compress(SHORT)), "zlib's form is another"
    assert same(b"not gzip", b"not gzip")
    assert same(b"", b"")


@pytest.mark.parametrize(
    "behind", [b"\0", b"rubbish", bytes(200_000), gzip.compress(SHORT, mtime=0)]
)
def test_a_file_is_its_first_member_whatever_lies_behind_it(behind: bytes) -> None:
    whole = gzip.compress(LINES, 1)
    assert same(whole, whole + behind)
    assert same(gzip.compress(LINES, 9), whole + behind)
    assert not same(gzip.compress(LINES + SHORT), whole + behind)


def test_large_files_are_compared_in_little_memory() -> None:
    # GIVEN lines that cannot be compressed, and zeros that can, in two compressions each
    noise = random.Random(1).randbytes(20 * PIECE_BYTES)
    pairs = [
        (gzip.compress(contents, 0), gzip.compress(contents, 1))
        for contents in (noise, bytes(100 * PIECE_BYTES))
    ]
    for one, other in pairs:
        # WHEN they are compared
        files = BytesIO(one), BytesIO(other)
        with most_memory() as most:
            assert same_contents(*files)
        # THEN hardly more than a piece of each is in memory
        assert most() < MOST_BYTES


@pytest.mark.parametrize("lines", [SHORT, LINES, bytes(PIECE_BYTES)])
def test_a_small_file_that_expands_to_gigabytes_is_read_to_the_first_difference(
    lines: bytes,
) -> None:
    # GIVEN some MB under our name that are 2 GiB of zeros
    data = bomb(512)
    assert 2_000_000 < len(data) < 2_500_000
    theirs, ours = BytesIO(data), BytesIO(gzip.compress(lines))
    # WHEN it is compared with what was to be there
    with most_memory() as most:
        assert not same_contents(theirs, ours)
    # THEN hardly more than our lines came out of it
    assert most() < MOST_BYTES
    assert theirs.tell() < 200_000


def test_two_files_that_expand_to_much_are_compared_in_little_memory() -> None:
    files = BytesIO(bomb(20)), BytesIO(bomb(20) + b"other")
    with most_memory() as most:
        assert not same_contents(*files), "their checksums are wrong"
    assert most() < MOST_BYTES
