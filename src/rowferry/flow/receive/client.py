"""The consumer's properties, on each of which the protocol of staging rests, and its errors."""
# ruff: noqa: SLF001 - librdkafka's own error codes begin with an underscore

from typing import Any

from confluent_kafka import KafkaError

from rowferry.config import Settings
from rowferry.kafka import consumer_config

_ONCE_WAIT_MS = 10
END_OF_PARTITION = KafkaError._PARTITION_EOF
OUT_OF_RANGE = KafkaError._AUTO_OFFSET_RESET
HELD_UP = KafkaError._MAX_POLL_EXCEEDED
UNSUPPORTED = (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION)
_NO_SUCH_API = ("ConsumerGroupHeartbeat", "not supported")  # said in a fatal error's text
PASSING = (  # the client goes on by itself
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REBALANCE_IN_PROGRESS,
)


def is_unsupported(error: KafkaError) -> bool:
    """Whether the broker does not have the group protocol that was asked for."""
    said = error.str()
    in_text = error.code() == KafkaError._FATAL and all(word in said for word in _NO_SUCH_API)
    return in_text or error.code() in UNSUPPORTED


def consumer_properties(settings: Settings, protocol: str, *, once: bool = False) -> dict[str, Any]:
    """The properties of a group's member; protocol: `consumer` (KIP-848) or `classic`."""
    own: dict[str, Any] = {
        "group.id": settings.group,
        "group.protocol": protocol,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "check.crcs": True,
        "allow.auto.create.topics": False,
        "enable.partition.eof": True,
        "reconnect.backoff.ms": 1000,  # a hidden retry of a lost commit is not a clean commit
        "reconnect.backoff.max.ms": 10_000,
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": 50_000,  # fewer run empty beside the loop, more only take memory
        "queued.max.messages.kbytes": 32_768,
        "max.poll.interval.ms": 300_000,
    }
    if once:  # a log's end is told by the fetch that finds nothing more
        own["fetch.wait.max.ms"] = _ONCE_WAIT_MS
    if protocol == "classic":  # with the other one these are client errors: the broker has them
        own["partition.assignment.strategy"] = "cooperative-sticky"
        own["session.timeout.ms"] = round(settings.session_seconds * 1000)
        own["heartbeat.interval.ms"] = round(settings.session_seconds * 1000 / 4)
    return consumer_config(settings, own)
