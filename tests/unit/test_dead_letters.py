"""What the client does not take into the dead-letter topic has a meaning, and a place."""

from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import KafkaError, KafkaException

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, RowferryError, Transient, Unreadable
from rowferry.flow.receive import dead_letters
from rowferry.flow.receive.contract import Fetched, Owned
from rowferry.flow.receive.dead_letters import DeadLetters
from rowferry.model import Offset, Partition, RawRecords, TopicId


class Refusing:
    """A client that takes no record."""

    error = KafkaError.MSG_SIZE_TOO_LARGE

    def __init__(self, _properties: dict[str, Any]) -> None:
        return

    def produce(self, *_: object, **__: object) -> None:
        raise KafkaException(KafkaError(self.error))


def fetched() -> Fetched:
    owned = Owned(TopicId("orders", "AbC-_123"), Partition(3), Offset(40), None)
    numbers = pa.array([40, 41], pa.int64())
    raw = RawRecords(
        "orders", Partition(3), [None, b"k"], [b"", b"12345"], numbers, numbers, Offset(42)
    )
    return Fetched(owned, raw, lambda _: [])


@pytest.mark.parametrize(
    ("error", "meant", "code"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Unreadable, Code.TOO_LARGE),
        (KafkaError._UNKNOWN_TOPIC, ConfigError, Code.TOPIC_GONE),
        (KafkaError._TRANSPORT, Transient, Code.KAFKA_CONN),
    ],
)
def test_a_record_that_the_client_refuses_at_once_is_told_as_one_that_the_broker_refuses(
    monkeypatch: pytest.MonkeyPatch, error: int, meant: type[RowferryError], code: Code
) -> None:
    monkeypatch.setattr(dead_letters, "Producer", Refusing)
    monkeypatch.setattr(Refusing, "error", error)
    letters = DeadLetters(Settings(kafka_server="127.0.0.1:9"))
    with pytest.raises(meant) as raised:
        letters.write(fetched(), {1: "no magic byte"})
    assert raised.value.code is code
    if code is Code.TOO_LARGE:
        assert raised.value.where == "orders/3 offset 41"
        assert "6 bytes" in raised.value.what
    assert letters.written == 0
