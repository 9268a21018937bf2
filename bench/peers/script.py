"""The obvious script: psycopg2 rows, AvroSerializer, produce() a row.

Run as a process with the pipeline's environment: `python -m bench.peers.script TABLE TOPIC`.
"""

import os
import sys
from typing import Any

import psycopg2
import psycopg2.extras
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from bench.peers.shop import SCHEMA, kafka_properties, registry_properties


def main(table: str, topic: str) -> None:
    """Send the whole table, row by row."""
    e = os.environ
    producer = Producer(
        {
            **kafka_properties(),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
        }
    )
    serializer = AvroSerializer(SchemaRegistryClient(registry_properties()), SCHEMA)
    context = SerializationContext(topic, MessageField.VALUE)
    connection = psycopg2.connect(
        host=e["POSTGRES_HOST"],
        port=e["POSTGRES_PORT"],
        user=e["POSTGRES_USER"],
        password=e["POSTGRES_PASSWORD"],
        dbname=e["POSTGRES_DB"],
    )
    failed: list[Any] = []

    def on_delivery(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error)

    with connection.cursor("rows", cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.itersize = 10_000
        cursor.execute(f"SELECT * FROM {table} ORDER BY updated_timestamp, product_id")
        for row in cursor:
            value = serializer(dict(row), context)
            while True:
                try:
                    producer.produce(topic, value, row["product_id"], on_delivery=on_delivery)
                    break
                except BufferError:
                    producer.poll(0.01)
            producer.poll(0)
    producer.flush()
    connection.close()
    if failed:
        raise SystemExit(f"{len(failed)} deliveries failed, first: {failed[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
