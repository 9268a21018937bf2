"""The containers are set up as the local stack's parts are."""

import re
from pathlib import Path

import pytest

from rowferry.stack.kafka import PROPERTIES
from rowferry.stack.postgres import CONFIGURATION

COMPOSE = (Path(__file__).parents[2] / "compose.yaml").read_text()
KAFKA = dict(line.split("=", 1) for line in PROPERTIES.splitlines() if "{" not in line)
OF_ONE_PROCESS = ("log.cleaner.", "num.partitions", "inter.broker.", "listener.", "sasl.")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in KAFKA
        if not name.startswith(OF_ONE_PROCESS) and not name.endswith(".num.partitions")
    ],
)
def test_the_broker_has_the_same_properties(name: str) -> None:
    variable = f"KAFKA_{name.replace('.', '_').upper()}"
    found = re.search(rf"^ +{variable}: (.*)$", COMPOSE, re.MULTILINE)
    assert found is not None, variable
    assert found[1].strip('"') == KAFKA[name]


@pytest.mark.parametrize(
    "name", ["wal_level", "max_prepared_transactions", "max_replication_slots", "max_wal_senders"]
)
def test_the_database_has_the_same_settings(name: str) -> None:
    assert f"- -c{name}={CONFIGURATION[name]}\n" in COMPOSE


def test_every_port_is_published_on_loopback_only() -> None:
    published = re.findall(r"ports: \[(.*)\]", COMPOSE)
    assert len(published) == 3
    assert all(re.fullmatch(r'"127\.0\.0\.1:(\d+):\1"', port) for port in published)
