"""The obvious consumer: poll(), AvroDeserializer, json.dumps, a gzip file per 10,000 rows.

Run with the pipeline's environment: `python -m bench.peers.consumer TOPIC FOLDER ROWS`.
"""

import gzip
import json
import sys
import uuid
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from bench.peers.shop import kafka_properties, registry_properties

ROWS_A_FILE = 10_000


def plain(value: Any) -> Any:
    """What json cannot write by itself."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value))


def main(topic: str, folder: str, rows: str) -> None:
    """Write so many rows into files of the folder."""
    consumer = Consumer(
        {
            **kafka_properties(),
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    deserializer = AvroDeserializer(SchemaRegistryClient(registry_properties()))
    context = SerializationContext(topic, MessageField.VALUE)
    consumer.subscribe([topic])
    lines: list[str] = []
    left, number = int(rows), 0
    while left:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        row: Any = deserializer(message.value(), context)
        lines.append(json.dumps(row, default=plain))
        left -= 1
        if len(lines) == ROWS_A_FILE or not left:
            path = Path(folder) / f"{number:06d}-{len(lines)}.json.gz"
            path.write_bytes(gzip.compress("\n".join(lines).encode(), 6))
            consumer.commit(asynchronous=False)
            number += 1
            lines.clear()
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
