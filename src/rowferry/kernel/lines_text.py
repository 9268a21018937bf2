"""Text and bytes as JSON strings."""

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
_LETTERS = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8
)


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
    """Bytes in base64 with padding (RFC 4648, section 4)."""
    octets = _octets_of(values)
    _, offsets, buffer = octets.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(octets) + 1, 4 * octets.offset).astype(np.int64)
    lengths = np.diff(bounds)
    groups = (lengths + 2) // 3
    first = np.cumsum(groups) - groups  # each row's first group
    rows = np.repeat(np.arange(len(lengths)), groups)
    place = 3 * (np.arange(len(rows)) - first[rows])
    left = lengths[rows] - place  # octets from here to the row's end
    source = np.frombuffer((buffer.to_pybytes() if buffer else b"") + b"\0\0", np.uint8)
    letters = _letters(source, bounds[:-1][rows] + place, left)
    ends = np.concatenate([np.zeros(1, np.int64), 4 * np.cumsum(groups)]).astype(np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(letters)]
    return [b'"', pa.Array.from_buffers(pa.binary(), len(lengths), buffers), b'"']


def _letters(
    source: npt.NDArray[np.uint8], at: npt.NDArray[np.int64], left: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Four letters for the up to three octets at each place."""
    one = source[at].astype(np.uint32)
    two = np.where(left > 1, source[at + 1], 0).astype(np.uint32)
    three = np.where(left > 2, source[at + 2], 0).astype(np.uint32)  # noqa: PLR2004
    bits = one << 16 | two << 8 | three
    letters = np.empty((len(at), 4), np.uint8)
    for column, shift in enumerate((18, 12, 6, 0)):
        letters[:, column] = _LETTERS[(bits >> shift) & 63]
    letters[left < 3, 3] = ord("=")  # noqa: PLR2004
    letters[left < 2, 2] = ord("=")  # noqa: PLR2004
    return letters
