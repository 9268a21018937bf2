"""Schemas that Avro allows, or that somebody registered all the same: read as they are, or refused.

None of them ends a receiver: what it cannot read is a bad record, and its neighbours arrive.
"""

import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from foreign import VARIABLE, field
from rowferry.flow.receive.compiled import Compiled
from rowferry.flow.receive.envelopes import images, unwrap
from rowferry.kernel.avro import AvroCodec, SchemaRefused, check_gate
from rowferry.types.connect import VARIABLE_SCALE, line_schema

FRAME = b"\0\0\0\0\1"
SCALE, VALUE = {"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}
NANOS = {"type": "long", "connect.name": "io.debezium.time.NanoTime"}
FEW_AND_MANY = pytest.mark.parametrize("copies", [1, 100])


def record_of(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}


def required(name: Any, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": kind}


def written(schema: dict[str, Any], row: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), row)
    return FRAME + out.getvalue()


def points(**more: Any) -> dict[str, Any]:
    """Two records of the same fields in another order; more: of the second."""
    old = record_of(required("x", "int"), required("y", "int"), name="Point")
    new = record_of(required("y", "int"), required("x", "int"), name="PointV2", **more)
    return record_of(required("old", old), required("new", new), required("again", "Point"))


@FEW_AND_MANY
@pytest.mark.parametrize("more", [{}, {"aliases": ["Point"]}])
def test_an_alias_takes_no_name_from_the_type_that_has_it(more: Any, copies: int) -> None:
    schema = points(**more)
    row = {"old": {"x": 1, "y": 2}, "new": {"x": 3, "y": 4}, "again": {"x": 5, "y": 6}}
    decoded = AvroCodec(schema).decode([written(schema, row)] * copies)
    assert decoded.batch.to_pylist() == [row] * copies


def test_an_alias_of_the_record_around_it_hides_no_recursion() -> None:
    inner = record_of(required("x", "int"), name="Inner", aliases=["R"])
    check_gate(record_of(required("a", inner)))
    with pytest.raises(SchemaRefused, match="recursive"):
        check_gate(record_of(required("a", inner), field("b", "R")))


def test_an_alias_is_no_name_to_use_a_type_by() -> None:
    inner = {"type": "fixed", "name": "Hash", "size": 4, "aliases": ["Digest"]}
    schema = record_of(required("a", inner), required("b", "Digest"))
    with pytest.raises(SchemaRefused, match="'Digest'"):
        check_gate(schema)
    with pytest.raises(fastavro.schema.UnknownType):
        fastavro.parse_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        record_of(required(["a"], "int")),
        record_of(required("a", "int"), name=["R"]),
        record_of(required("a", {"type": "enum", "name": "E", "symbols": [["A"]]})),
    ],
)
def test_a_name_that_is_no_text_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaRefused):
        check_gate(schema)
    _, bad = Compiled(json.dumps(schema)).decode([FRAME + b"\2"])
    assert bad == {0: "the schema has a name that is no text"}


@FEW_AND_MANY
def test_a_schema_that_is_too_large_once_it_is_spelled_out_is_refused(copies: int) -> None:
    # GIVEN one of 41 kB, whose names come to over a megabyte
    enum = {"type": "enum", "name": "E", "symbols": ["A"]}
    uses = [required(f"f{n}", "E") for n in range(1300)]
    schema = record_of(required("at", NANOS), required("e", enum), *uses, namespace="n" * 900)
    text = json.dumps(schema)
    check_gate(text)
    # WHEN its messages are decoded
    batch, bad = Compiled(text).decode([FRAME + bytes(1302)] * copies)
    # THEN they are bad
    assert batch is None
    assert bad == dict.fromkeys(range(copies), "the schema is larger than 1 MB")


def test_a_schema_is_as_large_as_its_text_in_any_script() -> None:
    schema = record_of(required("at", NANOS), doc="字" * 180_000)
    batch, bad = Compiled(json.dumps(schema, ensure_ascii=False)).decode([FRAME + b"\2"])
    assert batch is not None
    assert not bad


def test_a_name_of_connect_that_is_no_text_tells_nothing() -> None:
    schema = record_of(required("a", {"type": "int", "connect.name": ["io.debezium.time.Date"]}))
    batch, _ = Compiled(json.dumps(schema)).decode([FRAME + b"\2"])
    assert batch is not None
    assert batch.to_pylist() == [{"a": 1}]
    assert line_schema(schema) == schema


def odd_decimal(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "V", "fields": list(fields), "connect.name": VARIABLE_SCALE}


LONG = {"type": "bytes", "logicalType": "decimal", "precision": 4}
ODD_DECIMALS: list[tuple[Any, Any]] = [
    (odd_decimal(), {}),
    (odd_decimal(SCALE), {"scale": 1}),
    (odd_decimal(SCALE, required("value", "string")), {"scale": 1, "value": "a"}),
    (odd_decimal(SCALE, required("value", LONG)), {"scale": 1, "value": Decimal(97)}),
    (odd_decimal(field("scale", "int"), VALUE), {"scale": None, "value": b"a"}),
    (odd_decimal(VALUE, SCALE), {"value": b"a", "scale": 1}),
    (odd_decimal(SCALE, VALUE, required("more", "int")), {"scale": 1, "value": b"a", "more": 2}),
]


@FEW_AND_MANY
@pytest.mark.parametrize(("kind", "value"), ODD_DECIMALS, ids=range(len(ODD_DECIMALS)))
def test_a_decimal_of_any_scale_in_another_form_is_the_record_that_it_is(
    kind: Any, value: Any, copies: int
) -> None:
    schema = record_of(required("a", kind), required("b", "V"))
    batch, bad = Compiled(json.dumps(schema)).decode(
        [written(schema, {"a": value, "b": value})] * copies
    )
    assert not bad
    assert batch is not None
    assert batch.to_pylist() == [{"a": value, "b": value}] * copies
    assert line_schema(schema)["fields"][0]["type"] == kind  # no text in the table either


def test_a_table_has_text_for_decimals_of_any_scale_by_definition_and_by_name() -> None:
    schema = record_of(field("a", VARIABLE), field("b", VARIABLE_SCALE))
    assert [f["type"] for f in line_schema(schema)["fields"]] == [["null", "string"]] * 2


@pytest.mark.parametrize(
    ("op", "before"), [("string", "int"), ({"type": "array", "items": "string"}, ["null", "Row"])]
)
def test_what_only_looks_like_an_envelope_is_a_row_itself(op: Any, before: Any) -> None:
    row = {"type": "record", "name": "Row", "fields": [required("x", "int")]}
    text = json.dumps(
        record_of(field("after", row), required("op", op), required("before", before))
    )
    assert not Compiled(text).is_envelope


def test_an_envelope_may_have_any_text_as_op() -> None:
    row = {"type": "record", "name": "Row", "fields": [required("x", "int")]}
    enum = {"type": "enum", "name": "Op", "symbols": ["c", "d"]}
    schema = record_of(field("before", row), field("after", "Row"), required("op", enum))
    event = {"before": {"x": 7}, "after": None, "op": "d"}
    compiled = Compiled(json.dumps(schema))
    assert compiled.is_envelope
    batch, _ = compiled.decode([written(schema, event)])
    assert batch is not None
    assert images(batch, "before", unwrap(batch).deletes).to_pylist() == [{"x": 7}]
