"""Avro: this product's column codec beside fastavro, same rows, same run, one core.

fastavro writes from dicts of Python values and reads into them, as its users do; the codec writes
from an Arrow batch to a list of bytes and reads back (fastavro_to_arrow: fastavro, then a batch of
its dicts). Time is the process's own CPU time, so that
neighbours on the machine count little; runs of both take turns, and medians are told.
"""

import datetime as dt
import decimal
import io
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa

from rowferry.kernel.avro import AvroCodec

Figures = dict[str, float]
Row = dict[str, Any]

PRODUCT = {
    "type": "record",
    "name": "Product",
    "namespace": "com.buyonline.products",
    "fields": [
        {"name": "product_id", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "category", "type": "string"},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        },
        {
            "name": "updated_timestamp",
            "type": {"type": "long", "logicalType": "timestamp-micros"},
        },
    ],
}
SCALARS: tuple[Any, ...] = (
    "int",
    "long",
    "float",
    "double",
    "boolean",
    "string",
    "bytes",
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10},
)
WIDE = {  # every scalar type, required and nullable
    "type": "record",
    "name": "Wide",
    "fields": [
        {"name": f"{need}_{place}", "type": scalar if need == "required" else ["null", scalar]}
        for need in ("required", "nullable")
        for place, scalar in enumerate(SCALARS)
    ],
}
CATEGORIES = ("Electronics", "Books", "Home & Garden", "Toys", "Sports", "Beauty")
NULL_SHARE = 0.1
AT_ONCE = 200_000  # rows: what is decoded together has a bound
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def product(chance: random.Random, number: int) -> Row:
    """A row like the shop's."""
    return {
        "product_id": f"P{number:07d}",
        "name": f"Product {chance.randrange(10**6)} of the season",
        "category": chance.choice(CATEGORIES),
        "price": decimal.Decimal(chance.randrange(100, 200_000)).scaleb(-2),
        "updated_timestamp": START + dt.timedelta(microseconds=number * 1_234_567),
    }


def scalar(chance: random.Random, schema: Any) -> Any:
    """A value of a scalar type, as fastavro takes it."""
    whole = chance.randrange(-(10**9), 10**9)
    if isinstance(schema, str):
        return {
            "int": whole,
            "long": whole * 4099,
            "float": float(np.float32(whole / 7)),
            "double": whole / 7,
            "boolean": whole > 0,
            "string": f"text {whole}" * chance.randrange(3),
            "bytes": chance.randbytes(chance.randrange(24)),
        }[schema]
    moment = START + dt.timedelta(milliseconds=abs(whole))
    match schema["logicalType"]:
        case "uuid":
            return f"{chance.getrandbits(128):032x}"
        case "decimal":
            digits = chance.randrange(10 ** (schema["precision"] - 8))
            return decimal.Decimal(digits).scaleb(-schema["scale"])
        case logical:
            parts = {"date": moment.date(), "time-micros": moment.time()}
            local = moment.replace(tzinfo=None) if logical.startswith("local") else moment
            return parts.get(logical, local)


def wide(chance: random.Random, _: int) -> Row:
    """A row of 30 columns, one in ten of the nullable ones null."""
    row: Row = {}
    for field in WIDE["fields"]:
        kind = field["type"]  # type: ignore[index]
        if not isinstance(kind, list):
            row[field["name"]] = scalar(chance, kind)  # type: ignore[index]
        elif chance.random() < NULL_SHARE:
            row[field["name"]] = None  # type: ignore[index]
        else:
            row[field["name"]] = scalar(chance, kind[1])  # type: ignore[index]
    return row


def seconds_of(work: Callable[[], object], calls: int = 1) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - start) / calls


def figures(seconds: list[float], rows: int) -> Figures:
    """What is told of some runs over so many rows."""
    middle = statistics.median(seconds)
    return {
        "rows_per_second": round(rows / middle),
        "cpu_us_per_row": round(middle / rows * 1e6, 3),
        "least_rows_per_second": round(rows / max(seconds)),
        "most_rows_per_second": round(rows / min(seconds)),
    }


def compare(schema: Any, rows: list[Row], runs: int, calls: int = 1) -> dict[str, Figures]:
    """Both codecs, both ways; the slow one on a tenth of the rows if there are many."""
    codec, parsed = AvroCodec(schema), fastavro.parse_schema(schema)
    batch = pa.RecordBatch.from_pylist(rows, schema=codec.arrow_schema)
    some = rows[: max(1, len(rows) // 10)]

    def write_rows() -> list[bytes]:
        messages = []
        for row in some:
            out = io.BytesIO()
            out.write(b"\x00\x00\x00\x00\x07")
            fastavro.schemaless_writer(out, parsed, row)
            messages.append(out.getvalue())
        return messages

    messages = codec.encode(batch, 7)
    expected = write_rows()
    if messages[: len(some)] != expected:
        raise AssertionError("the codecs differ: these figures would mean nothing")

    def read_rows() -> list[Any]:
        return [fastavro.schemaless_reader(io.BytesIO(m[5:]), parsed, None) for m in expected]

    def read_batch() -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(read_rows(), schema=codec.arrow_schema)

    works: dict[str, Callable[[], object]] = {
        "encode rowferry": lambda: codec.encode(batch, 7),
        "encode fastavro": write_rows,
        "decode rowferry": lambda: codec.decode(messages),
        "decode fastavro": read_rows,
    }
    if schema is PRODUCT:  # a UUID object is not what Arrow expects
        works["decode fastavro_to_arrow"] = read_batch
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            taken[name].append(seconds_of(work, calls))
    return {
        name: figures(seconds, len(some) if "fastavro" in name else len(rows))
        for name, seconds in taken.items()
    }


def run(rows: int = AT_ONCE, runs: int = 7) -> dict[str, dict[str, Figures]]:
    """Rates by measurement and subject: products, 30 columns, and one product alone."""
    chance, rows = random.Random(4), min(rows, AT_ONCE)
    products = [product(chance, number) for number in range(rows)]
    compared = {
        "": compare(PRODUCT, products, runs),
        "_30_columns": compare(WIDE, [wide(chance, n) for n in range(rows // 5)], runs),
        "_one_row": compare(PRODUCT, products[:1], runs, calls=300),
    }
    result: dict[str, dict[str, Figures]] = {"codec_encode": {}, "codec_decode": {}}
    for suffix, table in compared.items():
        for name, told in table.items():
            way, subject = name.split()
            result[f"codec_{way}"][subject + suffix] = told
    return result
