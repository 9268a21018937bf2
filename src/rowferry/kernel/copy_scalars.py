"""Readers of PostgreSQL's binary scalars: cells → an Arrow array."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowferry.kernel.copy_cells import Cells, Flags, fixed_array, text_array, validity
from rowferry.types import Kind, Wire

_DAYS_1970_TO_2000 = 10_957
_MICROS_1970_TO_2000 = _DAYS_1970_TO_2000 * 86_400_000_000
_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
_DTYPES = {
    Kind.INT16: ">i2",
    Kind.INT32: ">i4",
    Kind.INT64: ">i8",
    Kind.OID: ">u4",
    Kind.FLOAT32: ">f4",
    Kind.FLOAT64: ">f8",
    Kind.TIME: ">i8",
}
_WIDER = {Kind.INT16: np.int32, Kind.OID: np.int64}  # in Arrow than on the wire
_HEX = np.array([f"{octet:02x}".encode() for octet in range(256)]).view(np.uint16)
_UUID_PLACES = np.array([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34])
_UUID_DASHES = [8, 13, 18, 23]
_UUID_OCTETS, _UUID_LETTERS = 16, 36


def read_number(wire: Wire, cells: Cells) -> pa.Array:
    """Integers, floats, oids and times of day."""
    values = _numbers(cells, _DTYPES[wire.kind])
    if wire.kind in _WIDER:
        values = values.astype(_WIDER[wire.kind])
    return fixed_array(wire.arrow_type, values, cells.valid)


def read_bool(wire: Wire, cells: Cells) -> pa.Array:
    """One octet, 0 or 1."""
    values = _numbers(cells, ">u1")
    cells.require(values <= 1, "not a boolean")
    bits = pa.py_buffer(np.packbits(values != 0, bitorder="little"))
    return pa.Array.from_buffers(wire.arrow_type, len(cells), [validity(cells.valid), bits])


def read_date(wire: Wire, cells: Cells) -> pa.Array:
    """Days since 2000 → since 1970."""
    days = _numbers(cells, ">i4")
    days = _rebased(cells, days, _DAYS_1970_TO_2000, _INT32)
    return fixed_array(wire.arrow_type, days, cells.valid)


def read_timestamp(wire: Wire, cells: Cells) -> pa.Array:
    """Microseconds since 2000 → since 1970; the last 30 years that PostgreSQL has do not fit."""
    micros = _numbers(cells, ">i8")
    micros = _rebased(cells, micros, _MICROS_1970_TO_2000, _INT64)
    if wire.arrow_type.unit == "ms":  # cut off, as the receivers of milliseconds expect it
        infinite = (micros == _INT64.max) | (micros == _INT64.min)
        micros = np.where(infinite, micros, micros // 1000)
    return fixed_array(wire.arrow_type, micros, cells.valid)


def read_text(wire: Wire, cells: Cells) -> pa.Array:
    """Text, and bytes."""
    return text_array(wire.arrow_type, cells)


def read_jsonb(wire: Wire, cells: Cells) -> pa.Array:
    """A version octet, 1, and text."""
    cells.require((cells.lengths >= 1) & (cells.fixed(">u1") == 1), "not jsonb of version 1")
    valid = cells.valid
    starts = cells.starts + valid
    inside = Cells(cells.column, cells.buffer, starts, cells.lengths - valid)
    return text_array(wire.arrow_type, inside)


def read_uuid(wire: Wire, cells: Cells) -> pa.Array:
    """16 octets → 36 letters."""
    count = len(cells)
    cells.require(cells.lengths == _UUID_OCTETS, "not 16 octets of a uuid")
    every = np.lib.stride_tricks.sliding_window_view(cells.buffer, _UUID_OCTETS)
    letters = np.empty((count, _UUID_LETTERS), np.uint8)
    pairs = _HEX[every[cells.starts]].view(np.uint8).reshape(count, _UUID_OCTETS, 2)
    letters[:, _UUID_PLACES] = pairs[:, :, 0]
    letters[:, _UUID_PLACES + 1] = pairs[:, :, 1]
    letters[:, _UUID_DASHES] = ord("-")
    offsets = np.arange(0, _UUID_LETTERS * (count + 1), _UUID_LETTERS, dtype=np.int32)
    buffers = [validity(cells.valid), pa.py_buffer(offsets), pa.py_buffer(letters)]
    return pa.Array.from_buffers(wire.arrow_type, count, buffers)


def _numbers(cells: Cells, dtype: str) -> npt.NDArray[Any]:
    width = np.dtype(dtype).itemsize
    cells.require(cells.lengths == width, f"not {width} octets")
    return cells.fixed(dtype)


def _rebased(
    cells: Cells, values: npt.NDArray[Any], shift: int, bounds: "np.iinfo[Any]"
) -> npt.NDArray[Any]:
    """The values shifted, ±infinity kept; a value that would become one is refused."""
    infinite: Flags = (values == bounds.max) | (values == bounds.min)
    cells.refuse((values >= bounds.max - shift) & ~infinite, "too far in the future for Avro")
    return np.where(infinite, values, values + values.dtype.type(shift))
