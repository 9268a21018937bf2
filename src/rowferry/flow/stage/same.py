"""Whether two gzip files hold the same lines: piece by piece, in a few MiB of memory."""

import zlib
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from typing import BinaryIO

PIECE_BYTES = 1 << 20  # of lines that are compared at once
_READ_BYTES = 1 << 16  # of a file; what waits to be inflated is copied at each piece
_GZIP_WINDOW = zlib.MAX_WBITS | 16  # deflate's largest window, in a gzip member


def same_contents(one: BinaryIO, other: BinaryIO) -> bool:
    """Whether two gzip files hold the same lines, by whatever version they were compressed.

    A file is its first member, and what lies behind that is not looked at. One that is damaged or
    cut short equals only its own bytes. Reads no further than to the first difference, so a small
    file that expands to a large one costs nothing. Raises OSError where a file cannot be read.
    """
    if _equal(_pieces(one), _pieces(other)):
        return True
    try:
        return _equal(_expanded(one), _expanded(other))
    except zlib.error:
        return False


def _equal(one: Iterator[bytes], other: Iterator[bytes]) -> bool:
    return all(piece == like for piece, like in zip_longest(one, other))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    return iter(partial(file.read, PIECE_BYTES), b"")


def _expanded(file: BinaryIO) -> Iterator[bytes]:
    """The lines in pieces of one size, but for the last. Raises zlib.error."""
    file.seek(0)
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    piece = bytearray()
    while not inflate.eof:
        compressed = inflate.unconsumed_tail or file.read(_READ_BYTES)
        if not compressed:
            raise zlib.error("the file is cut short")
        piece += inflate.decompress(compressed, PIECE_BYTES - len(piece))
        if len(piece) == PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
