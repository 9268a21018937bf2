"""Each cell of a record in one exact form, as tests/java/ReadRecords.java writes it; by fastavro.

fastavro reads plain Avro types here: Python's dates have no infinity and no year 10000.
"""

import io
import struct
from typing import Any

import fastavro

FRAME_BYTES = 5


def schema_id_of(framed: bytes) -> int:
    assert framed[0] == 0
    return int.from_bytes(framed[1:FRAME_BYTES], "big")


def datum_of(framed: bytes, parsed: Any) -> dict[str, Any]:
    """The record of a framed message, to its last byte."""
    octets = io.BytesIO(framed[FRAME_BYTES:])
    datum = fastavro.schemaless_reader(octets, parsed, None)
    assert isinstance(datum, dict)
    assert octets.read() == b""
    return datum


def plain(avro: Any) -> Any:
    """The schema without its logical types."""
    if isinstance(avro, list):
        return [plain(each) for each in avro]
    if isinstance(avro, dict):
        return {name: plain(value) for name, value in avro.items() if name != "logicalType"}
    return avro


def cells(record: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    return [f"{f['name']}={form(record[f['name']], f['type'])}" for f in schema["fields"]]


def form(value: Any, avro: Any) -> str:
    match avro:
        case _ if value is None:
            return "null"
        case ["null", only] | [only, "null"]:
            return form(value, only)
        case {"type": "array", "items": items}:
            return "[" + ",".join(form(item, items) for item in value) + "]"
        case {"type": "map", "values": values}:
            sorted_forms = sorted((form(k, "string"), form(v, values)) for k, v in value.items())
            return "{" + ", ".join(f"{key}={item}" for key, item in sorted_forms) + "}"
        case {"type": "record"}:
            return "(" + ",".join(cells(value, avro)) + ")"
        case _:
            return leaf(value, avro["type"] if isinstance(avro, dict) else avro)


def leaf(value: Any, avro: str) -> str:
    match avro:
        case "string":
            return f"s{value.encode().hex()}"
        case "bytes":
            return f"b{value.hex()}"
        case "float":
            return f"f{struct.unpack('>I', struct.pack('>f', value))[0]:x}"
        case "double":
            return f"d{struct.unpack('>Q', struct.pack('>d', value))[0]:x}"
        case _:
            return str(value).lower()
