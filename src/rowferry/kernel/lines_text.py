"""Text and bytes as JSON strings."""

import binascii

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from rowferry.kernel.lines_pieces import Piece

_ESCAPES = {b"\\": b"\\\\", b'"': b'\\"', b"\b": b"\\b", b"\f": b"\\f"} | {
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
}
_FIRST_PLAIN = 0x20
_GROUP, _LETTERS = 3, 4  # octets of base64, and the letters for them
_FILLINGS = pa.array([b"", b"\0", b"\0\0"], pa.binary())


def quoted(values: pa.Array) -> list[Piece]:
    """Text with what JSON forbids escaped; all else stays UTF-8."""
    return [b'"', escaped(_octets_of(values)), b'"']


def escaped(octets: pa.Array) -> pa.Array:
    """Backslash, quote and control characters escaped, the short forms where JSON has them."""
    for character in _to_escape(octets):
        replacement = _ESCAPES.get(character, b"\\u%04x" % ord(character))
        octets = pc.replace_substring(octets, pattern=character, replacement=replacement)
    return octets


def _octets_of(values: pa.Array) -> pa.Array:
    """Text or bytes as bytes without nulls; what stands at nulls is what lies there."""
    if not (pt.is_string(values.type) or pt.is_binary(values.type)):
        values = values.cast(pa.binary())
    buffers = [None, *values.buffers()[1:]]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers, offset=values.offset)


def _to_escape(octets: pa.Array) -> list[bytes]:
    """The characters to escape that occur, the backslash first."""
    _, offsets, buffer = octets.buffers()
    if buffer is None:
        return []
    bounds = np.frombuffer(offsets, np.int32, len(octets) + 1, 4 * octets.offset)
    used = np.frombuffer(buffer, np.uint8)[bounds[0] : bounds[-1]]
    found = [character for character in (b"\\", b'"') if (used == ord(character)).any()]
    control = used[used < _FIRST_PLAIN]
    return (
        found + [bytes([character]) for character in np.unique(control)] if len(control) else found
    )


def base64_of(values: pa.Array) -> list[Piece]:
    """Bytes in base64 with padding (RFC 4648, section 4).

    Values of whole groups follow each other in base64 as they do in bytes: so all are filled up
    with zeros to whole groups, encoded at once, and what stands for the zeros is overwritten.
    """
    octets = _octets_of(values)
    lengths = np.diff(_bounds_of(octets)).astype(np.int64)
    missing = -lengths % _GROUP
    is_filled = bool(missing.any())
    if is_filled:
        filling = _FILLINGS.take(pa.array(missing))
        octets = pc.binary_join_element_wise(octets, filling, pa.scalar(b"", pa.binary()))
    bounds = _bounds_of(octets)
    buffer = octets.buffers()[2]
    used = memoryview(buffer or b"")[bounds[0] : bounds[-1]]
    letters = np.frombuffer(binascii.b2a_base64(used, newline=False), np.uint8)
    ends = (bounds - bounds[0]) // _GROUP * _LETTERS
    if is_filled:
        letters = letters.copy()
        letters[ends[1:][missing >= 1] - 1] = ord("=")
        letters[ends[1:][missing == _GROUP - 1] - 2] = ord("=")
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(letters)]
    return [b'"', pa.Array.from_buffers(pa.binary(), len(lengths), buffers), b'"']


def _bounds_of(octets: pa.Array) -> npt.NDArray[np.int64]:
    bounds = np.frombuffer(octets.buffers()[1], np.int32, len(octets) + 1, 4 * octets.offset)
    return bounds.astype(np.int64)
