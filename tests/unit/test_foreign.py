"""Schemas that others wrote: their names, their references, their envelopes, and hostile ones."""

import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from fastavro.utils import generate_many

from foreign import CUSTOMER, ENVELOPE, JAVA_ORDER, KEY, VARIABLE, debezium, event, field, order
from rowferry.flow.receive.decode import NO_KEY, Decoder, Readable
from rowferry.flow.receive.envelopes import NO_ROW
from rowferry.kernel.avro import SchemaRefused, check_gate
from rowferry.model import Offset, Partition, RawRecords, SchemaId
from rowferry.types.connect import line_schema, with_references
from rowferry.types.snowflake import snowflake_type

PLAIN = {"type": "record", "name": "Plain", "fields": [{"name": "id", "type": "long"}]}
ZONED = debezium("string", "time.ZonedTimestamp")
ODD = {
    "type": "record",
    "name": "Odd",
    "fields": [
        field("at", ZONED),
        field("ats", {"type": "map", "values": ["null", ZONED]}),
        field("amount", VARIABLE),
        field("inner", {"type": "record", "name": "Inner", "fields": [field("at", ZONED)]}),
    ],
}


KNOWN: dict[int, dict[str, Any]] = {1: ENVELOPE, 2: KEY, 3: PLAIN, 4: ODD}
SUBJECTS: dict[str, dict[str, Any]] = {"orders": ENVELOPE, "plain": PLAIN}


class Schemas:
    """A registry in memory."""

    def by_id(self, schema_id: SchemaId) -> str | None:
        return json.dumps(KNOWN[schema_id])

    def latest(self, topic: str) -> str | None:
        return json.dumps(SUBJECTS[topic]) if topic in SUBJECTS else None

    def is_of(self, topic: str, schema: str) -> bool:
        raise AssertionError(f"{topic} is not ours: {schema[:50]}")


def framed(schema_id: int, row: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(KNOWN[schema_id])), row)
    return b"\0" + schema_id.to_bytes(4) + out.getvalue()


def decoded(
    *pairs: tuple[bytes | None, bytes | None], topic: str = "orders", unwraps: bool = True
) -> Readable:
    """What a decoder makes of records at the offsets from 0."""
    numbers = pa.array(range(len(pairs)), pa.int64())
    keys, values = ([pair[side] for pair in pairs] for side in (0, 1))
    end = Offset(len(pairs))
    raw = RawRecords(topic, Partition(0), keys, values, numbers, numbers, end)
    return Decoder(Schemas(), "debezium" if unwraps else None).decode(raw)


def told(readable: Readable) -> list[tuple[int, str, list[str]]]:
    """Offset, op and columns of each record that was read."""
    return sorted(
        (offset, op, group.batch.schema.names)
        for group in readable.groups
        for offset, op in zip(group.offsets.to_pylist(), group.ops.to_pylist(), strict=True)
    )


COLUMNS = list(order(1))
ANY = framed(1, event("c", after=order(1)))


def test_a_delete_without_a_key_has_the_row_that_it_had_before() -> None:
    readable = decoded((None, framed(1, event("d", before=order(1)))), (b"k", ANY))
    assert told(readable) == [(0, "d", COLUMNS), (1, "u", COLUMNS)]
    assert readable.bad == {}


def test_an_envelope_that_says_nothing_we_know_is_set_aside_and_its_neighbours_arrive() -> None:
    key = framed(2, {"id": 1})
    readable = decoded(
        (key, framed(1, event("c"))),
        (key, ANY),
        (key, framed(1, event("x", after=order(1)))),
        (None, framed(1, event("d"))),
        (None, None),
        (key, framed(1, event("d"))),
        (key, None),
    )
    assert readable.bad == {0: NO_ROW, 2: NO_ROW, 3: NO_KEY, 4: NO_KEY}
    assert told(readable) == [(1, "u", COLUMNS), (5, "d", ["id"])]


def test_topics_whose_values_are_no_envelopes_keep_their_tombstones() -> None:
    key = framed(2, {"id": 1})
    plain = (key, framed(3, {"id": 7}))
    assert told(decoded(plain, (key, None), (None, None), topic="plain")) == [
        (0, "u", ["id"]),
        (1, "d", ["id"]),
        (2, "t", []),
    ]
    # a topic without a subject is what the setting says: one of Debezium's
    assert told(decoded(plain, (key, None), topic="unknown")) == [(0, "u", ["id"])]
    assert told(decoded(plain, (key, None), topic="unknown", unwraps=False))[1] == (1, "d", ["id"])


ZONED_FORMS = {
    "2026-11-24T15:04:05Z": "2026-11-24T15:04:05.000000Z",
    "2026-11-24T15:04:05.1Z": "2026-11-24T15:04:05.100000Z",
    "2026-11-24T15:04:05.123456Z": "2026-11-24T15:04:05.123456Z",
    "2026-11-24T15:04:05.123456000Z": "2026-11-24T15:04:05.123456Z",
    "+12026-11-24T15:04:05Z": "+12026-11-24T15:04:05.000000Z",
    "2026-11-24T15:04:05.1234567Z": "2026-11-24T15:04:05.1234567Z",
    "2026-11-24T15:04:05.1+02:00": "2026-11-24T15:04:05.1+02:00",
    "infinity": "infinity",
    "": "",
}


