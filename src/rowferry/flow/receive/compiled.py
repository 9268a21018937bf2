"""A writer's schema, ready to decode what was written by it."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import structlog

from rowferry.flow.receive.foreign import converted
from rowferry.kernel.avro import (
    AvroCodec,
    OverBudget,
    Reason,
    SchemaRefused,
    Tally,
    TooLargeTogether,
    tally_of,
)
from rowferry.kernel.long_decimals import zeros_in
from rowferry.types import restored
from rowferry.types.connect import CONNECT_NAME, Names, row_of_envelope, spelled_out

log = structlog.get_logger()

UNKNOWN_SCHEMA = "schema id unknown to the registry"


class Compiled:
    """A compiled schema, or why it is none; is_envelope: whether its rows are inside `after`."""

    def __init__(self, text: str | None) -> None:
        self.text, self.refused = text, UNKNOWN_SCHEMA
        self.codec: AvroCodec | None = None
        self.record: dict[str, Any] | None = None
        self.names: Names = {}
        self.is_envelope = False
        if text is None:
            return
        try:
            self._compile(text)
        except SchemaRefused as refused:
            self.codec, self.refused = None, str(refused)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as odd:
            self.codec = None
            self.refused = f"the types of the schema have an odd form ({type(odd).__name__})"

    def _compile(self, text: str) -> None:
        """Raises SchemaRefused, and what a schema raises that is odd where the gate does not look.

        A schema that is spelled out is longer than it was: the gate may refuse it only then.
        """
        self.codec = AvroCodec(text)
        parsed = json.loads(text) if text.lstrip().startswith("{") else {}
        if parsed.get("type") not in ("record", "error"):
            return
        self.record = parsed
        told, names = spelled_out(parsed)
        self.is_envelope = row_of_envelope(told, names) is not None
        if CONNECT_NAME in text:  # types that only their names tell
            self.record, self.names = told, names
            self.codec = AvroCodec(told)

    def decode(
        self, messages: Sequence[bytes | None], schema_id: int | None = None
    ) -> tuple[pa.RecordBatch | None, dict[int, str]]:
        """The rows of the readable messages, and why the others are not: index → reason.

        No batch where the schema is refused. Raises TooLargeTogether; OtherFrame where there is a
        schema_id, and not all messages are there and framed with it.
        """
        if self.codec is None:
            return None, dict.fromkeys(range(len(messages)), self.refused)
        decoded = self.codec.decode(messages, schema_id)
        name = self.record["name"] if self.record else "value"
        for column, kind, values in self.codec.fallbacks.taken():
            log.debug("kernel.fallback", schema=name, column=column, kind=kind, values=values)
        # a message alone may come to more for each of its bytes; several are taken in halves
        octets = len(messages[0] or b"") if len(messages) == 1 else 0
        try:
            return self._told(decoded.batch, tally_of(len(messages), octets)), decoded.bad
        except OverBudget:
            if len(messages) > 1:
                raise TooLargeTogether from None
            return None, {0: Reason.SIZE.value}

    def _told(self, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
        """The rows as we have them. Raises OverBudget where decimals are too much as text."""
        tally.charge(zeros_in(batch))
        if self.record is None:
            return batch
        batch = restored(batch, self.record)
        return converted(batch, self.record, self.names, tally) if self.names else batch
