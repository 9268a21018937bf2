"""Decimals that take little in a message and much as text are weighed before they are written."""

import decimal
import io
import json
import random
from collections.abc import Sequence
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from foreign import VARIABLE, field
from rowferry.flow.receive.decode import Decoder, Readable
from rowferry.flow.stage.lines import line_format
from rowferry.kernel.avro import Reason, TooLargeTogether
from rowferry.kernel.long_decimals import digits_text
from rowferry.model import Offset, Partition, RawRecords, SchemaId

SCALE = 3000
LONG = {"type": "bytes", "logicalType": "decimal", "precision": SCALE + 1, "scale": SCALE}
TEXT = "0." + "0" * (SCALE - 1) + "5"
ROWS = 100
FORMAT = line_format(("_op", "_partition", "_offset", "_timestamp"))


def nested(kind: Any) -> list[Any]:
    """The type as a column, and inside of others."""
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": kind}]}
    return [
        kind,
        ["null", kind],
        {"type": "array", "items": kind},
        {"type": "map", "values": ["null", kind]},
        inner,
        {"type": "array", "items": inner},
    ]


FORMS = [
    *[("of a foreign scale", kind) for kind in nested(VARIABLE)],
    *[("of many digits", kind) for kind in nested(LONG)],
]
LABELS = ("column", "optional", "list", "map", "record", "list of records")
IDS = [f"{name}, {label}" for name in ("foreign scale", "many digits") for label in LABELS]


def value_of(kind: Any, five: Any) -> Any:
    """A value of the type with one decimal in it."""
    match kind:
        case {"type": "array", "items": items}:
            return [value_of(items, five)]
        case {"type": "map"}:
            return {"k": five}
        case {"type": "record", "name": "Inner", "fields": [inner]}:
            return {"x": value_of(inner["type"], five)}
    return five


class Schemas:
    """A registry with one schema."""

    def __init__(self, kind: Any) -> None:
        self.schema = {"type": "record", "name": "T", "fields": [field("x", kind, required=True)]}

    def by_id(self, _id: SchemaId) -> str:
        return json.dumps(self.schema)

    def latest(self, _topic: str) -> None:
        return None

    def is_of(self, _topic: str, _schema: str) -> bool:
        return True

    def message(self, value: Any) -> bytes:
        out = io.BytesIO(b"\0" + (7).to_bytes(4))
        out.seek(5)
        plain = json.loads(json.dumps(self.schema).replace('"decimal"', '"none"'))
        fastavro.schemaless_writer(out, fastavro.parse_schema(plain), {"x": value})
        return out.getvalue()


def raw(values: Sequence[bytes | None]) -> RawRecords:
    numbers = pa.array(range(len(values)), pa.int64())
    end = Offset(len(values))
    return RawRecords("t", Partition(0), [b"k"] * len(values), list(values), numbers, numbers, end)


def lines_of(readable: Readable) -> list[bytes]:
    lines = FORMAT.encode(readable.groups)
    return [bytes(lines.between(n, n + 1)) for n in range(len(lines.offsets))]


def five_of(name: str) -> Any:
    """The last digit of SCALE is a 5, the others are zeros."""
    return {"scale": SCALE, "value": b"\5"} if "foreign" in name else b"\5"


@pytest.mark.parametrize(("name", "kind"), FORMS, ids=IDS)
def test_what_lines_of_decimals_come_to_is_known_before_they_are_made(name: str, kind: Any) -> None:
    # GIVEN messages of a few bytes
    schemas = Schemas(kind)
    values = [schemas.message(value_of(kind, five_of(name)))] * ROWS
    assert sum(map(len, values)) < 20 * ROWS
    # WHEN
    readable = Decoder(schemas).decode(raw(values))
    lines = lines_of(readable)
    # THEN
    assert len(lines) == ROWS
    assert all(TEXT.encode() in line for line in lines)
    size = sum(map(len, lines))
    assert 0.9 * size < FORMAT.size_of(readable.groups) < 3 * size


@pytest.mark.parametrize(("name", "kind"), FORMS, ids=IDS)
def test_decimals_that_are_too_large_together_are_decoded_in_halves(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: Any
) -> None:
    # GIVEN lines of records, and room for the texts of some of them only
    schemas = Schemas(kind)
    records = raw([schemas.message(value_of(kind, five_of(name)))] * ROWS)
    decoder = Decoder(schemas)
    expected = lines_of(decoder.decode(records))
    monkeypatch.setattr("rowferry.kernel.avro.weights.BLOCK_BYTES", 30 * SCALE)
    # WHEN they are decoded together, and in halves
    found: list[bytes] = []
    refused, left = 0, [records]
    while left:
        part = left.pop()
        try:
            found += lines_of(decoder.decode(part))
        except TooLargeTogether:
            refused += 1
            left += reversed(part.halves())
    # THEN no more texts than there is room for were made at once, and the lines are the same
    assert refused == 3
    assert found == expected


@pytest.mark.parametrize("kind", [VARIABLE, LONG], ids=["foreign scale", "many digits"])
def test_a_message_whose_decimals_are_too_large_alone_is_set_aside_and_its_neighbours_arrive(
    monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    # GIVEN a message of many decimals between two of one each
    schemas = Schemas({"type": "array", "items": kind})
    five = five_of("foreign" if kind is VARIABLE else "")
    values = [schemas.message([five] * count) for count in (1, 1000, 1)]
    monkeypatch.setattr("rowferry.kernel.avro.weights.BLOCK_BYTES", 20 * SCALE)
    decoder = Decoder(schemas)
    # WHEN they are decoded together, and one by one
    with pytest.raises(TooLargeTogether):
        decoder.decode(raw(values))
    alone = [decoder.decode(raw([value])) for value in values]
    # THEN it is bad for its own bytes
    assert [readable.bad for readable in alone] == [{}, {0: Reason.SIZE.value}, {}]
    assert [len(readable.groups) for readable in alone] == [1, 0, 1]


def test_digits_of_any_length_are_written_exactly() -> None:
    bounds = [0, 1, 10**4000 - 1, 10**4000, 2**32768 - 1, 2**32768, 7 * 10**12000]
    chance = random.Random(76)
    for number in [*bounds, *(chance.getrandbits(size) for size in range(13_000, 40_000, 997))]:
        raw = number.to_bytes(number.bit_length() // 8 + 1, "big")
        assert digits_text(raw, 0) == str(decimal.Decimal(number))
        assert digits_text(raw, -2) == str(decimal.Decimal(100 * number))
