"""The first user's consumers read on: their subject is met by the settings of examples/products."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import DeserializingConsumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import StringDeserializer
from dotenv import dotenv_values

from fix_cli import Rowferry
from fix_stack import Database, KafkaBroker, RegistryServer

pytestmark = [pytest.mark.real, pytest.mark.types]

EXAMPLE = Path(__file__).parents[2] / "examples" / "products"
TOPIC, SUBJECT = "product_updates", "product_updates-value"
# As the first user registered it, its spaces and the order of its attributes included.
THEIRS = """{
  "namespace": "com.buyonline.products", "type": "record", "name": "Product",
  "fields": [
    {"name": "product_id", "type": "string"},
    {"name": "name", "type": "string"},
    {"name": "category", "type": "string"},
    {"name": "price", "type": "double"},
    {"name": "updated_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}
  ]
}"""
ROWS = "SELECT product_id, name, category, price::float8, updated_timestamp FROM products"


@pytest.fixture
def subjects(kafka: KafkaBroker, registry: RegistryServer) -> Iterator[SchemaRegistryClient]:
    """The registry, and neither topic nor subject of that name, before and after."""
    with SchemaRegistryClient(registry.configuration) as client:
        forget(kafka.admin(), client)
        yield client
        forget(kafka.admin(), client)


def forget(admin: AdminClient, client: SchemaRegistryClient) -> None:
    try:
        admin.delete_topics([TOPIC], operation_timeout=20)[TOPIC].result(30)
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART  # noqa: PT017
    for permanent in (False, True):
        try:
            client.delete_subject(SUBJECT, permanent=permanent)
        except SchemaRegistryError as error:
            assert error.http_status_code == 404  # noqa: PT017


def version_of(registry: RegistryServer) -> tuple[list[int], int | None, str]:
    """The subject's versions, and the id and text of the last one; asked anew."""
    with SchemaRegistryClient(registry.configuration) as client:
        last = client.get_latest_version(SUBJECT)
        return client.get_versions(SUBJECT), last.schema_id, last.schema.schema_str or ""


def consumed(kafka: KafkaBroker, subjects: SchemaRegistryClient, count: int) -> dict[str, Any]:
    """The rows by key, as their program reads them: with their schema, by their library."""
    configuration = {
        **kafka.configuration,
        "group.id": "their-consumers",
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "key.deserializer": StringDeserializer("utf_8"),
        "value.deserializer": AvroDeserializer(subjects, THEIRS),
    }
    found: dict[str, Any] = {}
    with closing(DeserializingConsumer(configuration)) as consumer:
        consumer.subscribe([TOPIC])
        deadline = datetime.now(UTC).timestamp() + 40
        while len(found) < count and datetime.now(UTC).timestamp() < deadline:
            message = consumer.poll(1)
            if message is not None:
                assert message.error() is None
                found[str(message.key())] = message.value()
    return found


def test_their_consumer_reads_our_topic_by_their_own_schema(
    rowferry: Rowferry,
    database: Database,
    kafka: KafkaBroker,
    registry: RegistryServer,
    subjects: SchemaRegistryClient,
) -> None:
    # GIVEN their table, and their schema under its subject before we start
    database.execute((EXAMPLE / "products.sql").read_text())
    subjects.register_schema(SUBJECT, Schema(THEIRS, "AVRO"))
    before = version_of(registry)
    example = {k: v for k, v in dotenv_values(EXAMPLE / "env.example").items() if v}
    environ = {**database.environ, **kafka.environ, **registry.environ, **example}
    shutil.copy(EXAMPLE / "existing-subject.toml", rowferry.folder / "rowferry.toml")
    # WHEN plan is asked, THEN the schema is theirs
    planned = rowferry.run(environ, "plan", "--json")
    assert planned.code == 0, planned.stderr
    [table] = json.loads(planned.stdout)["tables"]
    assert (table["schema"], table["changes"]) == (json.loads(THEIRS), None)
    # WHEN the rows are sent
    sent = rowferry.run(environ, "send", "--once")
    assert sent.code == 0, sent.stderr
    # THEN their program has them as before
    names = ("product_id", "name", "category", "price", "updated_timestamp")
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in database.query(ROWS)}
    for row in rows.values():
        moment = row["updated_timestamp"]
        row["updated_timestamp"] = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert len(rows) == 30
    assert consumed(kafka, subjects, len(rows)) == rows
    # AND the subject has their version alone, under its id, to the letter
    assert version_of(registry) == before
    assert json.loads(before[2]) == json.loads(THEIRS)
