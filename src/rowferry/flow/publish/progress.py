"""Progress in Kafka: how its records are named, and how the committed ones are read."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from rowferry.config import Settings
from rowferry.errors import Code, DataAtRisk, Transient
from rowferry.flow.publish.topics import TopicFacts
from rowferry.kafka import Heard, consumer_config, made, translate
from rowferry.stop import Stop

PARTITION = 0  # all of it: another number of partitions must not hide what is there
PRIVATE = "@"  # begins the parts that are publishing's own
OWNER = "@owner"
TOPIC = "@topic"
FORMAT = 1

Parts = dict[str, bytes]


def key_of(pipeline: str, table: str, part: str) -> bytes:
    """`pipeline|table|part`, a different text for each three."""
    return "|".join(_escaped(name) for name in (pipeline, table, part)).encode()


def names_of(key: bytes) -> tuple[str, str, str] | None:
    """The pipeline, table and part of a key; None for one that is not of our making."""
    try:
        names = [_unescaped(name) for name in key.decode().split("|")]
    except ValueError:
        return None
    return (names[0], names[1], names[2]) if len(names) == 3 else None  # noqa: PLR2004


def owner_value(owner: str, started: float) -> bytes:
    """Who owns the table: the instance's id, and since when (seconds since the epoch)."""
    return _written({"owner": owner, "started": started})


def owner_of(value: bytes | None, where: str) -> str | None:
    """The owner's id in a record. Raises DataAtRisk (PROGRESS_UNREADABLE)."""
    return None if value is None else str(*_read(value, where, "owner"))


def topic_value(topic: str, facts: TopicFacts) -> bytes:
    """Which creation of which topic the rows went to."""
    return _written({"topic": topic, "id": facts.short_id, "partitions": facts.partitions})


def topic_of(value: bytes | None, where: str) -> tuple[str, TopicFacts] | None:
    """The topic that the rows went to so far. Raises DataAtRisk (PROGRESS_UNREADABLE)."""
    if value is None:
        return None
    topic, short_id, partitions = _read(value, where, "topic", "id", "partitions")
    return str(topic), TopicFacts(str(short_id), int(partitions))


class ProgressReader:
    """Reads what is committed, up to the end that `end` tells.

    The end counts open transactions too. A reader that stops at the last stable offset, which
    another table's open transaction holds back, would take an old position for the newest.
    """

    def __init__(
        self, settings: Settings, end: Callable[[], int], stop: Stop | None = None
    ) -> None:
        self._settings, self._end, self._stop = settings, end, stop or Stop()
        self._topic = settings.progress_topic

    def read(self, tables: Iterable[str]) -> dict[str, Parts]:
        """The newest value of each part of the tables, which are fenced: nothing of theirs is open.

        Raises Transient where others' transactions keep it from being read in time.
        """
        wanted = set(tables)
        found: dict[str, Parts] = {table: {} for table in wanted}
        for key, value in self._committed():
            names = names_of(key)
            if names is None or names[0] != self._settings.pipeline_name or names[1] not in wanted:
                continue
            _, table, part = names
            if value is None:
                found[table].pop(part, None)
            else:
                found[table][part] = value
        return found

    def _committed(self) -> Iterator[tuple[bytes, bytes | None]]:
        end = self._end()
        if end == 0:
            return
        heard = Heard()
        consumer = made(
            Consumer, consumer_config(self._settings, {**_PROPERTIES, "error_cb": heard})
        )
        try:
            # 0 and not "the beginning", which costs half a second to find out
            consumer.assign([TopicPartition(self._topic, PARTITION, 0)])
            yield from self._until(end, consumer, heard)
        except KafkaException as error:
            raise translate(error, where=f"read {self._topic}", heard=heard) from error
        finally:
            consumer.close()

    def _until(
        self, end: int, consumer: Consumer, heard: Heard
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """Read until the end, or until a record behind it: a busy log has no end to wait for."""
        deadline = time.monotonic() + self._settings.transaction_seconds + _GRACE_SECONDS
        while time.monotonic() < deadline and not self._stop.requested:
            for message in consumer.consume(10_000, 0.02):
                error = message.error()
                if error is None:
                    if (message.offset() or 0) >= end:
                        return
                    key, value = message.key(), message.value()
                    if isinstance(key, bytes):
                        yield key, value if isinstance(value, bytes) else None
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    if (message.offset() or 0) >= end:
                        return
                elif not error.retriable():
                    raise KafkaException(error)
        reason = heard.reason
        raise Transient(
            Code.KAFKA_TXN,
            "the progress topic cannot be read to its end"
            + (f": {reason.str()}" if reason else ": a transaction is open there"),
            where=f"{self._topic}, offset {end}",
            advice="it ends by itself after its transaction.timeout.ms",
        )


_GRACE_SECONDS = 30  # brokers look for timed-out transactions every 10 s
_PROPERTIES: Mapping[str, Any] = {
    "group.id": "rowferry-progress",  # required, and never used: nothing is committed
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,
}


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("|", "%7C")


def _unescaped(name: str) -> str:
    return name.replace("%7C", "|").replace("%25", "%")


def _written(record: Mapping[str, object]) -> bytes:
    return json.dumps({"format": FORMAT, **record}, sort_keys=True).encode()


def _read(value: bytes, where: str, *names: str) -> list[Any]:
    """The named fields of a record."""
    try:
        record = json.loads(value)
        is_newer = int(record["format"]) > FORMAT
        fields = [] if is_newer else [record[name] for name in names]
    except (ValueError, KeyError, TypeError) as error:
        raise DataAtRisk(
            Code.PROGRESS_UNREADABLE, "a progress record is damaged", where=where
        ) from error
    if is_newer:
        raise DataAtRisk(
            Code.PROGRESS_UNREADABLE,
            "a newer version of Rowferry wrote the progress",
            where=where,
            advice="run that version",
        )
    return fields
