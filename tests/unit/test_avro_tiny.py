"""Batches of one and of a few rows: another way through the codec, and the same batches."""

import io
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from calls import calls_in
from fuzz.targets import EVERY, HEADER, LOGICAL, PLAIN, PRODUCT
from rowferry.kernel.avro import AvroCodec
from rowferry.kernel.avro.codec import FEWEST_ROWS_A_BLOCK
from rowferry.kernel.avro.one_row import OneRow, one_row
from rowferry.kernel.avro.schema import record_of, shape_of
from rowferry.kernel.avro.weights import Tally

FEW = (1, 2, 3)
AROUND = (FEWEST_ROWS_A_BLOCK - 1, FEWEST_ROWS_A_BLOCK, FEWEST_ROWS_A_BLOCK + 1)
ENOUGH_MEMORY = Tally(1 << 20)


def scalars(*, nullable: bool) -> dict[str, Any]:
    """Every scalar type."""
    kinds = [*PLAIN[1:], *LOGICAL, {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}]
    fields = [
        {"name": f"f{place}", "type": ["null", kind] if nullable else kind}
        for place, kind in enumerate(kinds)
    ]
    return {"type": "record", "name": "Scalars", "fields": fields}


SCHEMAS = {
    "products": PRODUCT,
    "required": scalars(nullable=False),
    "nullable": scalars(nullable=True),
    "every": EVERY,
}


def messages_of(schema: dict[str, Any], rows: int) -> list[bytes]:
    """Messages that fastavro makes up, in which what can be null is so in every third row."""
    parsed = fastavro.parse_schema(schema)
    messages = []
    for number, row in enumerate(generate_many(parsed, rows)):
        for field in schema["fields"]:
            kind = field["type"]
            kind = kind[1] if isinstance(kind, list) and kind[0] == "null" else kind
            if isinstance(kind, dict) and kind.get("logicalType") == "decimal":
                row[field["name"]] = Decimal(number - 1).scaleb(-kind["scale"])
            if kind is not field["type"] and number % 3 == 1:
                row[field["name"]] = None
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, row)
        messages.append(HEADER + out.getvalue())
    return messages


@pytest.mark.parametrize("rows", [*FEW, *AROUND])
@pytest.mark.parametrize("name", SCHEMAS)
def test_few_rows_are_the_batch_and_the_messages_that_they_are_among_many(
    name: str, rows: int
) -> None:
    # GIVEN messages, and what they are among many others
    codec = AvroCodec(SCHEMAS[name])
    messages = messages_of(SCHEMAS[name], max(rows, FEWEST_ROWS_A_BLOCK))
    among_many = codec.decode(messages)
    assert among_many.bad == {}
    # WHEN some are decoded, and written again
    few = codec.decode(messages[:rows])
    # THEN the two are equal to the last byte
    assert few.bad == {}
    assert few.batch.schema.equals(codec.arrow_schema, check_metadata=True)
    few.batch.validate(full=name == "products")  # others hold times that Arrow thinks impossible
    expected = among_many.batch.slice(0, rows)
    assert codec.encode(few.batch, 7) == codec.encode(expected, 7) == messages[:rows]


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("name", ["products", "required", "nullable"])
def test_a_row_alone_is_equal_cell_by_cell(name: str, row: int) -> None:
    codec = AvroCodec(SCHEMAS[name])
    messages = messages_of(SCHEMAS[name], 4)
    expected, alone = codec.decode(messages).batch, codec.decode([messages[row]]).batch
    for one, other in zip(alone.columns, expected.columns, strict=True):
        assert one.equals(other.slice(row, 1))
        assert one.null_count == other.slice(row, 1).null_count


def test_a_row_alone_that_cannot_be_read_has_its_reason() -> None:
    codec = AvroCodec(PRODUCT)
    [message] = messages_of(PRODUCT, 1)
    for broken, reason in (
        (message[:-1], "truncated"),
        (message + b"x", "trailing bytes"),
        (HEADER + b"\x04\xff\xff" + message[7:], "invalid UTF-8"),
    ):
        decoded = codec.decode([broken])
        assert decoded.bad == {0: reason}
        assert decoded.batch.num_rows == 0


def test_lists_maps_and_records_have_no_short_way() -> None:
    shapes = [shape_of(kind) for kind in ("int", {"type": "array", "items": "int"})]
    assert isinstance(one_row(record_of(["a"], shapes[:1]), ENOUGH_MEMORY), OneRow)
    assert one_row(record_of(["a", "b"], shapes), ENOUGH_MEMORY) is None


def test_the_header_is_the_one_that_arrow_writes() -> None:
    codec = AvroCodec({"type": "record", "name": "T", "fields": [{"name": "a", "type": "long"}]})
    batch = codec.decode([HEADER + b"\x02"]).batch
    row = one_row(record_of(["a"], [shape_of("long")]), ENOUGH_MEMORY)
    assert row is not None
    body = row.message_of(HEADER + b"\x02", len(HEADER))
    assert body == batch.serialize().to_pybytes()


@pytest.mark.parametrize("name", ["products", "required"])
def test_a_row_alone_takes_few_calls_a_column(name: str) -> None:
    """Each way is to take no more than three times fastavro's time, which `make bench` measures."""
    codec = AvroCodec(SCHEMAS[name])
    messages = messages_of(SCHEMAS[name], 1)
    batch = codec.decode(messages).batch
    most = 10 * batch.num_columns + 25
    assert calls_in(lambda: codec.encode(batch, 7)) <= most
    assert calls_in(lambda: codec.decode(messages)) <= most
