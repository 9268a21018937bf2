"""Settings → librdkafka's properties, and the one translation of its errors into ours."""
# ruff: noqa: SLF001 - librdkafka's own error codes begin with an underscore

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from rowferry.config import Settings
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
from rowferry.kafka_passed import passed_through

Client = TypeVar("Client")

ASK_SECONDS = 10.0  # that an answer of the cluster may take

_DENIED = {
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.ILLEGAL_SASL_STATE,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_FENCING = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
}
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_TOPIC_GONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError.INCONSISTENT_TOPIC_ID,
}
_MISCONFIGURED = {
    KafkaError._INVALID_ARG,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_TRANSACTION_TIMEOUT,
    KafkaError.POLICY_VIOLATION,
}
_DAMAGED = {KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION}
_UNREACHED = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}
_PASSING_IN_LOGIN = ("timed out", "transport", "disconnect", "connection")


class Heard:
    """Why brokers cannot be reached, as the client's error callback says it.

    A call that fails for a wrong password ends in a time-out that does not tell; this does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decisive: KafkaError | None = None
        self._last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take note; called by librdkafka's poll."""
        with self._lock:
            if _is_refusal(error):
                self._decisive = error
            elif error.code() != KafkaError._ALL_BROKERS_DOWN:
                self._last = error

    def forget(self) -> None:
        """Something succeeded: what was heard before no longer explains anything."""
        with self._lock:
            self._decisive = self._last = None

    @property
    def reason(self) -> KafkaError | None:
        """The likeliest reason since the last success."""
        with self._lock:
            return self._decisive or self._last


def producer_config(settings: Settings, own: Mapping[str, Any]) -> dict[str, Any]:
    """Properties of a producer; own: its part's. Raises ConfigError."""
    return _config(settings, own)


def consumer_config(settings: Settings, own: Mapping[str, Any]) -> dict[str, Any]:
    """Properties of a consumer; own: its part's. Raises ConfigError."""
    return _config(settings, own)


