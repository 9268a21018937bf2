"""Which Arrow type becomes which JSON value, nulls and nested values included."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from rowferry.kernel.lines_numbers import decimals_of, floats_of, integers_of, without_nulls
from rowferry.kernel.lines_pieces import Piece, either, rows_of
from rowferry.kernel.lines_text import base64_of, quoted
from rowferry.kernel.lines_times import dates_of, times_of, timestamps_of

Decimals = Literal["number", "string"]

_MOST_DIGITS_OF_A_NUMBER = 38  # of a JSON number that Snowflake keeps exactly


def pieces_of(values: pa.Array, decimals: Decimals) -> list[Piece]:
    """The values as pieces of JSON; "null" where they are null."""
    if values.null_count == len(values):
        return [b"null"]
    if not values.null_count:
        return _present(values, decimals)
    pieces = _present(values, decimals)
    return [either(values.is_valid(), rows_of(pieces, len(values)), b"null", len(values))]


def _present(values: pa.Array, decimals: Decimals) -> list[Piece]:
    """The values as if none were null; what stands at nulls does not matter."""
    kind = values.type
    if pt.is_decimal(kind):
        quotes = decimals == "string" or kind.precision > _MOST_DIGITS_OF_A_NUMBER
        numbers = decimals_of(values)
        return [b'"', *numbers, b'"'] if quotes else numbers
    if pt.is_list(kind):
        return _list(values, decimals)
    if pt.is_struct(kind):
        return _struct(values, decimals)
    if pt.is_map(kind):
        return _map(values, decimals)
    for fits, write in _WRITERS:
        if fits(kind):
            return write(values)
    raise TypeError(f"no JSON form for the Arrow type {kind}")


def _booleans(values: pa.Array) -> list[Piece]:
    return [either(without_nulls(values, instead=False), b"true", b"false", len(values))]


def _json(values: pa.Array) -> list[Piece]:
    """JSON text, as it is."""
    return [values.storage.cast(pa.binary())]


def _dictionary(values: pa.Array) -> list[Piece]:
    return quoted(values.dictionary_decode())


def _list(values: pa.Array, decimals: Decimals) -> list[Piece]:
    bounds = values.offsets.to_numpy()
    items = values.values[bounds[0] : bounds[-1]]
    return [b"[", _joined(bounds, rows_of(pieces_of(items, decimals), len(items))), b"]"]


def _map(values: pa.Array, decimals: Decimals) -> list[Piece]:
    bounds = values.offsets.to_numpy()
    keys, items = (part[bounds[0] : bounds[-1]] for part in (values.keys, values.items))
    pairs = rows_of([*quoted(keys), b":", *pieces_of(items, decimals)], len(keys))
    return [b"{", _joined(bounds, pairs), b"}"]


def _struct(values: pa.Array, decimals: Decimals) -> list[Piece]:
    pieces: list[Piece] = []
    for place in range(values.type.num_fields):
        key = rows_of(quoted(pa.array([values.type.field(place).name])), 1)[0].as_py()
        pieces.append((b"," if place else b"{") + key + b":")
        pieces.extend(pieces_of(values.field(place), decimals))
    return [*pieces, b"}" if pieces else b"{}"]


def _joined(bounds: "np.typing.NDArray[np.int32]", items: pa.Array) -> pa.Array:
    """The items of each list, with commas."""
    offsets = pa.array(bounds - bounds[0], pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, items), pa.scalar(b",", pa.binary()))


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], list[Piece]]], ...] = (
    (lambda kind: pt.is_string(kind) or pt.is_large_string(kind), quoted),
    (pt.is_integer, integers_of),
    (pt.is_timestamp, timestamps_of),
    (pt.is_floating, floats_of),
    (pt.is_boolean, _booleans),
    (pt.is_date32, dates_of),
    (pt.is_time, times_of),
    (lambda kind: pt.is_binary(kind) or pt.is_fixed_size_binary(kind), base64_of),
    (pt.is_dictionary, _dictionary),
    (lambda kind: isinstance(kind, pa.JsonType), _json),
)
