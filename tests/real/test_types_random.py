"""Random values of every type through the product, the same in every mode, and back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fix_crossing import MODES, Crossing, begin
from fix_stack import KafkaBroker, PostgresServer, RegistryServer
from line_literals import literal_of
from random_literals import RANDOM
from rowferry.types import wire_of

pytestmark = [pytest.mark.real, pytest.mark.types]

EACH = 60  # values a type
DRAWN = settings(
    max_examples=EACH,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def drawn(literals: st.SearchStrategy[str]) -> list[str]:
    found: list[str] = []

    @DRAWN
    @given(literals)
    def take(literal: str) -> None:
        found.append(literal)

    take()
    return found


@pytest.fixture(scope="module")
def crossing(
    postgres: PostgresServer, kafka: KafkaBroker, registry: RegistryServer
) -> Iterator[Crossing]:
    """A column of each type, whose values hypothesis chose."""
    database = postgres.new_database()
    every = {pg_type: drawn(literals) for pg_type, literals in RANDOM.items()}
    with tempfile.TemporaryDirectory(prefix="rowferry-random-") as folder:
        made = begin(database, {**kafka.environ, **registry.environ}, Path(folder), every)
        made.fill()
        made.cross()
        yield made
    postgres.drop_database(database)


def test_every_mode_sends_the_same_bytes_at_random(crossing: Crossing) -> None:
    loaded, polled, scanned = (
        {record.key(): record.value() for record in crossing.records[mode]} for mode in MODES
    )
    assert len(loaded) == crossing.rows > EACH // 2
    assert loaded == polled == scanned


@pytest.mark.parametrize("pg_type", RANDOM)
def test_random_values_come_back_from_the_stage_unchanged(crossing: Crossing, pg_type: str) -> None:
    wire = wire_of(crossing.columns[pg_type])
    values = [line[pg_type] for line in crossing.lines["load"]]
    assert sum(value is not None for value in values) == len(crossing.every[pg_type])
    assert crossing.changed(pg_type, [literal_of(wire, value) for value in values]) == []
