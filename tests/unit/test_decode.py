"""Records become columns, and columns lines, by the writer's schema and in offset order."""

import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from rowferry.errors import Code, ConfigError, DataAtRisk, Transient
from rowferry.flow.receive.compiled import UNKNOWN_SCHEMA
from rowferry.flow.receive.decode import UNFRAMED, UNFRAMED_KEY, Decoder
from rowferry.flow.stage.lines import line_format
from rowferry.model import Offset, Partition, RawRecords, SchemaId

PLAIN: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "rowferry.key": ["id"],
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "unit_x20_price", "type": ["null", "long"], "rowferry.name": "unit price"},
    ],
}
WIDER = {**PLAIN, "fields": [*PLAIN["fields"], {"name": "more", "type": "int"}]}
KEY: dict[str, Any] = {
    "type": "record",
    "name": "OrderKey",
    "fields": [{"name": "id", "type": "long"}, {"name": "line", "type": "int"}],
}
RECURSIVE = {
    "type": "record",
    "name": "Loop",
    "fields": [{"name": "next", "type": ["null", "Loop"]}],
}


class Schemas:
    """A registry in memory that counts what it is asked."""

    def __init__(self) -> None:
        self.known = {1: PLAIN, 2: WIDER, 3: KEY, 4: RECURSIVE}
        self.asked: list[int] = []
        self.is_down = False

    def by_id(self, schema_id: SchemaId) -> str | None:
        self.asked.append(schema_id)
        if self.is_down:
            raise Transient(Code.SR_DOWN, "down")
        found = self.known.get(schema_id)
        return None if found is None else json.dumps(found)

    def latest(self, topic: str) -> str | None:
        return json.dumps(PLAIN) if topic == "orders" else None

    def is_of(self, topic: str, schema: str) -> bool:
        return topic == "orders" and '"Stranger"' not in schema


def framed(schema_id: int, schema: dict[str, Any], row: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), row)
    return b"\0" + schema_id.to_bytes(4) + out.getvalue()


def row(number: int) -> bytes:
    return framed(1, PLAIN, {"id": f"o{number}", "unit_x20_price": number or None})


def records(*pairs: tuple[bytes | None, bytes | None], topic: str = "orders") -> RawRecords:
    """Records at every third offset from 10."""
    offsets = [10 + 3 * index for index in range(len(pairs))]
    return RawRecords(
        topic,
        Partition(2),
        [key for key, _ in pairs],
        [value for _, value in pairs],
        pa.array(offsets, pa.int64()),
        pa.array([1_700_000_000_123 + index for index in range(len(pairs))], pa.int64()),
        Offset(offsets[-1] + 1 if offsets else 0),
    )


def lines_of(raw: RawRecords, *metadata: str) -> list[dict[str, Any]]:
    readable = Decoder(Schemas()).decode(raw)
    assert readable.bad == {}
    lines = line_format(metadata or ("_op", "_partition", "_offset")).encode(readable.groups)
    count = len(lines.offsets)
    singly = [bytes(lines.between(index, index + 1)) for index in range(count)]
    assert bytes(lines.between(0, count)) == b"".join(singly)
    assert [lines.size(index, index + 1) for index in range(count)] == [*map(len, singly)]
    return [json.loads(line) for line in singly]


def test_rows_have_the_columns_names_that_postgresql_has() -> None:
    assert lines_of(records((b"o0", row(0)), (b"o1", row(1)))) == [
        {"id": "o0", "unit price": None, "_op": "u", "_partition": 2, "_offset": 10},
        {"id": "o1", "unit price": 1, "_op": "u", "_partition": 2, "_offset": 13},
    ]


