"""The consumer's effective configuration, as librdkafka says it: the protocol rests on it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from rowferry.config import Settings
from rowferry.errors import ConfigError, DataAtRisk
from rowferry.flow.publish.progress import ProgressReader
from rowferry.flow.receive import reading
from rowferry.flow.receive.client import consumer_properties
from rowferry.flow.receive.consumer import GroupMembership
from rowferry.flow.receive.reading import TopicReading
from rowferry.flow.receive.topics import Topics
from rowferry.model import TopicId
from rowferry.proof.topic import TopicReader
from rowferry.sources import load_settings

WANTED = {
    "isolation.level": "read_committed",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",
    "check.crcs": "true",
    "allow.auto.create.topics": "false",
    "enable.partition.eof": "true",
    "reconnect.backoff.ms": "1000",
    "reconnect.backoff.max.ms": "10000",
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
        {*WANTED, "group.instance.id", "partition.assignment.strategy", "group.id"}.union(
            {"session.timeout.ms", "heartbeat.interval.ms"}
        )
        - {"fetch.queue.backoff.ms", "queued.max.messages.kbytes"}
    ),
)
def test_nobody_can_set_what_it_rests_on(name: str) -> None:
    settings = Settings(kafka_server="127.0.0.1:9", kafka={name: "1"})
    with pytest.raises(ConfigError, match=name):
        consumer_properties(settings, "classic")


# --- What the client refuses


def join(settings: Settings, protocol: str) -> GroupMembership:
    def ignored(_owned: object) -> None:
        return

    return GroupMembership(
        consumer_properties(settings, protocol),
        {"t": TopicId("t", "AbC-_123")},
        from_end=False,
        held=False,
        on_revoke=ignored,
        on_lost=ignored,
    )


WAYS: dict[str, Callable[[Settings], object]] = {
    "classic member": lambda settings: join(settings, "classic"),
    "member": lambda settings: join(settings, "consumer"),
    "positions": lambda settings: Topics(settings).committed("g", []),
    "reading": lambda settings: TopicReading(settings, "t", "beginning"),
    "progress": lambda settings: ProgressReader(settings, lambda: 1).read(["public.t"]),
    "proof": TopicReader,
}


REFUSED = {"max.poll.interval.ms": 30_000, "fetch.max.bytes": 1000}
TAKEN = ("member", "max.poll.interval.ms")  # its session is the broker's, so it has no bound


@pytest.mark.parametrize(
    ("way", "name"), [(way, name) for way in WAYS for name in REFUSED if (way, name) != TAKEN]
)
def test_what_the_client_refuses_is_told_as_a_setting_whoever_makes_it(
    monkeypatch: pytest.MonkeyPatch, way: str, name: str
) -> None:
    # GIVEN properties that the client does not take together with its others
    settings = Settings(kafka_server="127.0.0.1:9", kafka={name: REFUSED[name]})

    class End:
        def __init__(self, _settings: Settings) -> None:
            self.ends = lambda _topics: {("t", 0): 1}

    monkeypatch.setattr(reading, "Topics", End)
    # WHEN, THEN
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
        WAYS[way](settings)


def test_a_session_is_at_most_as_long_as_the_client_takes(tmp_path: Path) -> None:
    longest = {"KAFKA_SERVER": "127.0.0.1:9", "ROWFERRY_SESSION_SECONDS": "300"}
    settings = load_settings(environ=longest, folder=tmp_path).settings
    assert effective(settings, "classic")["session.timeout.ms"] == "300000"
    longer = {**longest, "ROWFERRY_SESSION_SECONDS": "301"}
    with pytest.raises(ConfigError, match="ROWFERRY_SESSION_SECONDS"):
        load_settings(environ=longer, folder=tmp_path)


class Away:
    """A client with a partition whose position is outside of the log, and no broker any more."""

    def __init__(self, _properties: dict[str, Any]) -> None:
        error = KafkaError(KafkaError._AUTO_OFFSET_RESET)
        late = Message(topic="t", partition=0, offset=7, error=error)
        self._polls: list[list[Message]] = [[], [late]]

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        callbacks["on_assign"](self, [TopicPartition(topics[0], 0)])

    def committed(self, places: list[TopicPartition], **_: float) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, 7) for place in places]

    def incremental_assign(self, _places: list[TopicPartition]) -> None:
        return

    def consume(self, _most: int, **_: float) -> list[Message]:
        return self._polls.pop(0)

    def get_watermark_offsets(self, _place: TopicPartition, **_: float) -> tuple[int, int]:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def test_lost_records_are_told_though_no_broker_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rowferry.flow.receive.consumer.Consumer", Away)
    membership = join(Settings(kafka_server="127.0.0.1:9"), "consumer")
    assert len(membership.poll(1, 0.1).arrived) == 1
    with pytest.raises(DataAtRisk, match="offset 7 is not in the log") as raised:
        membership.poll(1, 0.1)
    assert raised.value.where == "t/0"
