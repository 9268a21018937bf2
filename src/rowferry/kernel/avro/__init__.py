"""Avro ↔ Arrow columns, compiled once a schema.

AvroCodec: encode and decode batches of framed messages. frame_ids: which schema each message has.
check_gate: refuse hostile schemas before anything is compiled from them.
"""

from rowferry.kernel.avro.codec import AvroCodec, Decoded
from rowferry.kernel.avro.frames import OtherFrame, frame_ids
from rowferry.kernel.avro.reasons import Reason, SchemaRefused, UnwritableError
from rowferry.kernel.avro.schema import check_gate
from rowferry.kernel.avro.weights import (
    TOGETHER_BYTES,
    OverBudget,
    Tally,
    TooLargeTogether,
    tally_of,
)

__all__ = [
    "TOGETHER_BYTES",
    "AvroCodec",
    "Decoded",
    "OtherFrame",
    "OverBudget",
    "Reason",
    "SchemaRefused",
    "Tally",
    "TooLargeTogether",
    "UnwritableError",
    "check_gate",
    "frame_ids",
    "tally_of",
]
