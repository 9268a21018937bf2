"""What publishing leaves in Kafka: topics, keys' places, positions."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from fix_stack import KafkaBroker
from rowferry.config import Settings
from rowferry.errors import Code, DataAtRisk
from rowferry.flow.publish.producer import KafkaPublisher
from rowferry.model import Messages, ProgressRecord
from rowferry.stop import Stop
from sending.topic import raw_records

pytestmark = pytest.mark.real

TABLE = "public.items"


class Publishing:
    """Publishers of one pipeline; each is closed at the end."""

    def __init__(self, make: Callable[..., Settings]) -> None:
        self._make = make
        self.settings = make()
        self.topic = self.settings.topic_of(TABLE)
        self._made: list[KafkaPublisher] = []

    def open(self, **overrides: Any) -> tuple[KafkaPublisher, dict[str, bytes]]:
        settings = self._make(**overrides)
        kafka = overrides.get("kafka_table")
        if kafka:
            settings = settings.model_copy(update={"kafka": kafka})
        publisher = KafkaPublisher(settings, Stop())
        self._made.append(publisher)
        return publisher, publisher.open({TABLE: self.topic})[TABLE]

    def messages(self, count: int) -> Messages:
        keys: list[bytes | None] = [f"key-{number}".encode() for number in range(count)]
        values: list[bytes | None] = [str(number).encode() for number in range(count)]
        return Messages(self.topic, keys, values)

    def close(self) -> None:
        for publisher in self._made:
            publisher.close()


@pytest.fixture
def publishing(stack_settings: Callable[..., Settings]) -> Iterator[Publishing]:
    made = Publishing(stack_settings)
    yield made
    made.close()


def rules_of(kafka: KafkaBroker, topic: str) -> dict[str, str]:
    admin = kafka.admin()
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(30)
    return {name: entry.value for name, entry in entries.items()}


def test_topics_are_made_with_explicit_settings(publishing: Publishing, kafka: KafkaBroker) -> None:
    publishing.open()
    rows = rules_of(kafka, publishing.topic)
    assert (rows["cleanup.policy"], rows["retention.ms"]) == ("delete", str(168 * 3600 * 1000))
    progress = rules_of(kafka, publishing.settings.progress_topic)
    assert (progress["cleanup.policy"], progress["segment.bytes"]) == ("compact", str(1 << 24))
    listed = kafka.admin().list_topics(timeout=10).topics
    assert len(listed[publishing.topic].partitions) == 4


def java_partition(key: bytes, partitions: int) -> int:
    """Where Java's default partitioner puts a key: MurmurHash2, 32 bits, Kafka's seed."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(key)) & mask
    for at in range(0, len(key) - 3, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = key[len(key) & ~3 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return ((h ^ (h >> 15)) & 0x7FFFFFFF) % partitions


def test_a_key_is_where_javas_clients_would_put_it(publishing: Publishing) -> None:
    publisher, _ = publishing.open()
    publisher.publish(TABLE, publishing.messages(200), [])
    found = raw_records(publishing.settings, publishing.topic)
    assert len(found) == 200
    assert [one.partition() for one in found] == [java_partition(one.key(), 4) for one in found]


def test_nothing_new_is_no_transaction(publishing: Publishing) -> None:
    publisher, _ = publishing.open()
    before = raw_records(publishing.settings, publishing.settings.progress_topic)
    publisher.publish(TABLE, Messages(publishing.topic, [], []), [])
    after = raw_records(publishing.settings, publishing.settings.progress_topic)
    assert len(after) == len(before) == 1  # the owner


def test_a_queue_that_is_full_is_waited_for_and_nothing_is_lost(publishing: Publishing) -> None:
    # GIVEN room for 100 messages
    small = {"queue.buffering.max.messages": "100"}
    publisher, _ = publishing.open(kafka_table=small)

    # WHEN
    publisher.publish(TABLE, publishing.messages(20_000), [ProgressRecord("p", b"1")])

    # THEN
    found = raw_records(publishing.settings, publishing.topic)
    assert sorted(int(one.value()) for one in found) == list(range(20_000))


def test_a_successor_takes_up_the_newest_parts_and_only_its_own(publishing: Publishing) -> None:
    # GIVEN parts written, replaced and removed, and another pipeline with the same table
    publisher, parts = publishing.open()
    assert parts == {}
    none = Messages(publishing.topic, [], [])
    one, two = ProgressRecord("one", b"1"), ProgressRecord("two", b"\x00\xff")
    publisher.publish(TABLE, publishing.messages(1), [one, two, ProgressRecord("three", b"3")])
    publisher.publish(TABLE, none, [ProgressRecord("one", b"11"), ProgressRecord("three", None)])
    other, parts = publishing.open(pipeline="other")
    assert parts == {}
    other.publish(TABLE, none, [ProgressRecord("one", b"other's")])

    # WHEN
    _, parts = publishing.open()

    # THEN, publishing's own parts left out
    assert parts == {"one": b"11", "two": b"\x00\xff"}


def test_a_table_that_got_another_topic_keeps_its_position(publishing: Publishing) -> None:
    publisher, _ = publishing.open()
    publisher.publish(TABLE, publishing.messages(1), [ProgressRecord("one", b"1")])
    publishing.topic += "_elsewhere"
    publisher, parts = publishing.open()
    assert parts == {"one": b"1"}
    publisher.publish(TABLE, publishing.messages(3), [])
    assert len(raw_records(publishing.settings, publishing.topic)) == 3


@pytest.mark.parametrize("is_back", [False, True])
def test_a_progress_topic_that_is_lost_while_in_use_is_no_first_start(
    publishing: Publishing, kafka: KafkaBroker, *, is_back: bool
) -> None:
    # GIVEN a position, and then the topic that keeps it is deleted, or made again by somebody
    publisher, _ = publishing.open()
    publisher.publish(TABLE, publishing.messages(1), [ProgressRecord("one", b"1")])
    topic = publishing.settings.progress_topic
    kafka.delete_topic(topic)
    if is_back:
        kafka.create_topic(topic, 1, cleanup_policy="compact")

    # WHEN the same sender opens it again, as after any trouble
    with pytest.raises(DataAtRisk) as raised:
        publisher.open({TABLE: publishing.topic})

    # THEN a person decides, and the topic is left as it is
    code = Code.TOPIC_RECREATED if is_back else Code.TOPIC_GONE
    assert (raised.value.code, raised.value.where) == (code, f"topic {topic}")
    assert (topic in kafka.admin().list_topics(timeout=10).topics) == is_back
    if is_back:
        assert raw_records(publishing.settings, topic) == []
