"""An independent read of topics: a consumer of its own, read_committed, that commits nothing."""

import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from rowferry.config import Settings
from rowferry.errors import Code, Transient
from rowferry.flow.receive.topics import Topics
from rowferry.kafka import consumer_config, made, translate
from rowferry.model import Offset, Partition, TopicId

_ASK_SECONDS = 10.0
_STALL_SECONDS = 60.0
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the broker has it; timestamp in milliseconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


@dataclass(frozen=True, slots=True)
class Log:
    """A partition as it is now: records from low on, and where readers of committed data end."""

    topic: TopicId
    partition: Partition
    low: int
    high: int

    @property
    def where(self) -> str:
        """The partition, for people."""
        return f"{self.topic.topic}[{self.partition}]"


class TopicReader:
    """Reads whole partitions, one at a time; one thread.

    Raises Transient where the brokers do not answer, or do not have the topic.
    """

    def __init__(self, settings: Settings) -> None:
        self._topics = Topics(settings)
        own = {
            "group.id": f"rowferry-proof-{uuid.uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "allow.auto.create.topics": False,
        }
        self._consumer = made(Consumer, consumer_config(settings, own))

    def logs(self, topic: str) -> list[Log]:
        """The partitions of a topic."""
        topic_id = self._topics.ids([topic])[topic]
        ends = self._topics.ends([topic])
        try:
            return [
                Log(topic_id, partition, self._low(topic, partition), end)
                for (_, partition), end in sorted(ends.items())
            ]
        except KafkaException as error:
            raise translate(error, where=topic) from error

    def logs_if_there(self, topic: str) -> list[Log]:
        """The partitions of a topic; none where nobody has created it yet."""
        try:
            return self.logs(topic)
        except Transient as error:
            if error.code is not Code.TOPIC_GONE:
                raise
            return []

    def committed(self, group: str, logs: list[Log]) -> Mapping[tuple[str, Partition], Offset]:
        """The group's committed positions; -1 where it has none."""
        return self._topics.committed(group, [(log.topic.topic, log.partition) for log in logs])

    def records(self, log: Log, start: int | None = None) -> Generator[Record, None, None]:
        """The committed records of a partition from `start`, or all, to the end it has now."""
        place = TopicPartition(
            log.topic.topic, log.partition, log.low if start is None else max(start, log.low)
        )
        if place.offset >= log.high:
            return
        self._consumer.assign([place])
        try:
            yield from self._until_end(log)
        except KafkaException as error:
            raise translate(error, where=log.where) from error
        finally:
            self._consumer.unassign()

    def close(self) -> None:
        """Leave; nothing was committed."""
        self._consumer.close()

    def _until_end(self, log: Log) -> Iterator[Record]:
        heard = time.monotonic()
        while True:
            for message in self._consumer.consume(_BATCH, 0.2):
                heard = time.monotonic()
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    return
                if error is not None:
                    raise KafkaException(error)
                offset = message.offset()
                if offset is None or offset >= log.high:
                    return
                _, timestamp = message.timestamp()
                yield Record(offset, message.key(), message.value(), timestamp)
            if time.monotonic() - heard > _STALL_SECONDS:
                raise Transient(Code.KAFKA_CONN, "no record came for a minute", where=log.where)

    def _low(self, topic: str, partition: Partition) -> Offset:
        low, _ = self._consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_ASK_SECONDS
        )
        return Offset(low)
