"""Every type through the product itself: the same in every mode, and back from the staged file."""

import pytest

from fix_crossing import EVERY, KEY, MODES, Crossing
from line_literals import literal_of
from rowferry.types import wire_of
from type_literals import WITHOUT_LITERALS

pytestmark = [pytest.mark.real, pytest.mark.types]

BUILT_IN = """
SELECT typname, format_type(oid, NULL) FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
   AND typtype IN ('b', 'r', 'm', 'e', 'd') AND typrelid = 0 AND typcategory <> 'A'
"""


def test_no_built_in_type_is_left_out(crossing: Crossing) -> None:
    # GIVEN the types that the server knows, THEN each has its literals
    known = {name.partition("(")[0] for name in EVERY}
    types = crossing.database.query(BUILT_IN)
    assert len(types) >= 80
    lacking = {name for name, text in types if name not in known and text not in known}
    assert lacking == WITHOUT_LITERALS | {"bpchar"}  # char(n) in the server's own words
    assert sum(len(literals) for literals in EVERY.values()) > 300


def test_every_mode_sends_the_same_bytes(crossing: Crossing) -> None:
    # GIVEN the same rows, by the initial load, by a poll and by a full scan
    loaded, polled, scanned = (crossing.records[mode] for mode in MODES)
    # THEN each record is the same to the byte: key, schema id, value
    assert len(loaded) == crossing.rows
    in_order = [{record.key(): record.value() for record in part} for part in (polled, scanned)]
    assert {record.key(): record.value() for record in loaded} == in_order[0] == in_order[1]


def test_every_mode_stages_the_same_lines(crossing: Crossing) -> None:
    lines = [
        [{n: v for n, v in line.items() if n not in ("_offset", "_timestamp")} for line in part]
        for part in crossing.lines.values()
    ]
    assert lines[0] == lines[1] == lines[2]
    assert [line[KEY] for line in lines[0]] == [str(row) for row in range(crossing.rows)]


@pytest.mark.parametrize("name", EVERY)
def test_postgres_takes_each_staged_value_back_as_it_was(crossing: Crossing, name: str) -> None:
    # GIVEN the lines of the stage
    wire = wire_of(crossing.columns[name])
    values = [line[name] for line in crossing.lines["load"]]
    # THEN those without a literal are NULL, and all others what the literal was
    literals = EVERY[name]
    assert len(values) > len(literals)
    assert all(value is not None for value in values[: len(literals)])
    assert all(value is None for value in values[len(literals) :])
    assert crossing.changed(name, [literal_of(wire, value) for value in values]) == []
