"""Where records go that cannot be read: as they came, with the reason, durable before we go on."""

import hashlib
from collections.abc import Mapping

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, RowferryError, Transient, Unreadable
from rowferry.flow.receive.contract import Fetched
from rowferry.kafka import made, producer_config, translate

_FLUSH_SECONDS = 30.0
_NO_TOPIC = "UNKNOWN_TOPIC"
_MOST_BYTES = 1_000_000_000  # librdkafka's own maximum: how much is too much, the topic says

log = structlog.get_logger()


class DeadLetters:
    """Writes records to the dead-letter topic; one thread. A crash may write some again.

    Each carries where it came from, so that writing again is recognised.
    """

    def __init__(self, settings: Settings) -> None:
        own = {"enable.idempotence": True, "acks": "all", "linger.ms": 0}
        own["message.max.bytes"] = _MOST_BYTES
        self._producer = made(Producer, producer_config(settings, own))
        self._template = settings.dead_letter
        self.written = 0

    def write(self, fetched: Fetched, bad: Mapping[int, str]) -> None:
        """Write the bad records (index → reason); they are durable on return.

        Raises Transient, ConfigError where the topic is missing, AccessDenied, and Unreadable for
        a record that is larger than the topic takes.
        """
        topic = self._template.format(topic=fetched.raw.topic)
        failed: dict[int, KafkaError] = {}
        for index, reason in sorted(bad.items()):
            self._produce(topic, fetched, index, reason, failed)
        left = self._producer.flush(_FLUSH_SECONDS)
        if failed:  # those that went together fail together, and the largest is why
            largest = max(failed, key=lambda index: _size(fetched, index))
            raise _meaning(KafkaException(failed[largest]), topic, fetched, largest)
        if left:
            raise Transient(Code.KAFKA_CONN, "dead letters are not confirmed", where=topic)
        self.written += len(bad)
        log.warning("records.dead_letter", topic=fetched.raw.topic, to=topic, records=len(bad))

    def _produce(
        self, topic: str, fetched: Fetched, index: int, reason: str, failed: dict[int, KafkaError]
    ) -> None:
        """Hand a record to the client; failed: where its delivery notes what went wrong."""

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed[index] = error

        try:
            self._producer.produce(
                topic,
                fetched.raw.values[index],
                fetched.raw.keys[index],
                headers=[*fetched.headers(index), *_origin(fetched, index, reason)],
                on_delivery=on_delivery,
            )
        except BufferError as error:
            self._producer.flush(_FLUSH_SECONDS)
            raise Transient(Code.KAFKA_CONN, "the producer's queue is full", where=topic) from error
        except KafkaException as error:
            raise _meaning(error, topic, fetched, index) from error


def _meaning(error: KafkaException, topic: str, fetched: Fetched, index: int) -> RowferryError:
    if _NO_TOPIC in error.args[0].name():
        return ConfigError(
            Code.TOPIC_GONE,
            "the dead-letter topic does not exist",
            where=topic,
            advice="create it, or name another one in ROWFERRY_DEAD_LETTER",
        )
    found = translate(error, where=f"dead letters to {topic}")
    if not isinstance(found, Unreadable):
        return found
    return Unreadable(
        found.code,
        f"a record that cannot be read, of {_size(fetched, index):,} bytes, is larger than"
        f" {topic} takes",
        where=f"{fetched.owned.where} offset {fetched.raw.offsets[index]}",
        advice=f"raise max.message.bytes of {topic}, or name another topic in ROWFERRY_DEAD_LETTER",
    )


def _size(fetched: Fetched, index: int) -> int:
    return sum(len(part or b"") for part in (fetched.raw.keys[index], fetched.raw.values[index]))


def _origin(fetched: Fetched, index: int, reason: str) -> list[tuple[str, bytes]]:
    raw = fetched.raw
    digest = hashlib.sha256(raw.values[index] or b"").hexdigest()
    return [
        ("rowferry.topic", raw.topic.encode()),
        ("rowferry.partition", str(raw.partition).encode()),
        ("rowferry.offset", str(raw.offsets[index]).encode()),
        ("rowferry.reason", reason.encode()),
        ("rowferry.sha256", digest.encode()),
    ]
