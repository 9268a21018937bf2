"""The frame around a message: a zero byte and the schema's id, as Confluent's registry has it."""

from collections.abc import Sequence
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES: Final = 5
NO_FRAME: Final = b"\xff\xff\xff\xff\xff"
FRAME: Final = Struct(">BI")


def header_of(schema_id: int) -> bytes:
    """The five bytes before a message of this schema."""
    return FRAME.pack(0, schema_id)


def frame_ids(messages: Sequence[bytes | None]) -> NDArray[np.int64]:
    """Each message's schema id; -1 where there is no message, no magic byte, or under 5 bytes."""
    heads = b"".join([(m or b"")[:HEADER_BYTES].ljust(HEADER_BYTES, b"\xff") for m in messages])
    table = np.frombuffer(heads, np.dtype([("magic", "u1"), ("id", ">u4")]))
    lengths = np.fromiter((len(m or b"") for m in messages), np.int64, len(messages))
    framed = (table["magic"] == 0) & (lengths >= HEADER_BYTES)
    return np.where(framed, table["id"].astype(np.int64), -1)
