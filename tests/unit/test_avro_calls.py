"""A cell is no Python object: the number of calls says so."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from calls import calls_in
from rowferry.kernel.avro import AvroCodec, frame_ids

MAYBE = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}
SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "name", "type": "string"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "price", "type": ["null", MAYBE]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "is_new", "type": "boolean"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "sizes", "type": ["null", {"type": "map", "values": "double"}]},
    ],
}


def batch_of(rows: int) -> pa.RecordBatch:
    columns = {
        "name": [f"name {i} é" for i in range(rows)],
        "note": [None if i % 3 else "n" * (i % 40) for i in range(rows)],
        "price": [None if i % 5 else i for i in range(rows)],
        "at": [1_700_000_000_000_000 + i for i in range(rows)],
        "is_new": [i % 2 == 0 for i in range(rows)],
        "kind": ["AB"[i % 2] for i in range(rows)],
        "tags": [["x", None][: i % 3] for i in range(rows)],
        "sizes": [None if i % 2 else [("k", 0.5)] for i in range(rows)],
    }
    schema = AvroCodec(SCHEMA).arrow_schema
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@pytest.mark.parametrize("work", ["encode", "decode", "frame_ids"])
def test_calls_do_not_grow_with_the_rows(work: str) -> None:
    # GIVEN two batches of one schema, one ten times the other
    codec = AvroCodec(SCHEMA)
    few, many = batch_of(1_000), batch_of(10_000)
    few_messages, many_messages = codec.encode(few, 1), codec.encode(many, 1)
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "encode": (lambda: codec.encode(few, 1), lambda: codec.encode(many, 1)),
        "decode": (lambda: codec.decode(few_messages), lambda: codec.decode(many_messages)),
        "frame_ids": (lambda: frame_ids(few_messages), lambda: frame_ids(many_messages)),
    }
    for warm in pairs[work]:
        warm()
    # WHEN each goes through, to and from a list of bytes
    calls_for_few, calls_for_many = map(calls_in, pairs[work])
    # THEN Python was called as often for the many as for the few
    assert calls_for_few == calls_for_many
    assert codec.decode(many_messages).batch == many
    assert not codec.fallbacks
