"""What `[kafka]` passes through to librdkafka: anything but the rules that we rest on."""

from collections.abc import Mapping

from rowferry.errors import Code, ConfigError

Value = str | bool | int

# What exactly-once rests on: settings have their own names for it, or nobody may change it.
RULES = frozenset(
    {
        "bootstrap.servers", "security.protocol", "sasl.username", "sasl.password",
        "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification",
        "client.id", "error_cb", "transactional.id", "transaction.timeout.ms",
        "enable.idempotence", "acks", "request.required.acks", "partitioner", "message.max.bytes",
        "group.id", "group.protocol", "group.instance.id", "isolation.level", "enable.auto.commit",
        "session.timeout.ms", "heartbeat.interval.ms",
        "partition.assignment.strategy", "reconnect.backoff.ms", "reconnect.backoff.max.ms",
        "check.crcs", "allow.auto.create.topics",
        "enable.auto.offset.store", "auto.offset.reset", "enable.partition.eof",
    }
)  # fmt: skip

# What the names of librdkafka's secrets have in them, and how those of mere places end.
_SECRETS = ("password", "passphrase", "private.key", "secret", "token", "ssl.key")
_PLACES = (".file", ".location", ".url")


def is_secret_property(name: str) -> bool:
    """Whether the value of a property must never be shown."""
    return any(word in name for word in _SECRETS) and not name.endswith(_PLACES)


def passed_through(properties: Mapping[str, Value]) -> dict[str, Value]:
    """The properties. Raises ConfigError for a rule."""
    for name in properties:
        if name in RULES:
            raise ConfigError(
                Code.CONFIG,
                f"{name} is not for the [kafka] table: exactly-once delivery rests on it,"
                " or a setting has it",
                advice="remove it there",
            )
    return dict(properties)
