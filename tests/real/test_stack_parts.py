"""The local stack's parts are the real ones, set up as the product needs them."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from fix_stack import Database, KafkaBroker, PostgresServer, RegistryServer, new_tag
from rowferry.config import Settings

pytestmark = pytest.mark.real


def test_postgres_decodes_its_log_and_prepares_transactions(postgres: PostgresServer) -> None:
    connection = psycopg2.connect(postgres.dsn)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('wal_level'), current_setting('max_prepared_transactions'), "
            "current_setting('server_version_num')::int / 10000, "
            "current_setting('password_encryption')"
        )
        assert cursor.fetchone() == ("logical", "20", 18, "scram-sha-256")
    connection.close()


def test_the_reader_may_select_and_nothing_else(database: Database) -> None:
    # GIVEN a table made after the role
    database.execute("CREATE TABLE products (product_id text PRIMARY KEY)")
    database.execute("INSERT INTO products VALUES ('p1')")
    # WHEN the reader reads and writes
    connection = psycopg2.connect(database.reader_dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT product_id FROM products")
        # THEN it sees the row, and may not write
        assert cursor.fetchall() == [("p1",)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("INSERT INTO products VALUES ('p2')")
    connection.close()


def test_kafka_carries_transactions_for_who_knows_the_password(kafka: KafkaBroker) -> None:
    # GIVEN a topic and a committed transaction
    topic = kafka.create_topic(new_tag(), 1)
    producer = Producer({**kafka.configuration, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"value", key=b"key")
    producer.commit_transaction(30)
    # WHEN it is read back
    consumer = Consumer({**kafka.configuration, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    # THEN it is there
    assert message is not None
    assert message.error() is None
    assert message.value() == b"value"


def test_kafka_refuses_a_wrong_password(kafka: KafkaBroker) -> None:
    errors: list[KafkaError] = []
    wrong: dict[str, Any] = {
        **kafka.configuration,
        "sasl.password": "wrong",
        "error_cb": errors.append,
        "log_level": 0,
    }
    admin = AdminClient(wrong)
    with pytest.raises(Exception, match=r"_TRANSPORT|_TIMED_OUT|_AUTHENTICATION"):
        admin.list_topics(timeout=3)
    admin.poll(1)
    assert KafkaError._AUTHENTICATION in {error.code() for error in errors}


def test_the_registry_holds_schemas_and_refuses_incompatible_ones(
    registry: RegistryServer,
) -> None:
    # GIVEN a subject
    subject = f"{new_tag()}-value"
    fields = [{"name": "a", "type": "string"}]
    first = {"type": "record", "name": "R", "fields": fields}
    second = {**first, "fields": [*fields, {"name": "b", "type": "string"}]}
    with SchemaRegistryClient(registry.configuration) as client:
        assert client.register_schema(subject, Schema(json.dumps(first), "AVRO")) > 0
        # WHEN a field without a default is added, which cannot read the old records
        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema(subject, Schema(json.dumps(second), "AVRO"))
    # THEN the global level, BACKWARD, forbids it
    assert refused.value.http_status_code == 409


def test_the_registry_refuses_strangers(registry: RegistryServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{registry.url}/subjects", timeout=5)
    refused.value.close()
    assert refused.value.code == 401


def test_a_pipeline_of_its_own_has_valid_settings(
    stack_settings: Callable[..., Settings], database: Database
) -> None:
    settings = stack_settings(tables="public.products")
    assert settings.postgres_db == database.name
    assert settings.tables == ("public.products",)
    assert settings.kafka_sasl_mechanism == "SCRAM-SHA-256"
