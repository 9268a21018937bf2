"""Hostile bytes and schemas cost a clear reason, never a neighbour, a crash or much memory."""

import random
import tracemalloc
from typing import Any

import pytest

from rowferry.kernel.avro import AvroCodec, Decoded, Reason, SchemaRefused, check_gate, codec

FRAME = b"\x00\x00\x00\x00\x01"
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 3}
INTS = {"type": "array", "items": "int"}
TEXTS = {"type": "array", "items": "string"}
FLOATS = {"type": "array", "items": "double"}
FLAGS = {"type": "array", "items": "boolean"}
MAP = {"type": "map", "values": "int"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
WIDE = {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}
HUGE = b"\x80\x80\x80\x80\x80\x80\x80\x80\x20"  # 2^60
LEAST = b"\xff" * 9 + b"\x01"  # -2^63

BROKEN: list[tuple[Any, bytes, Reason]] = [
    ("string", b"", Reason.TRUNCATED),
    ("string", b"\x06ab", Reason.LENGTH),
    ("string", b"\x01", Reason.LENGTH),
    ("string", HUGE, Reason.LENGTH),
    ("string", LEAST, Reason.LENGTH),
    ("string", b"\x80", Reason.TRUNCATED),
    ("string", b"\x02\xff", Reason.UTF8),
    ("string", b"\x06\xed\xa0\x80", Reason.UTF8),
    ("string", b"\x02ab", Reason.TRAILING),
    ("bytes", b"\x04a", Reason.LENGTH),
    ("boolean", b"\x02", Reason.BOOLEAN),
    ("boolean", b"", Reason.TRUNCATED),
    ("int", b"\x80\x80\x80\x80\x10", Reason.INT),
    ("long", b"\xff" * 10 + b"\x01", Reason.VARINT),
    ("long", b"\xff" * 9 + b"\x02", Reason.VARINT),
    ("long", b"\xff" * 9, Reason.TRUNCATED),
    ("float", b"abc", Reason.TRUNCATED),
    ("double", b"abcdefg", Reason.TRUNCATED),
    (FIXED, b"ab", Reason.TRUNCATED),
    (ENUM, b"\x04", Reason.SYMBOL),
    (ENUM, b"\x01", Reason.SYMBOL),
    (["null", "int"], b"\x04\x00", Reason.BRANCH),
    (["null", "int"], b"\x01", Reason.BRANCH),
    (["null", "int"], b"\x02", Reason.TRUNCATED),
    (["int", "string"], b"\x04\x00", Reason.BRANCH),
    (["int", "string"], b"\x02\x04a", Reason.LENGTH),
    (["int", "string"], b"\x00", Reason.TRUNCATED),
    (DECIMAL, b"\x04\x27\x10", Reason.DECIMAL),
    (DECIMAL, b"\x28" + b"\x01" * 20, Reason.DECIMAL),
    (WIDE, b"\x28" + b"\x01" * 20, Reason.DECIMAL),
    (WIDE, b"\x1a\x0c\x9f\x2c\x9c\xd0\x46\x74\xed\xea\x40\x00\x00\x00", Reason.DECIMAL),
    (INTS, HUGE + b"\x00", Reason.COUNT),
    (INTS, LEAST + b"\x02\x00", Reason.COUNT),
    (INTS, b"\x06\x02\x00", Reason.COUNT),
    (INTS, b"\x02\x02", Reason.TRUNCATED),
    (INTS, b"\x01\x04\x02\x00", Reason.BLOCK),
    (INTS, b"\x01\x01\x02\x00", Reason.LENGTH),
    (INTS, b"\x01\xfe\x7f\x02\x00", Reason.LENGTH),
    (TEXTS, b"\x04\x02a\x0ab\x00", Reason.LENGTH),
    (TEXTS, b"\x02\x02\xff\x00", Reason.UTF8),
    (FLOATS, b"\x04" + b"\x00" * 15, Reason.COUNT),
    (FLAGS, b"\x06\x01\x02\x00\x00", Reason.BOOLEAN),
    (MAP, b"\x02\x02\xff\x02\x00", Reason.UTF8),
    (MAP, HUGE + b"\x00", Reason.COUNT),
]


def record_of(*types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields}


@pytest.fixture(params=["in columns", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through the codec, whatever the batch's size."""
    fewest = 1 if request.param == "in columns" else 10**9
    monkeypatch.setattr(codec, "FEWEST_ROWS_A_BLOCK", fewest)
    return str(request.param)


GOOD_BODIES: dict[str, bytes] = {"string": b"\x02a", "boolean": b"\x01", "long": b"\xff\x01"}


def good_body(schema: Any) -> bytes:
    """Some right message of the schema: zeros, as long as it takes."""
    if isinstance(schema, str) and schema in GOOD_BODIES:
        return GOOD_BODIES[schema]
    sizes = {"float": 4, "double": 8}
    size = 3 if schema is FIXED else sizes.get(schema, 1) if isinstance(schema, str) else 1
    return b"\x00\x00" if schema == ["int", "string"] else bytes(size)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("schema", "body", "reason"), BROKEN)
def test_a_broken_message_has_its_reason_and_its_neighbours_are_read(
    schema: Any, body: bytes, reason: Reason
) -> None:
    good = FRAME + good_body(schema)
    reading = AvroCodec(record_of(schema))
    alone = reading.decode([good]).batch
    for place in range(3):
        messages = [good, good]
        messages.insert(place, FRAME + body)
        decoded = reading.decode(messages)
        assert decoded.bad == {place: reason.value}
        assert decoded.batch.to_pylist() == alone.to_pylist() * 2


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("frame", [b"", b"\x00", FRAME])
def test_a_message_without_a_body_is_truncated(frame: bytes) -> None:
    decoded = AvroCodec(record_of("string")).decode([frame, FRAME + b"\x02a"])
    assert decoded.bad == {0: "truncated"}
    assert decoded.batch.to_pylist() == [{"f0": "a"}]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("copies", [1, 80])
def test_nulls_beside_a_value_of_an_enum_without_symbols_are_read(copies: int) -> None:
    nothing = {"type": "enum", "name": "N", "symbols": []}
    messages = [FRAME + b"\x00"] * copies + [FRAME + b"\x02\x00"]
    decoded = AvroCodec(record_of(["null", nothing])).decode(messages)
    assert decoded.bad == {copies: Reason.SYMBOL.value}
    assert decoded.batch.to_pylist() == [{"f0": None}] * copies


@pytest.mark.usefixtures("way")
def test_the_first_field_that_is_wrong_gives_the_reason() -> None:
    decoded = AvroCodec(record_of("boolean", "string", ENUM)).decode([FRAME + b"\x05\x01\x09"])
    assert decoded.bad == {0: Reason.BOOLEAN.value}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("body", [HUGE + b"\x00", HUGE, LEAST + HUGE])
@pytest.mark.parametrize("schema", ["string", "bytes", INTS, TEXTS, FLOATS, MAP, DECIMAL])
def test_a_length_of_2_to_the_60_costs_no_memory(schema: Any, body: bytes) -> None:
    reading = AvroCodec(record_of(schema))
    reading.decode([FRAME + body])
    tracemalloc.start()
    try:
        decoded = reading.decode([FRAME + body] * 5)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(decoded.bad) == 5
    assert most < 1_000_000


EVERYTHING = record_of(
    "string",
    ["null", "string"],
    "long",
    ["null", WIDE],
    ENUM,
    {"type": "array", "items": ["null", "string"]},
    ["null", {"type": "map", "values": {"type": "array", "items": "boolean"}}],
    [{"type": "record", "name": "S", "fields": [{"name": "x", "type": FIXED}]}, "null"],
    ["null", "int", "string"],
    FLOATS,
)


def everything(chance: random.Random) -> bytes:
    def text() -> bytes:
        data = chance.choice(["", "ab", "é" * 9]).encode()
        return bytes([len(data) * 2]) + data

    parts = [text(), b"\x00", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x02\x04\x01\x02"]
    parts += [b"\x02", b"\x04\x00\x02" + text() + b"\x01\x02\x00\x00"]
    parts += [chance.choice([b"\x00", b"\x02\x02\x02k\x04\x01\x00\x00\x00"]), b"\x00abc"]
    parts += [chance.choice([b"\x00", b"\x02\x05", b"\x04" + text()]), b"\x02" + bytes(8) + b"\x00"]
    return b"".join(parts)


def mutated(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[place : place + chance.randrange(4)]
            case 2:
                changed[place:place] = chance.choice([HUGE, LEAST, b"\x80", b"\x01", b"\xff"])
            case _:
                del changed[place:]
    return bytes(changed)


def decoded_both_ways(messages: list[bytes]) -> list[Decoded]:
    both = []
    for fewest in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "FEWEST_ROWS_A_BLOCK", fewest)
            both.append(AvroCodec(EVERYTHING).decode(messages))
    return both


@pytest.mark.parametrize("seed", range(8))
def test_mutated_messages_are_read_or_named_and_the_whole_ones_all_read(seed: int) -> None:
    # GIVEN whole messages, and among them mutated ones
    chance = random.Random(seed)
    whole = [FRAME + everything(chance) for _ in range(300)]
    is_changed = [chance.random() < 0.5 for _ in whole]
    messages = [
        FRAME + mutated(chance, m[5:]) if c else m for m, c in zip(whole, is_changed, strict=True)
    ]
    # WHEN they are decoded, in columns and one by one
    columns, singly = decoded_both_ways(messages)
    # THEN none but mutated ones are bad
    assert columns.bad
    assert all(is_changed[index] for index in columns.bad)
    # AND both ways agree, on the rows too
    assert columns.bad.keys() == singly.bad.keys()
    columns.batch.validate(full=True)
    assert repr(columns.batch.to_pylist()) == repr(singly.batch.to_pylist())


def nested(depth: int) -> Any:
    schema: Any = "int"
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def doubling(times: int) -> dict[str, Any]:
    """A few hundred bytes that stand for 2^times columns."""
    inner: Any = record_of("int") | {"name": "T0"}
    for level in range(1, times + 1):
        inner = record_of(inner, f"T{level - 1}") | {"name": f"T{level}"}
    return record_of(inner)


EMPTY = {"type": "record", "name": "Empty", "fields": []}
REFUSED: dict[str, Any] = {
    "recursive": record_of(["null", "R"]),
    "recursive by namespace": record_of(["null", "a.R"]) | {"namespace": "a"},
    "too deep": record_of(nested(33)),
    "far too deep": record_of(nested(300)),
    "too deep for JSON": "[" * 200_000,
    "items of null": record_of({"type": "array", "items": "null"}),
    "items of nothing": record_of({"type": "array", "items": EMPTY}),
    "items of fixed 0": record_of(
        {"type": "array", "items": {"type": "fixed", "name": "Z", "size": 0}}
    ),
    "too large": record_of("int") | {"doc": "x" * 1_100_000},
    "doubling": doubling(25),
    "unknown name": record_of("Unknown"),
    "no JSON": "{",
    "no schema": "17",
    "no type": {"fields": []},
    "two of a name": {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}] * 2},
    "fixed below 0": record_of({"type": "fixed", "name": "Z", "size": -1}),
    "union of nothing": record_of([]),
    "half a surrogate pair": '{"type": "enum", "name": "E", "symbols": ["\\ud800"]}',
}


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED.keys())
def test_the_gate_refuses(schema: Any) -> None:
    with pytest.raises(SchemaRefused):
        check_gate(schema)
    with pytest.raises(ValueError, match="schema"):
        AvroCodec(schema)


@pytest.mark.parametrize("schema", [record_of(nested(30)), doubling(9), EVERYTHING, "string"])
def test_the_gate_lets_pass(schema: Any) -> None:
    check_gate(schema)
    assert len(AvroCodec(schema).arrow_schema)
