"""A broker without the newer group protocol: the classic one is taken, without being asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fix_receive import Ferry
from fix_stack import KafkaBroker, RegistryServer, part_alone
from rowferry.stack import kafka as kafka_part
from rowferry.stack.kafka import Kafka

pytestmark = pytest.mark.real


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaBroker]:
    properties = f"{kafka_part.PROPERTIES}group.coordinator.rebalance.protocols=classic\n"
    monkeypatch.setattr(kafka_part, "PROPERTIES", properties)
    for stack in part_alone("kafka"):
        part = stack.parts["kafka"]
        assert isinstance(part, Kafka)
        environ = stack.settings()
        yield KafkaBroker(
            environ["KAFKA_SERVER"],
            environ["KAFKA_USERNAME"],
            environ["KAFKA_PASSWORD"],
            part.client_configuration(),
            environ,
        )


def test_the_classic_protocol_is_taken_where_the_broker_has_no_other(
    older: KafkaBroker, registry: RegistryServer, tmp_path: Path
) -> None:
    ferry = Ferry(older, registry, tmp_path)
    try:
        ferry.create(partitions=2)
        ferry.produce(range(100), partitions=2)
        ferry.once()
        ferry.check()

        # a person who asks for the newer one is told
        process = ferry.start("--once", group_protocol="consumer", connect_seconds=1)
        assert process.wait(60) == 2, ferry.log()
        assert "GROUP_PROTOCOL" in ferry.log()
    finally:
        ferry.end()
