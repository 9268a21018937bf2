"""What a sender cannot do is said in one line, with the exit code that it has."""

import json
import time
from typing import Any

import pytest
from confluent_kafka.cimpl import NewPartitions
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from fix_sending import Sending
from fix_stack import KafkaBroker, RegistryServer
from rowferry.errors import AccessDenied, ConfigError, DataAtRisk, RetryBudgetSpent

pytestmark = pytest.mark.real


def refusal(sending: Sending, **overrides: Any) -> tuple[int, str]:
    process = sending.start(once=True, **overrides)
    code = process.exit_code(60)
    assert "Traceback" not in "".join(process.errors)
    return code, process.said


def test_an_unreachable_broker_is_tried_for_connect_seconds(sending: Sending) -> None:
    began = time.monotonic()
    code, said = refusal(sending, kafka_server="127.0.0.1:9", connect_seconds=2)
    assert code == RetryBudgetSpent.exit_code
    assert "E_KAFKA_CONN" in said
    assert "KAFKA_SERVER" in said
    assert time.monotonic() - began < 40


def test_a_wrong_kafka_password_is_named_at_once(sending: Sending) -> None:
    began = time.monotonic()
    code, said = refusal(sending, kafka_password="not-this-one")
    assert code == AccessDenied.exit_code
    assert "E_KAFKA_AUTH" in said
    assert "KAFKA_PASSWORD" in said
    assert "not-this-one" not in said
    assert time.monotonic() - began < 15


def test_a_wrong_registry_password_is_named(sending: Sending) -> None:
    code, said = refusal(sending, schema_password="not-this-one")
    assert code == AccessDenied.exit_code
    assert "E_SR_AUTH" in said
    assert "SCHEMA_PASSWORD" in said


def test_a_registry_that_is_down_is_tried_for_connect_seconds(sending: Sending) -> None:
    code, said = refusal(sending, schema_server="http://127.0.0.1:9", connect_seconds=2)
    assert code == RetryBudgetSpent.exit_code
    assert "E_SR_DOWN" in said


def test_a_topic_that_was_created_again_stops_the_sender(
    sending: Sending, kafka: KafkaBroker
) -> None:
    # GIVEN rows in a topic
    sending.finish()
    sending.total += 500

    # WHEN it is deleted and created again
    kafka.delete_topic(sending.topic)
    code, said = refusal(sending)

    # THEN a missing one is not made silently
    assert (code, "E_TOPIC_GONE" in said) == (DataAtRisk.exit_code, True), said

    # AND another one under its name is not taken for it
    kafka.create_topic(sending.topic)
    code, said = refusal(sending)
    assert (code, "E_TOPIC_RECREATED" in said) == (DataAtRisk.exit_code, True), said
    assert sending.numbers() == []


def test_a_progress_topic_that_is_deleted_stops_the_sender_and_repeats_no_row(
    sending: Sending, kafka: KafkaBroker
) -> None:
    # GIVEN a sender that writes all the time
    sending.total, sending.slice_rows = 1_000_000, 20
    running = sending.start()
    running.wait_for("sent", 5)

    # WHEN
    kafka.delete_topic(sending.settings.progress_topic)

    # THEN it does not take what follows for a first start
    assert running.exit_code() == DataAtRisk.exit_code, running.said
    assert "E_TOPIC_GONE" in running.said
    assert sending.settings.progress_topic in running.said
    sending.total = len(sending.numbers())
    sending.check_exact()


def test_added_partitions_stop_the_sender(sending: Sending, kafka: KafkaBroker) -> None:
    sending.finish()
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(sending.topic, 7)])[sending.topic].result(30)
    time.sleep(1)
    code, said = refusal(sending)
    assert (code, "7 partitions" in said) == (DataAtRisk.exit_code, True), said


def test_a_compacted_topic_is_not_written_to(sending: Sending, kafka: KafkaBroker) -> None:
    kafka.create_topic(sending.topic, cleanup_policy="compact")
    code, said = refusal(sending)
    assert (code, "min.compaction.lag.ms" in said) == (ConfigError.exit_code, True), said
    assert sending.numbers() == []


def test_a_progress_topic_that_forgets_is_refused(sending: Sending, kafka: KafkaBroker) -> None:
    kafka.create_topic(sending.settings.progress_topic, 1, cleanup_policy="delete")
    code, said = refusal(sending)
    assert (code, "cleanup.policy=compact" in said) == (ConfigError.exit_code, True), said


def test_two_tables_do_not_share_a_topic(sending: Sending) -> None:
    code, said = refusal(sending, tables="public.items,shop.items", topic="shared")
    assert (code, "share" in said) == (ConfigError.exit_code, True), said


def test_a_schema_that_the_registry_refuses_stops_the_sender(
    sending: Sending, registry: RegistryServer
) -> None:
    # GIVEN a subject in which the key's column is a number
    number = {"name": "id", "type": "long"}
    schema = {"type": "record", "name": "items", "namespace": "rowferry.public", "fields": [number]}
    client = SchemaRegistryClient(registry.configuration)
    client.register_schema(f"{sending.topic}-value", Schema(json.dumps(schema), "AVRO"))
    client.close()

    # WHEN
    code, said = refusal(sending)

    # THEN the difference is told, and nothing is sent
    assert (code, "E_SR_INCOMPATIBLE" in said) == (DataAtRisk.exit_code, True), said
    assert 'column id was "long" and is "string"' in said
    assert sending.numbers() == []
