"""Debezium's envelopes → the rows in them: `after` is the row, `op` says what happened to it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NO_ROW = "an envelope without the row that its op speaks of"

_UPSERTS = ("c", "u", "r")  # created, updated, read by a snapshot
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """Which envelopes of a batch hold what; odd: those that say nothing that we know."""

    upserts: Mask
    deletes: Mask
    truncates: Mask

    @property
    def odd(self) -> Mask:
        """The envelopes that are none of these."""
        return ~(self.upserts | self.deletes | self.truncates)


def unwrap(batch: pa.RecordBatch) -> Unwrapped:
    """Take a batch of envelopes apart."""
    ops = np.asarray(batch.column("op").to_pylist(), dtype=object)
    has_row = batch.column("after").is_valid().to_numpy(zero_copy_only=False)
    return Unwrapped(np.isin(ops, _UPSERTS) & has_row, ops == "d", ops == "t")


def images(batch: pa.RecordBatch, side: Literal["before", "after"], wanted: Mask) -> pa.RecordBatch:
    """The rows as they were before or after the change."""
    chosen = batch.column(side).filter(pa.array(wanted))
    kind = batch.schema.field(side).type
    fields = [kind.field(place) for place in range(kind.num_fields)]
    return pa.RecordBatch.from_arrays(chosen.flatten(), schema=pa.schema(fields))
