"""JSON columns as values inside a line: the text as it is, on one line, and nothing else in it."""

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from rowferry.flow.stage.lines import line_format
from rowferry.kernel.avro import AvroCodec
from rowferry.kernel.lines import encode_lines
from rowferry.kernel.lines_json import is_json
from rowferry.types import JSON
from rowferry.types.snowflake import snowflake_type

TOLD = pa.field("doc", pa.utf8(), metadata={"logicalType": "json"})
VALID = [
    "null",
    " true ",
    '"text \\u00e9 \\ud800"',
    "1.50",
    "-0",
    "1e400",
    "9" * 5000,
    '{"b":1,"a":2,"b":3}',
    '{"a" : [1, 2.50, {}], "ü😀": []}',
    "[" * 5000 + "]" * 5000,
]
INVALID = [
    "",
    " ",
    "1,2",
    "[1",
    "2]",
    "1]",
    '"a',
    '"a\nb"',
    "'a'",
    "NaN",
    "Infinity",
    "01",
    "1.",
    ".5",
    "+1",
    "[1,]",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{1:2}",
    "[1}",
    '{"a":1]',
    '"\\x"',
    "nul",
    "\u00a0null",
    '1,"_op":"d","x":1',
    "[" * 5000,
]


def lines(texts: list[str | None], count: int = 1, **options: Any) -> list[str]:
    """The cells of the lines of the texts, `count` times over, as they stand there."""
    batch = pa.RecordBatch.from_arrays([pa.array(texts * count)], schema=pa.schema([TOLD]))
    written = bytes(encode_lines(batch, **{"json": "nested", **options}).whole)
    found = written.decode().removesuffix("\n").split("\n")
    return [line.removeprefix('{"doc":').removesuffix("}") for line in found]


@pytest.mark.parametrize("count", [1, 70])  # by rows and by columns
def test_json_stands_in_the_line_as_it_is(count: int) -> None:
    assert lines([*VALID, None], count) == [*VALID, "null"] * count


@pytest.mark.parametrize("count", [1, 70])
def test_what_is_no_json_is_a_string_and_harms_no_neighbour(count: int) -> None:
    texts: list[str | None] = [*VALID[:3], *INVALID, None, *VALID[3:]]
    expected = [t if t in VALID else json.dumps(t, ensure_ascii=False) for t in texts]
    assert lines(texts, count) == expected * count


def test_pieces_that_would_be_json_together_are_not_taken_for_it() -> None:
    for texts in (["1,2", "[3", "4]"], ['"a', 'b"'], ["[1", "2]"], ["1", "2,3", "[4", "5]"]):
        assert lines([*texts]) == [t if is_json(t) else json.dumps(t) for t in texts]


def test_line_breaks_between_tokens_become_blanks() -> None:
    text = '{"a" :\r\n[1,\n"x\\ny"]\t}'
    [cell] = lines([text])
    assert cell == '{"a" :  [1, "x\\ny"]\t}'
    assert json.loads(cell) == json.loads(text)


@pytest.mark.parametrize("text", VALID)
def test_json_is_told_from_text(text: str) -> None:
    assert is_json(text)
    assert not is_json(text + "]")


@pytest.mark.parametrize("text", INVALID)
def test_text_is_told_from_json(text: str) -> None:
    assert not is_json(text)


def test_strings_stay_strings_by_default_and_other_texts_always() -> None:
    assert lines(['{"a":1}'], json="string") == ['"{\\"a\\":1}"']
    plain = pa.RecordBatch.from_arrays([pa.array(["1"])], names=["doc"])
    assert bytes(encode_lines(plain, json="nested").whole) == b'{"doc":"1"}\n'


def test_json_is_nested_at_every_depth_of_a_schema() -> None:
    fields = [
        {"name": "one", "type": ["null", JSON]},
        {"name": "many", "type": {"type": "array", "items": ["null", JSON]}},
        {"name": "by", "type": {"type": "map", "values": JSON}},
        {
            "name": "in",
            "type": {"type": "record", "name": "r", "fields": [{"name": "x", "type": JSON}]},
        },
    ]
    codec = AvroCodec({"type": "record", "name": "t", "fields": fields})
    rows = [{"one": "1.50", "many": ["[2]", None, "x"], "by": [("k", "{}")], "in": {"x": "true"}}]
    batch = pa.RecordBatch.from_pylist(rows, codec.arrow_schema)
    decoded = codec.decode(codec.encode(batch, 1)).batch
    written = bytes(encode_lines(decoded, json="nested").whole)
    assert written == b'{"one":1.50,"many":[[2],null,"x"],"by":{"k":{}},"in":{"x":true}}\n'
    assert json.loads(written, parse_float=Decimal)["one"] == Decimal("1.50")


def test_other_bytes_of_the_same_records_are_told_by_the_format() -> None:
    strings, nested = line_format(("_op",)), line_format(("_op",), json="nested")
    assert strings.fingerprint != nested.fingerprint
    assert strings.fingerprint == line_format(("_op",), json="string").fingerprint


def test_nested_json_is_loaded_into_a_variant_and_text_of_it_into_text() -> None:
    for avro in (JSON, ["null", JSON]):
        assert snowflake_type(avro).sql == "VARCHAR"
        assert snowflake_type(avro, nests_json=True).sql == "VARIANT"
    assert snowflake_type("string", nests_json=True).sql == "VARCHAR"