def test_names_inside_composites_and_long_decimals_are_as_people_know_them() -> None:
    # GIVEN a composite with a name that Avro does not allow, and decimals of a hundred digits
    long = {"type": "bytes", "logicalType": "decimal", "precision": 6000, "scale": 2}
    place = {
        "type": "record",
        "name": "Place",
        "fields": [
            {"name": "the_x20_name", "type": ["null", "string"], "rowferry.name": "the name"},
            {"name": "worth", "type": ["null", long]},
        ],
    }
    types = {"place": place, "worth": ["null", long], "worths": {"type": "array", "items": long}}
    types["named"] = {"type": "map", "values": ["null", long]}
    schema = {
        "type": "record",
        "name": "Order",
        "fields": [{"name": name, "type": kind} for name, kind in types.items()],
    }
    most = (10**6000 - 1).to_bytes(2492, "big", signed=True)
    plain = json.loads(json.dumps(schema).replace("decimal", "none"))
    row = {
        "place": {"the_x20_name": "x", "worth": b"\xff"},
        "worth": most,
        "worths": [b"\x05", b"\xfe\x0c"],
        "named": {"a": None, "b": b"\x64"},
    }
    nulls = {**row, "place": {"the_x20_name": None, "worth": None}, "worth": None, "worths": []}
    schemas = Schemas()
    schemas.known[9] = schema
    for copies in (1, 100):  # few rows and many
        values = [framed(9, plain, row), framed(9, plain, nulls)] * copies
        readable = Decoder(schemas).decode(records(*((b"k", value) for value in values)))
        assert readable.bad == {}
        # WHEN
        lines = line_format(("_op",)).encode(readable.groups)
        # THEN lines have the names, and the digits
        for index in range(0, 2 * copies, 2):
            assert json.loads(bytes(lines.between(index, index + 1))) == {
                "place": {"the name": "x", "worth": "-0.01"},
                "worth": "9" * 5998 + ".99",
                "worths": ["0.05", "-5.00"],
                "named": {"a": None, "b": "1.00"},
                "_op": "u",
            }
            again = json.loads(bytes(lines.between(index + 1, index + 2)))
            assert (again["place"], again["worth"]) == ({"the name": None, "worth": None}, None)


def test_decimals_are_strings_where_the_settings_say_so() -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
    schema = {"type": "record", "name": "O", "fields": [{"name": "price", "type": kind}]}
    schemas = Schemas()
    schemas.known[9] = schema
    raw = records(
        (
            b"k",
            framed(
                9, {**schema, "fields": [{"name": "price", "type": "bytes"}]}, {"price": b"\x64"}
            ),
        )
    )
    readable = Decoder(schemas).decode(raw)
    numbers, strings = line_format(("_op",)), line_format(("_op",), "string")
    assert bytes(numbers.encode(readable.groups).between(0, 1)) == b'{"price":1.00,"_op":"u"}\n'
    assert bytes(strings.encode(readable.groups).between(0, 1)) == b'{"price":"1.00","_op":"u"}\n'
    assert numbers.fingerprint != strings.fingerprint


def test_schemas_tombstones_and_markers_keep_the_order_of_their_offsets() -> None:
    wide = framed(2, WIDER, {"id": "w", "unit_x20_price": 5, "more": 7})
    key = framed(3, KEY, {"id": 8, "line": 1})
    raw = records((b"o0", row(0)), (b"w", wide), (b"o9", None), (b"o1", row(1)), (None, None))
    found = lines_of(raw)
    assert [line["_offset"] for line in found] == [10, 13, 16, 19, 22]
    assert [line["_op"] for line in found] == ["u", "u", "d", "u", "t"]
    assert found[1]["more"] == 7
    assert found[2] == {"id": "o9", "_op": "d", "_partition": 2, "_offset": 16}
    assert found[4] == {"_op": "t", "_partition": 2, "_offset": 22}
    [deleted] = lines_of(records((key, None)))
    assert deleted == {"id": 8, "line": 1, "_op": "d", "_partition": 2, "_offset": 10}


def test_metadata_is_chosen_renamed_and_told_exactly() -> None:
    chosen = ("_offset=at", "_timestamp", "_schema_id", "_key", "_topic")
    [first, second] = lines_of(records((b"o0", row(0)), (b"\0\1", row(1))), *chosen)
    assert list(first) == ["id", "unit price", "at", "_timestamp", "_schema_id", "_key", "_topic"]
    assert first["_timestamp"] == "2023-11-14T22:13:20.123000Z"
    assert (first["_schema_id"], first["_key"], first["_topic"]) == (1, "o0", "orders")
    assert second["_key"] == "AAE="
    [gone] = lines_of(records((b"o9", None)), "_schema_id", "_op")
    assert gone == {"id": "o9", "_schema_id": None, "_op": "d"}


def test_a_column_with_the_name_of_a_field_is_told_with_the_way_out() -> None:
    readable = Decoder(Schemas()).decode(records((b"o0", row(0))))
    with pytest.raises(ConfigError, match="_op=another_name"):
        line_format(("_op=id",)).encode(readable.groups)


def test_the_format_tells_itself_apart() -> None:
    assert line_format(("_op",)).fingerprint == line_format(("_op",)).fingerprint
    assert line_format(("_op",)).fingerprint != line_format(("_op=op",)).fingerprint