def admin_config(settings: Settings, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Properties of an admin client. Raises ConfigError."""
    return _config(settings, own or {})


def made(kind: Callable[[dict[str, Any]], Client], properties: dict[str, Any]) -> Client:
    """A client of these properties. Raises ConfigError where it does not take one of them."""
    try:
        return kind(properties)
    except (KafkaException, TypeError, ValueError) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise _misconfigured(said.strip(), "") from error


def translate(
    error: KafkaException | KafkaError, *, where: str, heard: Heard | None = None
) -> RowferryError:
    """What an error means to us; to be raised `from` it.

    where: the operation and the topic or transactional id. heard: of the client that failed.
    """
    cause = error if isinstance(error, KafkaError) else error.args[0]
    if not isinstance(cause, KafkaError):  # a setting that librdkafka refuses before it starts
        return _misconfigured(str(cause), where)
    code = cause.code()
    if code in _UNREACHED and heard is not None and heard.reason is not None:
        cause = heard.reason
        code = cause.code()
    if code in _DENIED or _is_refusal(cause):
        return _denied(cause, where)
    return _needs_person(cause, where) or _passing(cause, where)


def await_answer(
    future: "Future[Any]",
    where: str,
    heard: Heard,
    poll: Callable[[float], object],
    seconds: float = ASK_SECONDS,
) -> Any:
    """Wait, but only while waiting can help: a refused login is told when it is heard."""
    deadline = time.monotonic() + seconds + 1
    while not future.done():
        poll(0.01)
        reason = heard.reason
        if reason is not None:
            refused = translate(reason, where=where)
            if isinstance(refused, AccessDenied):
                raise refused from KafkaException(reason)
        if time.monotonic() > deadline:
            raise translate(KafkaError(KafkaError._TIMED_OUT), where=where, heard=heard)
    try:
        result = future.result()
    except KafkaException as error:
        raise translate(error, where=where, heard=heard) from error
    heard.forget()
    return result


def _needs_person(cause: KafkaError, where: str) -> RowferryError | None:
    code = cause.code()
    if code in _FENCING:
        return Fenced(
            Code.FENCED,
            "another instance with the same transactional id took over",
            where=where,
            advice="stop one of the two, or give each a ROWFERRY_PIPELINE of its own",
        )
    if code in _TOO_LARGE:
        return Unreadable(
            Code.TOO_LARGE,
            "a message is larger than the topic takes",
            where=where,
            advice="raise the topic's max.message.bytes, or leave the row out with ROWFERRY_FILTER",
        )
    if code in _MISCONFIGURED:
        return _misconfigured(cause.str(), where)
    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return ConfigError(Code.TOPIC_UNFIT, "the topic exists already", where=where)
    if code == KafkaError.OFFSET_OUT_OF_RANGE:
        return DataAtRisk(Code.OFFSET_RESET, "the position is outside of the log", where=where)
    return None


def _passing(cause: KafkaError, where: str) -> Transient:
    said = f"{cause.name()}: {cause.str()}"
    if cause.fatal():  # the idempotent producer lost its sequence: only a new one goes on
        return UnknownOutcome(Code.KAFKA_TXN, said, where=where)
    if cause.code() in _TOPIC_GONE:
        return Transient(Code.TOPIC_GONE, said, where=where, advice="create the topic")
    if cause.txn_requires_abort():
        return Transient(Code.KAFKA_TXN, said, where=where)
    if cause.code() in _DAMAGED:
        advice = "make another replica the leader; where none is whole, move the group behind it"
        return Transient(Code.UNREADABLE, f"the log is damaged: {said}", where=where, advice=advice)
    advice = "see that KAFKA_SERVER is right and reachable"
    return Transient(Code.KAFKA_CONN, said, where=where, advice=advice)


def _denied(cause: KafkaError, where: str) -> AccessDenied:
    advice = "grant the operation to KAFKA_USERNAME"
    if cause.code() in (KafkaError._SSL, KafkaError._AUTHENTICATION):
        advice = "see KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM and KAFKA_SSL_CA"
    return AccessDenied(
        Code.KAFKA_AUTH, f"Kafka refuses: {cause.str()}", where=where, advice=advice
    )


def _misconfigured(said: str, where: str) -> ConfigError:
    return ConfigError(
        Code.CONFIG, said, where=where, advice="see the KAFKA_* settings and the [kafka] table"
    )


def _is_refusal(error: KafkaError) -> bool:
    """Whether trying again cannot help: credentials or a certificate were looked at and refused."""
    said = error.str().lower()
    if error.code() == KafkaError._SSL:
        return "certificate" in said or "verify" in said
    is_login = error.code() == KafkaError._AUTHENTICATION
    return is_login and not any(word in said for word in _PASSING_IN_LOGIN)


def _config(settings: Settings, own: Mapping[str, Any]) -> dict[str, Any]:
    """Ours below what [kafka] passes through, which may not name a rule."""
    return {
        "client.id": "rowferry",
        "log_level": 2,
        "logger": _unheard(),  # what matters comes as an error, and is told once
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 5_000,
        **_transport(settings),
        **own,
        **passed_through(settings.kafka),
    }


def _unheard() -> logging.Logger:
    logger = logging.getLogger("rowferry.librdkafka")
    logger.disabled = True
    return logger


def _transport(settings: Settings) -> dict[str, Any]:
    protocol = settings.kafka_security_protocol
    if protocol is None:
        if not settings.kafka_username and not _is_loopback(settings.kafka_server):
            raise ConfigError(
                Code.CONFIG,
                "KAFKA_SERVER is on another machine, and neither a user nor a transport is set",
                advice="set KAFKA_USERNAME and KAFKA_PASSWORD, or KAFKA_SECURITY_PROTOCOL",
            )
        protocol = "SASL_SSL" if settings.kafka_username else "PLAINTEXT"
    found: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_server,
        "security.protocol": protocol,
    }
    if protocol.startswith("SASL") and settings.kafka_username:
        found["sasl.mechanism"] = settings.kafka_sasl_mechanism
        found["sasl.username"] = settings.kafka_username
        if settings.kafka_password:
            found["sasl.password"] = settings.kafka_password.get_secret_value()
    if protocol.endswith("SSL"):
        found["enable.ssl.certificate.verification"] = True
        found["ssl.endpoint.identification.algorithm"] = "https"
        if settings.kafka_ssl_ca:
            found["ssl.ca.location"] = settings.kafka_ssl_ca
    return found


def _is_loopback(servers: str) -> bool:
    """Whether every bootstrap server is, by its name or address, on this machine."""
    hosts = [server.strip().rpartition(":")[0].strip("[]") for server in servers.split(",")]
    return all(host == "localhost" or _is_loopback_address(host) for host in hosts)


def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
