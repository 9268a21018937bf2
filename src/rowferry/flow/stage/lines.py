"""Decoded records → lines: the row's columns, then the metadata, in offset order."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowferry.errors import Code, ConfigError
from rowferry.kernel.lines import encode_lines
from rowferry.kernel.lines_json import JsonForm
from rowferry.kernel.lines_pieces import Unjoined, joined_already, unjoined
from rowferry.kernel.lines_values import Decimals
from rowferry.kernel.long_decimals import zeros_in
from rowferry.model import DecodedRecords

Numbers = npt.NDArray[np.int64]
_AROUND_BYTES = 8  # a name's quotes, colon and comma, and a null
_VERSION = "2"  # of what a line looks like; a change makes staged and new bytes differ


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of consecutive records of a partition, to be cut at any line.

    offsets and schemas: one a line, offsets ascending.
    """

    text: Unjoined
    offsets: Numbers
    schemas: Numbers

    def between(self, first: int, last: int) -> memoryview:
        """The bytes of the lines first <= index < last; made when they are asked for."""
        return self.text.between(first, last)

    def size(self, first: int, last: int) -> int:
        """How many bytes they are."""
        return int(self.text.bounds[last] - self.text.bounds[first])


@dataclass(frozen=True, slots=True)
class LineFormat:
    """What is added to a row: pairs of metadata field and its name in the line.

    decimals: whether those of up to 38 digits are numbers or strings. unwrap: the envelopes that
    the rows were taken from, for the fingerprint. json: whether columns of JSON are strings or
    nested.
    """

    fields: tuple[tuple[str, str], ...]
    decimals: Decimals = "number"
    unwrap: str | None = None
    json: JsonForm = "string"

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes the bytes of the same records, for the register."""
        told = ((self.decimals, "number"), (self.unwrap, None), (self.json, "string"))
        unusual = [value for value, usual in told if value != usual]
        text = repr((_VERSION, self.fields, *unusual))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def encode(self, groups: Sequence[DecodedRecords]) -> Lines:
        """The lines of all groups, in offset order."""
        encoded = [self._encode_group(group) for group in groups]
        if not encoded:
            nothing = np.empty(0, np.int64)
            return Lines(unjoined([], 0), nothing, nothing)
        return encoded[0] if len(encoded) == 1 else _interleave(encoded)

    def size_of(self, groups: Sequence[DecodedRecords]) -> int:
        """What the lines of all groups come to in bytes, roughly."""
        own = sum(len(name) + _AROUND_BYTES for _, name in self.fields)
        return sum(
            len(group.offsets) * own
            + 2 * int(group.batch.nbytes)
            + _names_in(group.batch.to_struct_array())
            + zeros_in(group.batch)
            for group in groups
        )

    def with_metadata(self, group: DecodedRecords) -> pa.RecordBatch:
        """The row's columns, then the metadata. Raises ConfigError where two have one name."""
        names = [name for _, name in self.fields]
        taken = set(names) & set(group.batch.schema.names)
        if taken:
            column = min(taken)
            source = self.fields[names.index(column)][0]
            raise ConfigError(
                Code.CONFIG,
                f"the table has a column {column!r}, as a metadata field of the line is called",
                where=group.topic,
                advice=f"rename the field: {source}=another_name in ROWFERRY_METADATA",
            )
        added = [_METADATA[field](group) for field, _ in self.fields]
        told = [pa.field(name, array.type) for name, array in zip(names, added, strict=True)]
        return pa.RecordBatch.from_arrays(
            [*group.batch.columns, *added], schema=pa.schema([*group.batch.schema, *told])
        )

    def _encode_group(self, group: DecodedRecords) -> Lines:
        batch = self.with_metadata(group)
        return Lines(
            encode_lines(batch, decimals=self.decimals, json=self.json),
            group.offsets.to_numpy(zero_copy_only=False),
            np.full(batch.num_rows, group.schema_id, np.int64),
        )


def line_format(
    metadata: Sequence[str],
    decimals: Decimals = "number",
    unwrap: str | None = None,
    json: JsonForm = "string",
) -> LineFormat:
    """The format that METADATA (`field` or `field=name`), DECIMALS, UNWRAP and JSON_VALUES want."""
    pairs = (item.partition("=") for item in metadata)
    named = tuple((field, name or field) for field, _, name in pairs)
    return LineFormat(named, decimals, unwrap, json)


def _names_in(column: pa.Array) -> int:
    """What the names of fields inside the values of a column come to."""
    if pa.types.is_struct(column.type):
        names = sum(len(field.name) + _AROUND_BYTES for field in column.type)
        return int(names * len(column)) + sum(map(_names_in, column.flatten()))
    if pa.types.is_map(column.type):
        return _names_in(column.items)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return _names_in(column.flatten())
    return 0


def _repeated(value: object, arrow_type: pa.DataType, group: DecodedRecords) -> pa.Array:
    return pa.repeat(pa.scalar(value, arrow_type), len(group.offsets))


def _time(group: DecodedRecords) -> pa.Array:
    known = group.timestamps
    if pc.any(pc.less(known, 0)).as_py():
        known = pc.if_else(pc.greater_equal(known, 0), known, None)
    return pc.multiply(known, 1000).cast(pa.timestamp("us", "UTC"))


def _schema_id(group: DecodedRecords) -> pa.Array:
    return _repeated(group.schema_id if group.schema_id >= 0 else None, pa.int64(), group)


def _key_text(key: bytes | None) -> str | None:
    """A text key as it is, a framed one in base64: a text of PostgreSQL's holds no zero byte."""
    if key is None:
        return None
    if not key.startswith(b"\x00"):
        try:
            return key.decode()
        except UnicodeDecodeError:
            pass
    return base64.b64encode(key).decode()


def _interleave(parts: Sequence[Lines]) -> Lines:
    """Merge by offset: runs of one part stay together, so that a run costs as much as a line."""
    offsets = np.concatenate([part.offsets for part in parts])
    order = np.argsort(offsets, kind="stable")
    part_of = np.repeat(np.arange(len(parts)), [len(part.offsets) for part in parts])[order]
    index_in = np.concatenate([np.arange(len(part.offsets)) for part in parts])[order]
    starts = np.flatnonzero(np.diff(part_of, prepend=-1))
    stops = np.append(starts[1:], len(order))
    whole = [part.text.whole for part in parts]
    bounds = [part.text.bounds for part in parts]
    runs = [
        whole[part][bounds[part][index_in[a]] : bounds[part][index_in[b - 1] + 1]]
        for part, a, b in zip(part_of[starts], starts, stops, strict=True)
    ]
    lengths = np.concatenate([np.diff(part) for part in bounds])[order]
    schemas = np.concatenate([part.schemas for part in parts])[order]
    begins = np.zeros(len(order) + 1, np.int32)
    np.cumsum(lengths, out=begins[1:])
    buffers = [None, pa.py_buffer(begins), pa.py_buffer(b"".join(runs))]
    text = pa.Array.from_buffers(pa.binary(), len(order), buffers)
    return Lines(joined_already(text), offsets[order], schemas)


_METADATA: dict[str, Callable[[DecodedRecords], pa.Array]] = {
    "_op": lambda group: group.ops,
    "_partition": lambda group: _repeated(group.partition, pa.int32(), group),
    "_offset": lambda group: group.offsets,
    "_timestamp": _time,
    "_schema_id": _schema_id,
    "_key": lambda group: pa.array([_key_text(key) for key in group.keys], pa.utf8()),
    "_topic": lambda group: _repeated(group.topic, pa.utf8(), group),
}
