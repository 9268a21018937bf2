"""Every error of librdkafka has a meaning in our tree, and none carries a secret."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from rowferry.errors import (
    AccessDenied,
    Code,
    ConfigError,
    DataAtRisk,
    Fenced,
    RowferryError,
    Transient,
    UnknownOutcome,
    Unreadable,
)
from rowferry.kafka import Heard, translate

REFUSED = "SASL authentication error: Authentication failed: Invalid username or password"
CASES: list[tuple[int, str, type[RowferryError], Code]] = [
    (KafkaError._AUTHENTICATION, REFUSED, AccessDenied, Code.KAFKA_AUTH),
    (KafkaError.TOPIC_AUTHORIZATION_FAILED, "no", AccessDenied, Code.KAFKA_AUTH),
    (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no", AccessDenied, Code.KAFKA_AUTH),
    (KafkaError._SSL, "certificate verify failed", AccessDenied, Code.KAFKA_AUTH),
    (KafkaError._SSL, "handshake: connection reset by peer", Transient, Code.KAFKA_CONN),
    (KafkaError._AUTHENTICATION, "SASL: request timed out", Transient, Code.KAFKA_CONN),
    (KafkaError._TRANSPORT, "disconnected", Transient, Code.KAFKA_CONN),
    (KafkaError._TIMED_OUT, "late", Transient, Code.KAFKA_CONN),
    (KafkaError._RESOLVE, "unknown name", Transient, Code.KAFKA_CONN),
    (KafkaError.NOT_ENOUGH_REPLICAS, "isr", Transient, Code.KAFKA_CONN),
    (KafkaError.UNKNOWN_TOPIC_OR_PART, "gone", Transient, Code.TOPIC_GONE),
    (KafkaError._FENCED, "newer", Fenced, Code.FENCED),
    (KafkaError.INVALID_PRODUCER_EPOCH, "older", Fenced, Code.FENCED),
    (KafkaError.MSG_SIZE_TOO_LARGE, "large", Unreadable, Code.TOO_LARGE),
    (KafkaError._INVALID_ARG, 'No such configuration property: "x"', ConfigError, Code.CONFIG),
    (KafkaError.TOPIC_ALREADY_EXISTS, "there", ConfigError, Code.TOPIC_UNFIT),
    (KafkaError.OFFSET_OUT_OF_RANGE, "far", DataAtRisk, Code.OFFSET_RESET),
]


@pytest.mark.parametrize(("number", "said", "meant", "code"), CASES)
def test_an_error_has_one_meaning(
    number: int, said: str, meant: type[RowferryError], code: Code
) -> None:
    found = translate(KafkaException(KafkaError(number, said)), where="here")
    assert (type(found), found.code, found.where) == (meant, code, "here")


def test_a_broken_sequence_needs_a_new_producer() -> None:
    broken = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "gap", fatal=True)
    assert isinstance(translate(broken, where="here"), UnknownOutcome)


def test_an_aborted_transaction_is_tried_again() -> None:
    aborted = KafkaError(KafkaError._TIMED_OUT, "no", txn_requires_abort=True)
    found = translate(aborted, where="here")
    assert (type(found), found.code) == (Transient, Code.KAFKA_TXN)


def test_a_time_out_is_explained_by_what_was_heard() -> None:
    # GIVEN a client that heard of a wrong password, and then that all brokers are down
    heard = Heard()
    heard(KafkaError(KafkaError._AUTHENTICATION, REFUSED))
    heard(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all down"))
    late = KafkaException(KafkaError(KafkaError._TIMED_OUT, "late"))

    # THEN that is why it timed out
    assert isinstance(translate(late, where="here", heard=heard), AccessDenied)

    # UNLESS something succeeded since
    heard.forget()
    assert isinstance(translate(late, where="here", heard=heard), Transient)


def test_an_unresolved_name_is_told_instead_of_the_time_out() -> None:
    heard = Heard()
    heard(KafkaError(KafkaError._RESOLVE, "Failed to resolve 'nowhere:9092'"))
    late = KafkaException(KafkaError(KafkaError._TRANSPORT, "down"))
    assert "nowhere:9092" in str(translate(late, where="here", heard=heard))