def test_one_of_several_types_is_an_object_that_names_it_wherever_it_stands() -> None:
    union = ["null", "string", "long", {"type": "array", "items": ["int", "string"]}]
    of_records = {
        "type": "record",
        "name": "Inner",
        "fields": [{"name": "u", "type": union}],
    }
    schema = {
        "type": "record",
        "name": "Odd",
        "fields": [
            {"name": "u", "type": union},
            {"name": "inner", "type": ["null", of_records]},
            {"name": "list", "type": {"type": "array", "items": union}},
            {"name": "map", "type": {"type": "map", "values": union}},
        ],
    }
    schemas = Schemas()
    schemas.known[9] = schema
    rows: list[dict[str, Any]] = [
        {"u": 'a"é', "inner": {"u": 2**62}, "list": [None, "x", [1, "y"]], "map": {"k": "v"}},
        {"u": None, "inner": None, "list": [], "map": {}},
    ]
    for copies in (1, 100):  # few rows and many
        values = [(b"k", framed(9, schema, row)) for row in rows] * copies
        readable = Decoder(schemas).decode(records(*values))
        lines = line_format(("_op",)).encode(readable.groups)
        first, second = (json.loads(bytes(lines.between(i, i + 1))) for i in (0, 1))
        assert first == {
            "u": {"string": 'a"é'},
            "inner": {"u": {"long": 2**62}},
            "list": [None, {"string": "x"}, {"array": [{"int": 1}, {"string": "y"}]}],
            "map": {"k": {"string": "v"}},
            "_op": "u",
        }
        assert second == {"u": None, "inner": None, "list": [], "map": {}, "_op": "u"}


def test_what_cannot_be_read_is_told_by_its_index_and_the_others_arrive() -> None:
    raw = records(
        (b"a", row(1)),
        (b"b", b"odd"),
        (b"c", b"\0\0\0\0\x63" + b"x"),
        (b"d", b"\0\0\0\0\4\0"),
        (b"e", row(2)[:-1]),
        (b"f", row(3)),
        (b"\xff", None),
    )
    readable = Decoder(Schemas()).decode(raw)
    [group] = readable.groups
    assert group.offsets.to_pylist() == [10, 25]
    assert group.keys == [b"a", b"f"]
    assert readable.bad.pop(3).endswith("recursive")
    assert readable.bad.pop(4) == "truncated"
    assert readable.bad == {1: UNFRAMED, 2: UNKNOWN_SCHEMA, 6: UNFRAMED_KEY}


def test_a_registry_that_is_down_costs_no_record_and_an_unknown_id_is_asked_again() -> None:
    schemas = Schemas()
    decoder = Decoder(schemas)
    raw = records((b"a", row(1)), (b"b", b"\0\0\0\0\x63"))
    schemas.is_down = True
    with pytest.raises(Transient):
        decoder.decode(raw)
    schemas.is_down = False
    assert decoder.decode(raw).bad == {1: UNKNOWN_SCHEMA}
    schemas.known[99] = {"type": "record", "name": "Empty", "fields": []}
    assert decoder.decode(raw).bad == {}
    decoder.decode(raw)
    assert schemas.asked == [1, 1, 99, 99], "what is compiled is kept"


def test_an_id_that_the_registry_has_given_to_another_topics_schema_stops_us() -> None:
    schemas = Schemas()
    schemas.known[1] = {**PLAIN, "name": "Stranger", "namespace": "other"}
    with pytest.raises(DataAtRisk, match=r"id 1 is other.Stranger.*, Order") as conflict:
        Decoder(schemas).decode(records((b"a", row(1))))
    assert (conflict.value.code, conflict.value.exit_code) == (Code.SR_ID_CONFLICT, 4)
    # a version of another name, and what others write under any name, is no conflict
    schemas.known[1] = {**PLAIN, "name": "Renamed"}
    assert Decoder(schemas).decode(records((b"a", row(1)))).bad == {}
    schemas.known[1] = {**PLAIN, "name": "Stranger"}
    assert Decoder(schemas).decode(records((b"a", row(1)), topic="theirs")).bad == {}


def test_tombstones_of_topics_that_others_write_have_a_key() -> None:
    assert lines_of(records((b"k", None), topic="theirs"))[0]["key"] == "k"


def test_nothing_gives_no_lines() -> None:
    readable = Decoder(Schemas()).decode(records())
    lines = line_format(("_op",)).encode(readable.groups)
    assert len(lines.offsets) == 0
    assert bytes(lines.between(0, 0)) == b""
