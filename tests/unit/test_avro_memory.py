"""What a message becomes has a bound, whatever it and its schema are; honest ones never meet it.

The hostile ones are decoded in a process of its own, which tells how much memory it took.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rowferry.kernel.avro import AvroCodec, SchemaRefused, TooLargeTogether, codec, weights

TESTS = Path(__file__).parents[1]
FRAME = b"\x00\x00\x00\x00\x01"
MOST_MB = 250  # where the worst of them took 4 GB
LIMIT = 3 << 30  # so that what has no bound harms this process only
LONG = "x" * 500_000
FULL_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 76, "scale": 9}


def record_of(*types: Any, name: str = "R") -> dict[str, Any]:
    fields = [{"name": f"c{place}", "type": kind} for place, kind in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def array_of(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def fixed(size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size}


def enum(symbol: str) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": [symbol]}


def columns(count: int, kind: Any = "long") -> dict[str, Any]:
    return record_of(*[["null", kind]] * count, name="Wide")


def number(value: int) -> bytes:
    rest, octets = value << 1, bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*octets, rest])


def zeros(items: int, size: int = 1) -> bytes:
    """An array of so many items of zeros."""
    return number(items) + bytes(items * size + 1)


WIDE_NULLS = array_of(["null", columns(1000)])
NAMELESS = record_of("int", *["null"] * 5000, name="Nothing")
# name → schema; a message's body; messages
Case = tuple[Any, bytes, int]
REFUSED_MESSAGES: dict[str, Case] = {
    "null records in an array": (WIDE_NULLS, zeros(100_000), 1),
    "null records in arrays": (WIDE_NULLS, zeros(100_000), 9),
    "null records in a map": (
        {"type": "map", "values": ["null", columns(1000)]},
        zeros(9**5, 2),
        1,
    ),
    "null records in arrays of arrays": (
        array_of(WIDE_NULLS),
        zeros(1)[:1] + zeros(60_000) + b"\0",
        1,
    ),
    "null records in many arrays": (array_of(WIDE_NULLS), number(900) + zeros(90) * 900 + b"\0", 1),
    "null records in blocks": (WIDE_NULLS, (number(90) + bytes(90)) * 900 + b"\0", 2),
    "null records in a union": (["int", "null", WIDE_NULLS], b"\x04" + zeros(100_000), 1),
    "null records in unions": (["int", "null", WIDE_NULLS], b"\x04" + zeros(100_000), 9),
    "fields without bytes": (array_of(NAMELESS), zeros(50_000), 1),
    "null fixed in an array": (array_of(["null", fixed(10**6)]), zeros(900), 9),
}
REFUSED_SCHEMAS: dict[str, Case] = {
    "a null fixed of 2 GB": (["null", fixed((1 << 31) - 1)], b"\0", 1),
    "null fixed values": (["null", fixed(2_000_000)], b"\0", 1000),
    "an enum of a long symbol": (enum(LONG), b"\0", 5000),
    "an array of a long symbol": (array_of(enum(LONG)), zeros(2000), 1),
    "a union of a long name": (["int", "null", enum("a") | {"name": LONG}], b"\x04\0", 1000),
    "a long field name": (
        array_of({**columns(1), "fields": [{"name": LONG, "type": "int"}]}),
        b"\0",
        1,
    ),
}
BOUNDED: dict[str, Case] = {
    "truncated fixed values": (fixed(1_000_000), b"", 1000),
    "blocks of one item": (array_of("long"), b"\x02\x00" * 100_000 + b"\0", 1),
    "2 million booleans": (array_of("boolean"), zeros(2_000_000), 1),
    "a decimal of 4 MB": (FULL_DECIMAL, number(4_000_000) + bytes(4_000_000), 1),
    "100,000 symbols": (
        array_of({**enum("a"), "symbols": [f"s{n}" for n in range(90_000)]}),
        zeros(99),
        70,
    ),
}
HOSTILE = REFUSED_MESSAGES | REFUSED_SCHEMAS | BOUNDED


def decode_hostile() -> None:
    """In a process of its own: tell of each case what came of it, and the most memory up to it."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    before = most_kilobytes()
    told = {}
    for name, (kind, body, messages) in HOSTILE.items():
        # beside messages that are whole, where there are several
        empty = [FRAME + bytes(2 if isinstance(kind, list) else 1)] * 63 if messages > 1 else []
        try:
            decoded = AvroCodec(record_of(kind)).decode([*empty, *[FRAME + body] * messages])
            result = f"{decoded.batch.num_rows} rows, {set(decoded.bad.values())}"
        except (SchemaRefused, MemoryError, ValueError) as error:
            result = type(error).__name__
        told[name] = (result, (most_kilobytes() - before) // 1024)
    print(json.dumps(told))


def most_kilobytes() -> int:
    """The most memory that this process has had."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[str, int]]:
    program = "from test_avro_memory import decode_hostile; decode_hostile()"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{TESTS / 'unit'}:{TESTS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found: dict[str, tuple[str, int]] = json.loads(ended.stdout)
    return found


def test_no_message_and_no_schema_takes_much_memory(told: dict[str, tuple[str, int]]) -> None:
    assert max(peak for _, peak in told.values()) < MOST_MB, told


@pytest.mark.parametrize("name", REFUSED_MESSAGES)
def test_a_message_that_would_become_too_large_is_bad_and_its_neighbours_arrive(
    name: str, told: dict[str, tuple[str, int]]
) -> None:
    rows = 63 if REFUSED_MESSAGES[name][2] > 1 else 0
    assert told[name][0] == f"{rows} rows, {{'message too large'}}"


@pytest.mark.parametrize("name", REFUSED_SCHEMAS)
def test_a_schema_whose_every_row_would_be_large_is_refused(
    name: str, told: dict[str, tuple[str, int]]
) -> None:
    assert told[name][0] == "SchemaRefused"


def items(count: int, one: bytes = b"\0") -> bytes:
    return number(count) + one * count + b"\0"


ENVELOPE = record_of(["null", columns(1600)], ["null", "Wide"], name="Envelope")
EVENT = record_of(*[["null", columns(40) | {"name": f"W{n}"}] for n in range(30)], name="Event")
HONEST: dict[str, Case] = {
    "a megabyte of numbers": (array_of("int"), items(500_000, b"\x02"), 1),
    "a megabyte of null decimals": (array_of(["null", FULL_DECIMAL]), items(1_000_000), 1),
    "a megabyte of null UUIDs": (array_of(["null", fixed(16)]), items(1_000_000), 1),
    "a megabyte of empty texts": (array_of("string"), items(1_000_000), 1),
    "a megabyte of empty arrays": (array_of(array_of("int")), items(1_000_000), 1),
    "a megabyte of flags": (array_of("boolean"), items(1_000_000), 1),
    "a megabyte of a map": (
        {"type": "map", "values": ["null", "long"]},
        items(500_000, b"\0\0"),
        1,
    ),
    "a megabyte of rows of nulls": (
        array_of(columns(100, FULL_DECIMAL)),
        items(10_000, bytes(100)),
        1,
    ),
    "1,600 nulls": (columns(1600, FULL_DECIMAL), bytes(1600), 500),
    "a truncate's envelope": (ENVELOPE, b"\0\0", 500),
    "1,000 events of 30 kinds": (array_of(EVENT), items(1000, bytes(30)), 1),
    "20,000 null rows of 100 columns": (array_of(["null", columns(100)]), items(20_000), 1),
    "a union's array": (["int", "string", array_of("long")], b"\x04" + items(500_000), 1),
}


@pytest.mark.parametrize("fewest", [0, 10**9], ids=["in columns", "one by one"])
@pytest.mark.parametrize("name", HONEST)
def test_what_honest_producers_send_is_read(
    name: str, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec, "FEWEST_ROWS_A_BLOCK", fewest)
    kind, body, messages = HONEST[name]
    decoded = AvroCodec(record_of(kind)).decode([FRAME + body] * messages)
    assert decoded.bad == {}
    assert decoded.batch.num_rows == messages


def test_a_block_that_becomes_too_large_is_read_in_smaller_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN messages of arrays, of which some are broken
    schema = record_of(array_of(["null", columns(20)]), "string")
    bodies = [items(1 + n % 50) + b"\x02a" if n % 7 else items(1 + n % 50) for n in range(300)]
    messages = [FRAME + body for body in bodies]
    expected = AvroCodec(schema).decode(messages)
    # WHEN they are more than a block may come to
    monkeypatch.setattr(weights, "BLOCK_BYTES", 20_000)
    made = counted(monkeypatch)
    found = AvroCodec(schema).decode(messages)
    # THEN they are read in smaller blocks, with the same result
    assert made() > 10
    assert found.batch == expected.batch
    assert found.bad == expected.bad
    assert len(found.bad) == 43


def test_messages_that_become_too_large_together_are_refused_and_one_alone_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN messages whose rows come to more than may be at once
    kind = AvroCodec(record_of(array_of(["null", columns(20)])))
    messages = [FRAME + items(50)] * 300
    whole = kind.decode(messages).batch
    monkeypatch.setattr(codec, "TOGETHER_BYTES", whole.nbytes // 2)
    # WHEN they are decoded together
    with pytest.raises(TooLargeTogether):
        kind.decode(messages)
    # THEN fewer of them are read, and one is however large it is
    assert kind.decode(messages[:100]).batch == whole.slice(0, 100)
    monkeypatch.setattr(codec, "TOGETHER_BYTES", 0)
    assert kind.decode(messages[:1]).batch == whole.slice(0, 1)


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many blocks were begun."""
    made = []
    tally_of = weights.tally_of

    def counting(messages: int, octets: int) -> weights.Tally:
        made.append(messages)
        return tally_of(messages, octets)

    monkeypatch.setattr("rowferry.kernel.avro.blocks.tally_of", counting)
    return lambda: len(made)
