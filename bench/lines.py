"""JSON lines and binary COPY: this product's column kernel beside what it replaces, one core.

Lines: a products batch with its four metadata fields, beside DuckDB's COPY (one thread) and
json.dumps from dicts. COPY: the same products as PostgreSQL sends them, beside struct and Decimal
value by value. Time is the process's own CPU time; the subjects take turns, medians are told.

Measured before the choice, on 200,000 such rows of 240 bytes, M rows/s: this kernel 3.6, msgspec
1.7 (from dicts that take 12 µs a row to make), polars write_ndjson 1.1 (decimals as strings),
DuckDB 1.0, json.dumps 0.1.
"""

import json
import random
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.codec import Figures, figures, product, seconds_of
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.lines import encode_lines
from rowferry.model import Column
from rowferry.types import Wire, wire_of

FETCHED = 50_000  # rows that a receiver writes at once
SLOW_SHARE = 20  # the value-by-value subjects get one row in so many
PRICE_DIGITS = ((10 << 16) | 2) + 4  # numeric(10,2), as a type modifier
MICROS_1970_TO_2000 = 946_684_800_000_000
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
OIDS = {"product_id": 25, "name": 25, "category": 25, "price": 1700, "updated_timestamp": 1184}


def wires() -> list[Wire]:
    """The columns of the products table."""
    columns = []
    for name, oid in OIDS.items():
        mod = PRICE_DIGITS if name == "price" else -1
        columns.append(Column(name, "", nullable=False, base_oid=oid, base_mod=mod))
    return [wire_of(column) for column in columns]


def copy_chunks(batch: pa.RecordBatch) -> list[bytes]:
    """The products as COPY sends them, a chunk a row."""
    micros = batch.column("updated_timestamp").cast(pa.int64()).to_pylist()
    texts = [batch.column(name).to_pylist() for name in ("product_id", "name", "category")]
    prices = batch.column("price").to_pylist()
    chunks = []
    for *words, price, at in zip(*texts, prices, micros, strict=True):
        fields = [*(word.encode() for word in words), numeric(price)]
        fields.append(struct.pack(">q", at - MICROS_1970_TO_2000))
        parts = (struct.pack(">i", len(field)) + field for field in fields)
        chunks.append(struct.pack(">h", len(fields)) + b"".join(parts))
    return [HEADER + chunks[0], *chunks[1:], TRAILER]


def numeric(price: Decimal) -> bytes:
    """A price below 10,000 as PostgreSQL sends it."""
    whole, fraction = divmod(int(price.scaleb(2)), 100)
    digits = [whole, fraction * 100] if fraction else [whole]
    return struct.pack(f">hhHh{len(digits)}h", len(digits), 0, 0, 2, *digits)


def read_values(chunks: list[bytes]) -> list[list[Any]]:
    """The rows, value by value."""
    rows = []
    chunks = [chunks[0].removeprefix(HEADER), *chunks[1:]]
    for chunk in chunks:
        if chunk == TRAILER:
            break
        row: list[Any] = []
        position = 2
        for name in OIDS:
            (length,) = struct.unpack_from(">i", chunk, position)
            field = chunk[position + 4 : position + 4 + length]
            position += 4 + length
            row.append(value_of(name, field))
        rows.append(row)
    return rows


def value_of(name: str, field: bytes) -> Any:
    """A Python value from a field's bytes."""
    if name == "updated_timestamp":
        return struct.unpack(">q", field)[0] + MICROS_1970_TO_2000
    if name == "price":
        digits = struct.unpack_from(f">{(len(field) - 8) // 2}h", field, 8)
        return sum(Decimal(digit).scaleb(-4 * place) for place, digit in enumerate(digits))
    return field.decode()


def with_metadata(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as the receiver writes it."""
    count = batch.num_rows
    columns = {
        "_op": pa.array(["u"] * count),
        "_partition": pa.array(np.full(count, 3, np.int32)),
        "_offset": pa.array(np.arange(count) + 1_000_000),
        "_timestamp": batch.column("updated_timestamp"),
    }
    for name, column in columns.items():
        batch = batch.append_column(name, column)
    return batch


def duckdb_lines(batch: pa.RecordBatch) -> Callable[[], object]:
    """The same lines by DuckDB, into nowhere."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.register("products", pa.Table.from_batches([batch]))
    return lambda: connection.execute("COPY products TO '/dev/null' (FORMAT json)")


def compare(subjects: Mapping[str, tuple[Callable[[], object], int]], runs: int) -> dict[str, Any]:
    """The subjects in turns; each with how many rows it handles."""
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(runs):
        for name, (work, _) in subjects.items():
            taken[name].append(seconds_of(work))
    return {name: figures(taken[name], rows) for name, (_, rows) in subjects.items()}


def run(rows: int, runs: int) -> dict[str, dict[str, Figures]]:
    """Rates by measurement and subject."""
    chance = random.Random(4)
    schema = pa.schema([(wire.name, wire.arrow_type) for wire in wires()])
    batch = pa.RecordBatch.from_pylist([product(chance, n) for n in range(rows)], schema=schema)
    lines = with_metadata(batch)
    parts = [lines.slice(start, FETCHED) for start in range(0, rows, FETCHED)]
    dicts = lines.slice(0, max(1, rows // SLOW_SHARE)).to_pylist()
    chunks, reader = copy_chunks(batch), CopyReader(wires())
    some = chunks[: len(dicts)]
    if reader.read(chunks) != batch:
        raise AssertionError("COPY reads other rows: these figures would mean nothing")
    return {
        "lines_encode": compare(
            {
                "rowferry": (lambda: [encode_lines(part).whole for part in parts], rows),
                "duckdb": (duckdb_lines(lines), rows),
                "json": (lambda: [json.dumps(d, default=str) for d in dicts], len(dicts)),
            },
            runs,
        ),
        "copy_decode": compare(
            {
                "rowferry": (lambda: reader.read(chunks), rows),
                "struct": (lambda: read_values(some), len(some)),
            },
            runs,
        ),
    }
