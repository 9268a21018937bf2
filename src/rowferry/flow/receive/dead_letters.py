"""Where records go that cannot be read: as they came, with the reason, durable before we go on."""

import hashlib
from collections.abc import Mapping

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, Transient
from rowferry.flow.receive.contract import Fetched
from rowferry.kafka import made, producer_config, translate

_FLUSH_SECONDS = 30.0
_NO_TOPIC = "UNKNOWN_TOPIC"

log = structlog.get_logger()


class DeadLetters:
    """Writes records to the dead-letter topic; one thread. A crash may write some again.

    Each carries where it came from, so that writing again is recognised.
    """

    def __init__(self, settings: Settings) -> None:
        own = {"enable.idempotence": True, "acks": "all", "linger.ms": 0}
        self._producer = made(Producer, producer_config(settings, own))
        self._template = settings.dead_letter
        self.written = 0

    def write(self, fetched: Fetched, bad: Mapping[int, str]) -> None:
        """Write the bad records (index → reason); they are durable on return.

        Raises Transient, ConfigError where the topic is missing, AccessDenied.
        """
        topic = self._template.format(topic=fetched.raw.topic)
        failed: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        for index, reason in sorted(bad.items()):
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
                raise Transient(
                    Code.KAFKA_CONN, "the producer's queue is full", where=topic
                ) from error
        left = self._producer.flush(_FLUSH_SECONDS)
        if failed and _NO_TOPIC in failed[0].name():
            raise ConfigError(
                Code.TOPIC_GONE,
                "the dead-letter topic does not exist",
                where=topic,
                advice="create it, or name another one in ROWFERRY_DEAD_LETTER",
            )
        if failed:
            raise translate(KafkaException(failed[0]), where=f"dead letters to {topic}")
        if left:
            raise Transient(Code.KAFKA_CONN, "dead letters are not confirmed", where=topic)
        self.written += len(bad)
        log.warning("records.dead_letter", topic=fetched.raw.topic, to=topic, records=len(bad))


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
