"""Settings become librdkafka's properties; what exactly-once rests on cannot be changed."""

from typing import Any

import pytest
from confluent_kafka import Producer

from rowferry.config import Settings
from rowferry.errors import ConfigError
from rowferry.kafka import admin_config, consumer_config, made, producer_config
from rowferry.kafka_passed import RULES


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"kafka_server": "broker.example:9092", **values})


CREDENTIALS = {"kafka_username": "u", "kafka_password": "canary"}


def test_a_user_name_means_tls_with_the_brokers_name_verified() -> None:
    found = producer_config(settings(**CREDENTIALS), {})
    assert found["security.protocol"] == "SASL_SSL"
    assert found["ssl.endpoint.identification.algorithm"] == "https"
    assert found["enable.ssl.certificate.verification"] is True
    assert (found["sasl.username"], found["sasl.password"]) == ("u", "canary")


def test_plain_text_to_another_machine_is_never_a_default() -> None:
    with pytest.raises(ConfigError, match="KAFKA_SECURITY_PROTOCOL"):
        admin_config(settings())
    found = admin_config(settings(kafka_security_protocol="PLAINTEXT"))
    assert found["security.protocol"] == "PLAINTEXT"


@pytest.mark.parametrize("server", ["localhost:9092", "127.0.0.1:1,[::1]:2"])
def test_on_this_machine_plain_text_is(server: str) -> None:
    assert admin_config(settings(kafka_server=server))["security.protocol"] == "PLAINTEXT"


@pytest.mark.parametrize("server", ["localhost:9092,broker.example:9092", "127.0.0.1.example:1"])
def test_a_server_elsewhere_among_them_is_elsewhere(server: str) -> None:
    with pytest.raises(ConfigError):
        admin_config(settings(kafka_server=server))


def test_what_the_kafka_table_passes_through_wins_over_tuning() -> None:
    given = settings(**CREDENTIALS, kafka={"linger.ms": "50", "sasl.mechanism": "OAUTHBEARER"})
    found = producer_config(given, {"linger.ms": 5})
    assert (found["linger.ms"], found["sasl.mechanism"]) == ("50", "OAUTHBEARER")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("no.such.property", "1", "No such configuration property"),
        ("linger.ms", "-1", "outside allowed range"),
        ("delivery.report.only.error", "true", "bool"),
    ],
)
def test_what_the_client_does_not_take_is_told(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(Producer, producer_config(settings(**CREDENTIALS, kafka={name: value}), {}))


def test_numbers_and_truths_are_passed_as_the_file_has_them() -> None:
    given = settings(kafka={"linger.ms": 50, "delivery.report.only.error": True}, **CREDENTIALS)
    found = producer_config(given, {})
    assert (found["linger.ms"], found["delivery.report.only.error"]) == (50, True)


@pytest.mark.parametrize("name", sorted(RULES))
def test_the_kafka_table_cannot_change_a_rule(name: str) -> None:
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
        consumer_config(settings(**CREDENTIALS, kafka={name: "x"}), {})
