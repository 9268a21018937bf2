"""The consumer's effective configuration, as librdkafka says it: the protocol rests on it."""

import logging

import pytest
from confluent_kafka import Consumer

from rowferry.config import Settings
from rowferry.errors import ConfigError
from rowferry.flow.receive.client import consumer_properties

WANTED = {
    "isolation.level": "read_committed",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",
    "check.crcs": "true",
    "allow.auto.create.topics": "false",
    "enable.partition.eof": "true",
    "reconnect.backoff.ms": "1000",
    "fetch.queue.backoff.ms": "5",
    "queued.max.messages.kbytes": "32768",
}


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def effective(settings: Settings, protocol: str) -> dict[str, str]:
    heard = Heard()
    logger = logging.getLogger(f"test.librdkafka.{protocol}")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(heard)
    own = {"debug": "conf", "log_level": 7}
    consumer = Consumer({**consumer_properties(settings, protocol), **own}, logger=logger)
    try:
        consumer.poll(0.05)
    finally:
        consumer.close()
    pairs = (line.rpartition("]: ")[2].partition(" = ") for line in heard.lines if " = " in line)
    return {name.strip(): value for name, _, value in pairs}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_client_is_set_as_the_protocol_needs_it(protocol: str) -> None:
    found = effective(Settings(kafka_server="127.0.0.1:9", session_seconds=30), protocol)
    assert found.items() >= WANTED.items()
    assert found["group.protocol"] == protocol
    assert "group.instance.id" not in found
    of_the_group = {
        name: found.get(name)
        for name in (
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
        )
    }
    if protocol == "classic":
        assert of_the_group == dict(
            zip(of_the_group, ("30000", "7500", "cooperative-sticky"), strict=True)
        )
    else:
        assert set(of_the_group.values()) == {None}, "with KIP-848 they are the broker's"


@pytest.mark.parametrize(
    "name",
    sorted(
        {*WANTED, "group.instance.id", "partition.assignment.strategy", "group.id"}
        - {"fetch.queue.backoff.ms", "queued.max.messages.kbytes"}
    ),
)
def test_nobody_can_set_what_it_rests_on(name: str) -> None:
    settings = Settings(kafka_server="127.0.0.1:9", kafka={name: "1"})
    with pytest.raises(ConfigError, match=name):
        consumer_properties(settings, "classic")
