"""Records of every type, read by those who did not write them: fastavro, and Avro in Java."""

import base64
import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from avro_forms import cells, datum_of, form, plain, schema_id_of
from fix_crossing import EVERY, KEY, Crossing
from fix_stack import RegistryServer
from java_avro import read_in_java
from rowferry.types import original_name

pytestmark = [pytest.mark.real, pytest.mark.types]


@pytest.fixture(scope="module")
def messages(crossing: Crossing) -> list[bytes]:
    """The rows of the matrix and their keys."""
    loaded = sorted(crossing.records["load"], key=lambda each: bytes(each.key()))
    return [*(each.value() for each in loaded), *(each.key() for each in loaded)]


@pytest.fixture(scope="module")
def texts(messages: list[bytes], registry: RegistryServer) -> dict[int, str]:
    with SchemaRegistryClient(registry.configuration) as client:
        ids = sorted({schema_id_of(message) for message in messages})
        assert len(ids) == 2
        return {number: client.get_schema(number).schema_str or "" for number in ids}


def test_java_and_fastavro_read_the_same_from_each_record_of_the_matrix(
    messages: list[bytes], texts: dict[int, str], tmp_path: Path
) -> None:
    # GIVEN the records, and the schemas as the registry gives them
    schemas = {number: json.loads(text) for number, text in texts.items()}
    parsed = {n: fastavro.parse_schema(plain(schema)) for n, schema in schemas.items()}
    # WHEN each side reads them
    in_java = read_in_java(texts, messages, tmp_path)
    numbers = [schema_id_of(message) for message in messages]
    in_python = [
        cells(datum_of(message, parsed[number]), schemas[number])
        for message, number in zip(messages, numbers, strict=True)
    ]
    # THEN each cell is the same, to the bit
    assert [line.split("\t") for line in in_java] == in_python
    assert len(in_python[0]) == len(EVERY) + 2
    assert sum(cell.endswith("=null") for cell in in_python[0]) == 0


def test_fastavro_reads_the_values_that_lines_have(
    crossing: Crossing, messages: list[bytes], texts: dict[int, str]
) -> None:
    """Where Python has such a value: its dates have no infinity, and end with 9999."""
    # GIVEN the schema, with the logical types of one column at a time
    schema = json.loads(texts[schema_id_of(messages[0])])
    lines = {line[KEY]: line for line in crossing.lines["load"]}
    exact = beyond = 0
    for field in schema["fields"]:
        one = [f if f is field else {**f, "type": plain(f["type"])} for f in schema["fields"]]
        parsed = fastavro.parse_schema({**schema, "fields": one})
        # WHEN it reads the rows, THEN the column has what the line has
        for row, message in enumerate(messages[: crossing.rows]):
            expected = lines[str(row)][original_name(field)]
            try:
                value = datum_of(message, parsed)[field["name"]]
            except (ValueError, OverflowError):
                assert BEYOND.search(json.dumps(expected)), field["name"]
                beyond += 1
            else:
                assert is_same(value, expected, field["type"]), field["name"]
                exact += value is not None
    assert exact > 300
    assert beyond < 40


# ±infinity, years with a sign or zero, the end of the day
BEYOND = re.compile(r'infinity|"[+-]\d{4,}-\d\d-|"0000-|"24:00')


def is_same(value: Any, line: Any, avro: Any) -> bool:
    """Whether what fastavro gives is what the line says; numbers of lines are texts here."""
    match value, avro:
        case _, ["null", only]:
            return value is None if line is None else is_same(value, line, only)
        case list(), {"items": items}:
            return all(is_same(v, e, items) for v, e in zip(value, line, strict=True))
        case dict(), {"fields": fields}:
            names = [(f["name"], original_name(f), f["type"]) for f in fields]
            return all(is_same(value[name], line[known], t) for name, known, t in names)
        case float(), _:
            return form(value, avro) == form(float(line), avro)
        case _:
            return bool(in_a_line(value) == line)


def in_a_line(value: Any) -> Any:
    match value:
        case bool() | dict():
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return f"{value:f}"
        case dt.datetime() | dt.time():
            return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case _:
            return str(value)
