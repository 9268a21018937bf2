"""The proof reads JSON inside lines without losing a digit, an order or a name that comes twice."""

import gzip
from typing import Any, cast

import pytest

from rowferry.flow.stage.contract import Stage
from rowferry.model import SchemaId
from rowferry.proof.cells import form_of
from rowferry.proof.line_json import parsed
from rowferry.proof.loaded import Owed
from rowferry.proof.records import RecordReader
from rowferry.proof.staged import File, LineCheck, Tally
from rowferry.types import JSON

TEXT = '{"b" : 1.50, "a":\n[1e2, null], "b":{"x":"\\u00e9"}}'


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (TEXT, '{"b":1.50,"a":[1e2,null],"b":{"x":"é"}}'),
        (TEXT, TEXT.replace("\n", " ")),
        ("null", "null"),
        ('"a"', '"a"'),
        ("-0", "-0"),
        ("9" * 5000, "9" * 5000),
        ('{"a":1}', '"{\\"a\\":1}"'),  # as a string, which is the setting's default
        ("no JSON", '"no JSON"'),
    ],
)
def test_the_same_json_is_found_the_same(text: str, cell: str) -> None:
    form = form_of(JSON)
    assert form.json(parsed(cell)) == form.raw(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (TEXT, '{"b":1.5,"a":[1e2,null],"b":{"x":"é"}}'),
        (TEXT, '{"a":[1e2,null],"b":1.50,"b":{"x":"é"}}'),
        (TEXT, '{"b":{"x":"é"},"a":[1e2,null]}'),
        ("null", '"x"'),
        ("1", "true"),
        ("1", "1.0"),
        ("0", "-0"),
        ("9" * 5000, "9" * 4999 + "8"),
        ('"a"', '"b"'),
        ("[]", "{}"),
        ("no JSON", "1"),
        ("no JSON", "{}"),
    ],
)
def test_other_json_is_found_different(text: str, cell: str) -> None:
    form = form_of(JSON)
    assert form.json(parsed(cell)) != form.raw(text)


def test_null_is_null_and_text_of_the_table_is_compared_as_it_is() -> None:
    form = form_of(["null", JSON])
    assert form.json(parsed("null")) == form.raw(None)
    assert form.json(parsed("null")) == form.raw("null")
    assert form.json(parsed("null")) != form.raw("0")
    assert form.json(parsed("0")) != form.raw(None)
    many = form_of({"type": "array", "items": ["null", JSON]})
    assert many.json(parsed("[null,{},null]")) == many.raw(["null", "{}", None])
    assert many.json(parsed("[null,{},1]")) != many.raw(["null", "{}", None])
    assert form.text is not None
    assert form.text('{"a": 1}') != form.raw('{"a":1}')


def test_a_name_twice_is_an_error_but_inside_json() -> None:
    for schema in (
        {"type": "map", "values": "int"},
        {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}]},
    ):
        with pytest.raises(KeyError):
            form_of(schema).json(parsed('{"a":1,"a":1}'))


@pytest.mark.parametrize(
    "line", ['{"a":1,"a":1,"_offset":0}', '{"a":' + "[" * 9999 + "]" * 9999 + ',"_offset":0}']
)
def test_a_line_that_cannot_be_read_is_told_and_ends_nothing(line: str) -> None:
    class OneFile:
        def read(self, _name: str) -> bytes:
            return gzip.compress(f"{line}\n".encode())

    def fetch(_: SchemaId) -> str | None:
        return None

    tally = Tally()
    check = LineCheck(RecordReader(fetch), ["_offset"], tally)
    files = [File("f", 0, 1, 1)]
    assert list(check.lines(cast("Stage", OneFile()), files, Owed(0, 1))) == []
    assert (tally.changed, len(tally.findings)) == (1, 1)


def test_one_of_several_types_is_told_from_null() -> None:
    form = form_of(["null", "int", "string"])
    value: Any = parsed('{"string":"x"}')
    assert form.json(value) == form.raw("x")
    assert form.json(None) == form.raw(None) != form.raw("x")
    with pytest.raises((TypeError, ValueError)):
        form.json("x")
