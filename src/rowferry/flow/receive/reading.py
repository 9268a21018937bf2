"""A topic read by a consumer of its own, which is in no group and commits nothing."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, DataAtRisk, RetryBudgetSpent, RowferryError
from rowferry.flow.receive import client
from rowferry.flow.receive.messages import raw_records
from rowferry.flow.receive.topics import Topics
from rowferry.kafka import ASK_SECONDS, Heard, consumer_config, made, translate
from rowferry.model import Offset, Partition, RawRecords

Start = Literal["beginning", "end"] | datetime | Mapping[int, int]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_STALL_SECONDS = 10.0


class TopicReading:
    """All partitions of a topic, the records of each in offset order; one thread.

    start: see check_start(); what a mapping does not name is read from the beginning.
    Raises AccessDenied, ConfigError, Transient.
    """

    def __init__(self, settings: Settings, topic: str, start: Start) -> None:
        self._topic, self._heard = topic, Heard()
        ends = Topics(settings).ends([topic])
        self._ends = {partition: end for (_, partition), end in ends.items()}
        self._left = set(self._ends)
        self._failure: RowferryError | None = None
        self._stall_seconds = max(settings.connect_seconds, _LEAST_STALL_SECONDS)
        self._heard_at = time.monotonic()
        self._consumer = made(Consumer, consumer_config(settings, _properties(self._heard)))
        try:
            self._consumer.assign(self._starting_points(start))
        except KafkaException as error:
            self._consumer.close()
            raise translate(error, where=topic, heard=self._heard) from error
        except ConfigError:
            self._consumer.close()
            raise

    @property
    def is_at_end(self) -> bool:
        """Whether all that was committed when reading began has come."""
        return not self._left

    def fetch(self, most: int, seconds: float) -> list[RawRecords]:
        """Wait for records, those of each partition together; what fails comes behind them.

        Raises DataAtRisk for a position that the log does not have, RetryBudgetSpent where nothing
        comes any more before the end, AccessDenied.
        """
        if self._failure is not None:
            raise self._failure
        try:
            messages = self._consumer.consume(most, timeout=seconds)
        except KafkaException as error:
            raise translate(error, where=self._topic, heard=self._heard) from error
        found: dict[Partition, list[Message]] = {}
        for message in messages:
            partition = Partition(message.partition() or 0)
            if not self._heed(message, partition):
                found.setdefault(partition, []).append(message)
            if self._failure is not None:  # what the client makes of damaged bytes comes behind it
                break
        self._heed_silence(any_came=bool(messages))
        return [
            raw_records(self._topic, partition, records) for partition, records in found.items()
        ]

    def close(self) -> None:
        """Leave; nothing was committed."""
        self._consumer.close()

    def _starting_points(self, start: Start) -> list[TopicPartition]:
        places = [TopicPartition(self._topic, partition) for partition in self._ends]
        if isinstance(start, datetime):
            millis = -((_EPOCH - start) // timedelta(milliseconds=1))  # rounded up
            asked = [TopicPartition(p.topic, p.partition, max(millis, 0)) for p in places]
            found = self._consumer.offsets_for_times(asked, timeout=ASK_SECONDS)
            failed = next((place.error for place in found if place.error), None)
            if failed is not None:
                raise KafkaException(failed)
            offsets = {place.partition: place.offset for place in found if place.offset >= 0}
            return [_at(p, offsets.get(p.partition, self._end(p))) for p in places]
        if isinstance(start, str):
            is_end = start == "end"
            return [_at(p, self._end(p) if is_end else OFFSET_BEGINNING) for p in places]
        unknown = sorted(set(start) - set(self._ends))
        if unknown:
            raise ConfigError(
                Code.CONFIG, f"start: there is no partition {unknown[0]}", where=self._topic
            )
        return [_at(p, start.get(p.partition, OFFSET_BEGINNING)) for p in places]

    def _end(self, place: TopicPartition) -> Offset:
        return self._ends[Partition(place.partition)]

    def _heed(self, message: Message, partition: Partition) -> bool:
        """Whether it is no record; where reading cannot go on, keep why for the next fetch."""
        error, offset = message.error(), message.offset() or 0
        if error is None:
            self._note(partition, offset + 1)
            return False
        if error.code() == client.END_OF_PARTITION:
            self._note(partition, offset)
        elif error.code() == client.OUT_OF_RANGE:
            self._failure = DataAtRisk(
                Code.OFFSET_RESET,
                "the position is outside of the log",
                where=f"{self._topic}/{partition}",
                advice="start elsewhere: what lies before the log has expired",
            )
        elif error.code() not in client.PASSING:
            failed = KafkaException(error)
            self._failure = translate(failed, where=self._topic, heard=self._heard)
        return True

    def _note(self, partition: Partition, position: int) -> None:
        if position >= self._ends[partition]:
            self._left.discard(partition)

    def _heed_silence(self, *, any_came: bool) -> None:
        now = time.monotonic()
        if any_came or self.is_at_end:
            self._heard_at = now
        elif now - self._heard_at > self._stall_seconds:
            raise RetryBudgetSpent(
                Code.KAFKA_CONN,
                f"nothing came for {self._stall_seconds:.0f} s, before the end of the topic",
                where=self._topic,
                advice="see that the brokers are reachable; CONNECT_SECONDS is how long to wait",
            )


def check_start(start: Start) -> None:
    """Refuse what is no start: a time without a zone, a negative offset. Raises ConfigError."""
    wrong = None
    if isinstance(start, datetime):
        wrong = "a time without a zone" if start.tzinfo is None else None
    elif isinstance(start, str):
        wrong = None if start in ("beginning", "end") else "neither beginning nor end"
    elif any(offset < 0 for offset in start.values()):
        wrong = "a negative offset"
    if wrong:
        raise ConfigError(Code.CONFIG, f"start: {wrong}")


def _at(place: TopicPartition, offset: int) -> TopicPartition:
    return TopicPartition(place.topic, place.partition, offset)


def _properties(heard: Heard) -> dict[str, object]:
    return {
        "group.id": f"rowferry-read-{uuid.uuid4().hex}",  # the client wants one; it never joins
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "check.crcs": True,
        "allow.auto.create.topics": False,
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 32_768,
        "error_cb": heard,
    }