@pytest.mark.parametrize("copies", [1, 20])
def test_zoned_timestamps_have_our_form_where_it_holds_them_and_stay_as_written_elsewhere(
    copies: int,
) -> None:
    rows = [
        {"at": text, "ats": {"k": text, "n": None}, "amount": None, "inner": {"at": text}}
        for text in ZONED_FORMS
    ]
    nothing = dict.fromkeys(("at", "ats", "amount", "inner"))
    values = [(b"k", framed(4, row)) for row in [*rows, nothing] * copies]
    [group] = decoded(*values, topic="plain").groups
    expected = [
        {"at": form, "ats": [("k", form), ("n", None)], "amount": None, "inner": {"at": form}}
        for form in ZONED_FORMS.values()
    ]
    assert group.batch.to_pylist() == [*expected, nothing] * copies


@pytest.mark.parametrize(
    ("scale", "unscaled", "text"),
    [
        (2, b"\xff", "-0.01"),
        (0, b"\x00", "0"),
        (-3, b"\x00", "0"),
        (-3, b"\xf6", "-10000"),
        (300, b"\x01", "0." + "0" * 299 + "1"),
        (2**31 - 1, b"\x05", "5E-2147483647"),  # as text of all its zeros it would be 2 GB
        (-(2**31), b"\xfb", "-5E2147483648"),
        (1, b"", "0.0"),
    ],
)
def test_a_decimal_of_any_scale_is_its_digits_and_a_hostile_scale_costs_nothing(
    scale: int, unscaled: bytes, text: str
) -> None:
    row = {"at": None, "ats": None, "inner": None, "amount": {"scale": scale, "value": unscaled}}
    for copies in (1, 100):
        [group] = decoded(*[(b"k", framed(4, row))] * copies, topic="plain").groups
        assert set(group.batch.column("amount").to_pylist()) == {text}


def test_a_schema_with_references_is_whole_and_reads_what_java_reads() -> None:
    whole = with_references(json.dumps(JAVA_ORDER), [json.dumps(CUSTOMER)])
    check_gate(whole)
    assert whole.count('"symbols": ["BASIC", "GOLD"]') == 1
    named: dict[str, Any] = {}
    fastavro.parse_schema(CUSTOMER, named_schemas=named)
    apart = fastavro.parse_schema(JAVA_ORDER, named_schemas=named)
    together = fastavro.parse_schema(json.loads(whole))
    for row in generate_many(together, 20):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, apart, row)
        read = [
            fastavro.schemaless_reader(io.BytesIO(out.getvalue()), schema, None)
            for schema in (apart, together)
        ]
        assert read[0] == read[1]


def test_types_that_two_schemas_bring_are_defined_once() -> None:
    inner = {"type": "record", "name": "a.In", "fields": [{"name": "x", "type": "int"}]}
    outer = {"type": "record", "name": "a.Out", "fields": [{"name": "in", "type": inner}]}
    fields = [{"name": "first", "type": "a.In"}, {"name": "second", "type": "a.Out"}]
    main = {"type": "record", "name": "b.Main", "fields": fields}
    whole = with_references(json.dumps(main), [json.dumps(outer)])
    fastavro.parse_schema(json.loads(whole))  # refuses a name that is defined twice
    check_gate(whole)


@pytest.mark.parametrize(
    "referred",
    [
        [],
        ["[]"],
        ["not JSON"],
        ['{"type":"record","name":"com.shop.shared.Customer","fields":7}'],
        ['{"type":"array","items":' * 5000],
        [json.dumps({"type": "record", "name": "com.shop.shared.Customer", "fields": [
            {"name": "again", "type": ["null", "com.shop.shared.Customer"]}]})],
    ],
)  # fmt: skip
def test_references_that_are_missing_broken_or_recursive_are_refused(referred: list[str]) -> None:
    whole = with_references(json.dumps(JAVA_ORDER), referred)
    with pytest.raises(SchemaRefused):
        check_gate(whole)


def test_a_table_has_a_column_for_each_of_the_rows_inside_an_envelope() -> None:
    row = line_schema(ENVELOPE, "debezium")
    kinds = {each["name"]: snowflake_type(each["type"]).sql for each in row["fields"]}
    assert list(kinds) == COLUMNS
    assert {name: kinds[name] for name in ("id", "price", "weight", "day", "made", "updated")} == {
        "id": "NUMBER(38,0)",
        "price": "NUMBER(10,2)",
        "weight": "VARCHAR",
        "day": "DATE",
        "made": "TIMESTAMP_NTZ(6)",
        "updated": "VARCHAR",
    }
    assert kinds["clock_ns"] == "VARCHAR"
    whole = line_schema(ENVELOPE)
    assert [each["name"] for each in whole["fields"]][:3] == ["before", "after", "source"]
