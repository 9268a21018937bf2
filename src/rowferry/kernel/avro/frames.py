"""The frame around a message: a zero byte and the schema's id, as Confluent's registry has it."""

from collections.abc import Sequence
from struct import Struct
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rowferry.kernel.avro.varints import words_at_each_byte

HEADER_BYTES: Final = 5
FRAME: Final = Struct(">BI")
PADDING: Final = bytes(8)  # so that 8 bytes can be read where a message begins
MESSAGES_AT_ONCE: Final = 16384
NO_ID: Final = -1
_HEADER_BITS: Final = np.array((1 << 8 * HEADER_BYTES) - 1, np.uint64)


class OtherFrame(Exception):
    """A message that is not there, or not framed with the schema's id."""


def header_of(schema_id: int) -> bytes:
    """The five bytes before a message of this schema."""
    return FRAME.pack(0, schema_id)


def frame_ids(messages: Sequence[bytes | None]) -> NDArray[np.int64]:
    """Each message's schema id; -1 where there is no message, no magic byte, or under 5 bytes."""
    parts = [
        _ids_of(messages[first : first + MESSAGES_AT_ONCE])
        for first in range(0, len(messages), MESSAGES_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _ids_of(messages: Sequence[bytes | None]) -> NDArray[np.int64]:
    joined = pa.array([*messages, PADDING], pa.binary())
    if isinstance(joined, pa.ChunkedArray):  # over 2 GB
        short = [message and message[:HEADER_BYTES] for message in messages]
        joined = pa.array([*short, PADDING], pa.binary())
    heads, lengths = _heads_of(joined)
    reversed_heads = heads.byteswap()
    is_framed = (lengths >= HEADER_BYTES) & (reversed_heads >> 56 == 0)
    ids = (reversed_heads >> 24) & 0xFFFFFFFF
    return np.where(is_framed, ids.astype(np.int64), NO_ID)


def require_header(joined: pa.BinaryArray, header: bytes) -> None:
    """See that every message but the last, which is padding, begins so. Raises OtherFrame."""
    heads, lengths = _heads_of(joined)
    if ((heads ^ int.from_bytes(header, "little")) & _HEADER_BITS).any() or (
        lengths < HEADER_BYTES
    ).any():
        raise OtherFrame


def _heads_of(joined: pa.BinaryArray) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The first eight bytes of each message but the last, and its length."""
    _, bounds, data = joined.buffers()
    ends = np.frombuffer(bounds, np.int32)[: len(joined)]
    words = words_at_each_byte(np.frombuffer(data, np.uint8))
    return words[ends[:-1]], ends[1:] - ends[:-1]
