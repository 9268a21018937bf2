"""Reads a topic as a foreign consumer would: read_committed, fastavro, ids by HTTP."""

import base64
import io
import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from rowferry.config import Settings


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    key: bytes | None
    value: dict[str, Any] | None
    schema_id: int


def read_topic(settings: Settings, topic: str) -> list[Record]:
    """All committed records of the topic, decoded, partition by partition, in offset order."""
    schemas: dict[int, Any] = {}
    return [_record(settings, message, schemas) for message in raw_records(settings, topic)]


def raw_records(settings: Settings, topic: str) -> list[Any]:
    """The same as messages of the client."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_server,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_username or "",
            "sasl.password": secret(settings.kafka_password),
            "group.id": "independent-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 5,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, one, 0) for one in partitions])
        found: list[Any] = []
        ended: set[int | None] = set()
        deadline = time.monotonic() + 60
        while len(ended) < len(partitions):
            assert time.monotonic() < deadline, "an open transaction hides the end"
            for message in consumer.consume(1000, 0.2):
                if message.error():
                    ended.add(message.partition())
                else:
                    found.append(message)
    finally:
        consumer.close()
    return sorted(found, key=lambda message: (message.partition(), message.offset()))


def secret(value: Any) -> str:
    return value.get_secret_value() if value else ""


def _record(settings: Settings, message: Any, schemas: dict[int, Any]) -> Record:
    framed = message.value()
    value: Any = None
    schema_id = 0
    if framed is not None:
        assert framed[0] == 0
        schema_id = int.from_bytes(framed[1:5], "big")
        if schema_id not in schemas:
            schemas[schema_id] = fastavro.parse_schema(_schema(settings, schema_id))
        value = fastavro.schemaless_reader(io.BytesIO(framed[5:]), schemas[schema_id], None)
    return Record(message.partition(), message.offset(), message.key(), value, schema_id)


def _schema(settings: Settings, schema_id: int) -> Any:
    user = f"{settings.schema_username}:{secret(settings.schema_password)}"
    basic = base64.b64encode(user.encode()).decode()
    request = urllib.request.Request(
        f"{settings.schema_server}/schemas/ids/{schema_id}",
        headers={"Authorization": f"Basic {basic}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(json.load(answer)["schema"])
