"""Every built-in type, from a real COPY to a JSON line and back into PostgreSQL, unchanged."""

import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copy_bytes import copy_of
from fix_stack import Database, PostgresServer
from line_literals import literal_of, refuse
from rowferry.config import Settings
from rowferry.flow.capture.catalog import read_table
from rowferry.flow.capture.postgres import connected
from rowferry.kernel.avro import AvroCodec
from rowferry.kernel.copy import CopyReader
from rowferry.kernel.copy_cells import Uncarriable
from rowferry.kernel.lines import encode_lines
from rowferry.model import Column
from rowferry.types import (
    TEXT_SETTINGS,
    Kind,
    Wire,
    avro_of,
    restored,
    select_expression,
    wire_of,
)
from type_literals import LITERALS, PREPARATION, WITHOUT_EQUALITY
from wire_values import values_of
from wires import SCALARS

VALID_TO_ORIGINAL = (b"the_x20_name", b"the name")

RANDOM = [each.pg_type for each in SCALARS if each.name != "jsonb"]
A_FEW = settings(max_examples=settings().max_examples // 5, suppress_health_check=list(HealthCheck))

pytestmark = [pytest.mark.real, pytest.mark.types]


class Matrix:
    """A table of one column of any type: filled by its owner, read as the capture reads it."""

    def __init__(self, database: Database) -> None:
        self.owner = psycopg2.connect(database.dsn)
        self.owner.autocommit = True
        self.cursor = self.owner.cursor()
        for name, value in TEXT_SETTINGS.items():
            self.cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        given = {name.lower(): value for name, value in database.environ.items()}
        unused = {"kafka_server": "unused", "schema_server": "unused"}
        self.reader = connected(Settings.model_validate({**given, **unused}))

    def close(self) -> None:
        self.reader.close()
        self.owner.close()

    def fill(self, pg_type: str, literals: list[str]) -> Column:
        self.cursor.execute("DROP TABLE IF EXISTS matrix")
        self.cursor.execute(f"CREATE TABLE matrix (id integer PRIMARY KEY, value {pg_type})")
        for row, literal in enumerate([*literals, None]):
            self.cursor.execute(f"INSERT INTO matrix VALUES (%s, %s::{pg_type})", (row, literal))
        return read_table(self.reader, "public", "matrix", None).columns[1]

    def send(self, wire: Wire, values: list[Any]) -> None:
        """Replace the rows by values that the tests' own packer wrote."""
        number = Wire("id", Kind.INT32, pa.int32())
        octets = b"".join(copy_of([number, wire], [*enumerate(values)]))
        self.cursor.execute("TRUNCATE matrix")
        self.cursor.copy_expert("COPY matrix FROM STDIN (FORMAT binary)", io.BytesIO(octets))

    def copy(self, wire: Wire) -> list[bytes]:
        chunks: list[bytes] = []
        select = f"SELECT {select_expression(wire, 'value')} FROM matrix ORDER BY id"
        self.reader.copy(f"COPY ({select}) TO STDOUT (FORMAT binary)", chunks.append)
        return chunks

    def changed(self, pg_type: str, texts: list[str | None]) -> list[Any]:
        """The rows whose value differs from that of the text."""
        compared = ["value::text IS DISTINCT FROM (text::{0})::text"]
        if pg_type.rstrip("[]") not in WITHOUT_EQUALITY:
            compared.append("value IS DISTINCT FROM text::{0}")
        self.cursor.execute(
            "SELECT id, value::text, text FROM matrix JOIN unnest(%s::integer[], %s::text[]) "
            f"AS back(id, text) USING (id) WHERE {' OR '.join(compared)}".format(pg_type),
            (list(range(len(texts))), texts),
        )
        return self.cursor.fetchall()


@pytest.fixture(scope="module")
def matrix(postgres: PostgresServer) -> Iterator[Matrix]:
    database = postgres.new_database()
    database.execute(PREPARATION)
    matrix = Matrix(database)
    yield matrix
    matrix.close()
    postgres.drop_database(database)


def lines_of(column: Column, chunks: list[bytes]) -> list[Any]:
    """The lines of what COPY sent, that went through Avro too: few rows and many."""
    batch = CopyReader([wire_of(column)]).read(chunks)
    lines = encode_lines(batch)
    written = bytes(lines.whole).replace(*VALID_TO_ORIGINAL)
    field = {"name": "value", "type": ["null", avro_of(column, "a.b")], "default": None}
    schema = {"type": "record", "name": "a.b", "fields": [field]}
    codec = AvroCodec(schema)
    for copies in (1, 100):
        decoded = codec.decode(codec.encode(pa.concat_batches([batch] * copies), 1))
        assert decoded.bad == {}
        again = restored(decoded.batch, schema)
        assert bytes(encode_lines(again).whole) == written * copies
    texts = written.decode().split("\n")[:-1]
    assert len(texts) == len(lines.bounds) - 1
    return [
        json.loads(line, parse_int=str, parse_float=str, parse_constant=refuse) for line in texts
    ]


@pytest.mark.parametrize("pg_type", LITERALS)
def test_every_value_comes_back_from_its_line_unchanged(matrix: Matrix, pg_type: str) -> None:
    # GIVEN a table with boundary values of one type, and a NULL
    literals = LITERALS[pg_type]
    column = matrix.fill(pg_type, literals)
    wire = wire_of(column)
    # WHEN COPY's bytes are read, sent through Avro and written as lines
    lines = lines_of(column, matrix.copy(wire))
    # THEN PostgreSQL takes each back as the value that it was
    assert len(lines) == len(literals) + 1
    assert lines[-1] == {"value": None}
    assert matrix.changed(pg_type, [literal_of(wire, line["value"]) for line in lines]) == []


@pytest.mark.parametrize("pg_type", LITERALS)
def test_text_is_that_of_the_types_output_function(matrix: Matrix, pg_type: str) -> None:
    wire = wire_of(matrix.fill(pg_type, LITERALS[pg_type]))
    if wire.as_text:
        batch = CopyReader([wire]).read(matrix.copy(wire))
        matrix.cursor.execute("SELECT format('%s', value) FROM matrix ORDER BY id")
        texts = [text for (text,) in matrix.cursor.fetchall()]
        assert [value or "" for value in batch.column(0).to_pylist()] == texts
    else:
        assert pa.types.is_nested(wire.arrow_type) or wire.cast in ("", "numeric")


@pytest.mark.parametrize("pg_type", LITERALS)
def test_every_type_has_an_avro_schema_that_parses(matrix: Matrix, pg_type: str) -> None:
    column = matrix.fill(pg_type, [])
    field = {"name": "value", "type": ["null", avro_of(column, "a.b")], "default": None}
    fastavro.parse_schema({"type": "record", "name": "a.b", "fields": [field]})


@pytest.mark.parametrize(
    ("pg_type", "literal"),
    [
        ("numeric(10,2)", "NaN"),
        ("numeric(38,10)", "NaN"),
        ("timestamptz", "294247-01-10 04:00:54.775807+00"),
        ("timestamp", "294276-12-31 23:59:59.999999"),
        ("integer[]", "{{1},{2}}"),
        ("integer[]", "[0:1]={1,2}"),
        ("integer[][]", "{1}"),
        ("numeric(10,2)[]", "{1,NaN}"),
        ("timestamptz[]", "{294276-01-01 00:00:00+00}"),
    ],
)
def test_a_value_that_cannot_be_carried_is_refused_by_row(
    matrix: Matrix, pg_type: str, literal: str
) -> None:
    wire = wire_of(matrix.fill(pg_type, [literal]))
    with pytest.raises(Uncarriable) as refused:
        CopyReader([wire]).read(matrix.copy(wire))
    assert (refused.value.column, refused.value.rows.tolist()) == ("value", [0])
    assert literal == "NaN" or literal not in str(refused.value)


@pytest.mark.parametrize("pg_type", RANDOM)
def test_random_values_come_back_from_their_lines_unchanged(matrix: Matrix, pg_type: str) -> None:
    column = matrix.fill(pg_type, [])
    wire = wire_of(column)

    @A_FEW
    @given(st.lists(values_of(wire), min_size=1, max_size=20))
    def come_back(values: list[Any]) -> None:
        matrix.send(wire, values)
        lines = lines_of(column, matrix.copy(wire))
        assert matrix.changed(pg_type, [literal_of(wire, line["value"]) for line in lines]) == []

    come_back()
