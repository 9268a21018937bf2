"""Lists in lists cost what their items cost, and are the same whichever way they are read."""

import io
import random
from typing import Any

import fastavro
import numpy as np
import pytest

from calls import calls_in
from rowferry.kernel.avro import AvroCodec, codec, cursor
from rowferry.kernel.avro.cursor import Block
from rowferry.kernel.avro.fallbacks import Fallbacks
from rowferry.kernel.avro.weights import Tally

FRAME = b"\0\0\0\0\1"
BEYOND = 10**9


def array_of(items: Any, depth: int = 1) -> Any:
    return {"type": "array", "items": items if depth == 1 else array_of(items, depth - 1)}


def record_of(kind: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": "x", "type": kind}]}


def in_columns(patch: pytest.MonkeyPatch, rows_short: int = cursor.MOST_ROWS_SHORT) -> None:
    patch.setattr(codec, "FEWEST_ROWS_A_BLOCK", 0)
    patch.setattr(cursor, "MOST_ROWS_SHORT", rows_short)


def one_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(codec, "FEWEST_ROWS_A_BLOCK", BEYOND)
    patch.setattr(codec, "MOST_BYTES_SINGLY", BEYOND)


def pairs(depth: int) -> bytes:
    """Arrays of two, down to empty ones."""
    return b"\4" + pairs(depth - 1) * 2 + b"\0" if depth else b"\0"


def test_deeply_nested_arrays_take_about_as_many_calls_as_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN one message of 4,096 innermost arrays
    schema, message = record_of(array_of("int", 13)), FRAME + pairs(12)
    one_by_one(monkeypatch)
    singly = AvroCodec(schema)
    expected, calls_singly = singly.decode([message]), calls_in(lambda: singly.decode([message]))
    # WHEN it is decoded in columns
    in_columns(monkeypatch)
    columns = AvroCodec(schema)
    decoded, calls = columns.decode([message]), calls_in(lambda: columns.decode([message]))
    # THEN there is no round of columns for each of them
    assert calls < 3 * calls_singly
    assert decoded.batch == expected.batch


LINE = record_of(["null", array_of("string")], "Line")
NESTED: list[Any] = [
    array_of("int", 3),
    array_of(["null", array_of("boolean")], 2),
    {"type": "map", "values": {"type": "map", "values": array_of("long")}},
    array_of(array_of(LINE)),
    array_of(array_of(["int", "null", "string"])),
    ["null", array_of(["null", array_of(["string", array_of("int")])])],
]


def value_of(chance: random.Random, kind: Any) -> Any:
    match kind:
        case list():
            return value_of(chance, chance.choice(kind))
        case {"type": "array", "items": items}:
            return [value_of(chance, items) for _ in range(chance.choice([0, 1, 2, 20]))]
        case {"type": "map", "values": values}:
            return {f"k{n}": value_of(chance, values) for n in range(chance.choice([0, 1, 9]))}
        case {"type": "record", "fields": [inner]}:
            return {"x": value_of(chance, inner["type"])}
    samples = {"null": None, "boolean": True, "string": "é" * chance.randrange(9)}
    return samples.get(kind, chance.randrange(-500, 500))


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, {"x": value})
    return FRAME + out.getvalue()


@pytest.mark.parametrize("rows_short", [0, 500, cursor.MOST_ROWS_SHORT])
@pytest.mark.parametrize("kind", NESTED, ids=range(len(NESTED)))
def test_nested_lists_are_the_same_in_rounds_and_one_by_one(
    kind: Any, rows_short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN messages of lists in lists, some of them cut off or changed
    chance = random.Random(repr(kind))
    schema = fastavro.parse_schema(record_of(kind))
    messages = [written(schema, value_of(chance, kind)) for _ in range(100)]
    for place in range(0, len(messages), 7):
        octets = bytearray(messages[place])
        at = chance.randrange(len(FRAME), len(octets))
        octets[at : at + 2] = chance.choice([b"", b"\xff", b"\x81\x02"])
        messages[place] = bytes(octets)
    one_by_one(monkeypatch)
    singly = AvroCodec(record_of(kind)).decode(messages)
    # WHEN they are decoded in columns, with room for few rounds or many
    in_columns(monkeypatch, rows_short)
    columns = AvroCodec(record_of(kind)).decode(messages)
    # THEN the same ones are read, to the same values
    assert columns.bad.keys() == singly.bad.keys()
    assert singly.bad
    columns.batch.validate(full=True)
    assert columns.batch.to_pylist() == singly.batch.to_pylist()


@pytest.mark.parametrize("rows_short", [0, 500, cursor.MOST_ROWS_SHORT])
def test_nested_lists_are_what_fastavro_reads(
    rows_short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_columns(monkeypatch, rows_short)
    kind = array_of(["null", array_of(LINE)])
    chance = random.Random(7)
    values = [value_of(chance, kind) for _ in range(100)]
    schema = fastavro.parse_schema(record_of(kind))
    decoded = AvroCodec(record_of(kind)).decode([written(schema, value) for value in values])
    assert decoded.batch.column("x").to_pylist() == values


def test_a_message_that_is_read_in_many_parts_is_copied_once() -> None:
    data = np.frombuffer(b"abcdefgh" + cursor.ZEROS, np.uint8)
    block = Block.of(data, 2, Fallbacks(), Tally(0))
    octets, start = block.octets(0, 1, 5)
    assert (octets, start) == (b"bcde", 0)
    assert block.octets(0, 3, 5) == (octets, 2)
    assert block.octets(0, 3, 5)[0] is octets
    assert block.octets(1, 5, 8) == (b"fgh", 0)
