"""Topics: which there are, whether they are fit, and making those that are not there."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import IsolationLevel, TopicCollection
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, DataAtRisk, Transient
from rowferry.kafka import ASK_SECONDS, Heard, admin_config, await_answer, made

log = structlog.get_logger()

NO_ID = "00000000"  # where the broker is older than topic ids
DEFAULT_MESSAGE_BYTES = 1_048_588
FEWEST_COMPACTION_LAG_MS = 7 * 24 * 3600 * 1000  # compaction sooner hides changes from receivers
PROGRESS_RULES = {
    "cleanup.policy": "compact",
    "segment.bytes": str(16 * 1024 * 1024),  # the open segment is not compacted, and read whole
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """Which creation of a topic this is, its partitions, and the largest batch it takes."""

    short_id: str
    partitions: int
    most_bytes: int = DEFAULT_MESSAGE_BYTES

    def is_another_than(self, known: "TopicFacts") -> bool:
        """Whether this is another creation; never so where a broker has no ids to tell by."""
        return known.short_id != self.short_id and NO_ID not in (known.short_id, self.short_id)


class Topics:
    """Asks the cluster about topics and makes them. Raises AccessDenied, ConfigError, Transient."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seconds = min(ASK_SECONDS, max(2.0, settings.connect_seconds))
        self._heard = Heard()
        self._admin = made(AdminClient, admin_config(settings, {"error_cb": self._heard}))

    def describe(self, names: Iterable[str]) -> dict[str, TopicFacts]:
        """The topics that exist; those for rows are fit. Raises ConfigError (TOPIC_UNFIT)."""
        found = self._describe(list(names))
        rules = self._rules(found)
        for name, facts in found.items():
            if name != self._settings.progress_topic:
                _require_fit_for_rows(name, rules.get(name, {}))
            limit = rules.get(name, {}).get("max.message.bytes", DEFAULT_MESSAGE_BYTES)
            found[name] = TopicFacts(facts.short_id, facts.partitions, int(limit))
        return found

    def progress(self, known: TopicFacts | None = None) -> TopicFacts:
        """The progress topic. Raises ConfigError (TOPIC_UNFIT).

        known: which one was written to so far; without it, a topic that is not there is made.
        Raises DataAtRisk (TOPIC_GONE, TOPIC_RECREATED) where it is not the known one.
        """
        name = self._settings.progress_topic
        found = self._describe([name]).get(name)
        if known is not None:
            _require_known(name, known, found)
        elif found is None:
            self._create(name, 1, PROGRESS_RULES)
        rules = self._rules([name]).get(name, {})
        if rules.get("cleanup.policy", "compact") != "compact":
            raise ConfigError(
                Code.TOPIC_UNFIT,
                "the progress topic is not compacted: the position would be deleted with age",
                where=f"topic {name}",
                advice=f"kafka-configs.sh --alter --topic {name}"
                " --add-config cleanup.policy=compact",
            )
        facts = self._describe([name])[name]
        limit = int(rules.get("max.message.bytes", DEFAULT_MESSAGE_BYTES))
        return TopicFacts(facts.short_id, facts.partitions, limit)

    def create(self, name: str) -> TopicFacts:
        """Make a topic for rows, with the settings' partitions and retention."""
        retention_ms = round(self._settings.topic_retention_hours * 3_600_000)
        rules = {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}
        self._create(name, self._settings.topic_partitions, rules)
        return self.describe([name])[name]

    def end(self, topic: str, partition: int) -> int:
        """Behind the last record, open transactions and control records included."""
        place = Place(topic, partition)
        asked = self._admin.list_offsets(
            {place: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=self._seconds,
        )
        return int(self._answer(asked[place], f"end of {topic}").offset)

    def _describe(self, names: list[str]) -> dict[str, TopicFacts]:
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=self._seconds)
        found = {}
        for name in names:
            try:
                described = self._answer(asked[name], f"describe topic {name}")
            except Transient as error:
                if error.code is not Code.TOPIC_GONE:
                    raise
                continue
            found[name] = TopicFacts(_short_id(described.topic_id), len(described.partitions))
            if found[name].short_id == NO_ID:
                log.warning("topic.without_id", topic=name, unchecked="whether it is re-created")
        return found

    def _rules(self, names: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """The topics' configurations; none of those that may not be read."""
        resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
        if not resources:
            return {}
        asked = self._admin.describe_configs(
            list(resources.values()), request_timeout=self._seconds
        )
        found: dict[str, Mapping[str, str]] = {}
        for name, resource in resources.items():
            try:
                entries = self._answer(asked[resource], f"describe configuration of {name}")
            except AccessDenied:
                log.warning("topic.unchecked", topic=name, lacks="DescribeConfigs")
                continue
            found[name] = {key: entry.value for key, entry in entries.items()}
        return found

    def _create(self, name: str, partitions: int, rules: dict[str, str]) -> None:
        replicas = self._settings.topic_replication or -1  # -1: the broker's default
        topic = NewTopic(name, partitions, replicas, config=rules)
        asked = self._admin.create_topics([topic], request_timeout=self._seconds)
        try:
            self._answer(asked[name], f"create topic {name}")
        except AccessDenied as error:
            raise AccessDenied(
                Code.KAFKA_AUTH,
                "the topic does not exist, and may not be created",
                where=f"topic {name}",
                advice=f"ask for: {_creation_command(self._settings, name, partitions, rules)}",
            ) from error
        except ConfigError as error:
            if error.code is not Code.TOPIC_UNFIT:  # else another one was faster
                raise
        self._await(name)
        log.info("topic.created", topic=name, partitions=partitions)

    def _await(self, name: str) -> None:
        """Wait until the brokers know what the controller made."""
        deadline = time.monotonic() + self._seconds
        while name not in self._describe([name]):
            if time.monotonic() > deadline:
                raise Transient(Code.KAFKA_CONN, "a created topic does not appear", where=name)
            self._admin.poll(0.05)

    def _answer(self, future: "Future[Any]", where: str) -> Any:
        """The future's result, or at once the reason why there will be none."""
        return await_answer(future, where, self._heard, self._admin.poll, self._seconds)


def _short_id(topic_id: Any) -> str:
    """The first characters of the id in URL-safe base64, as staged files' names have it."""
    if topic_id.get_most_significant_bits() == 0 == topic_id.get_least_significant_bits():
        return NO_ID
    return str(topic_id).replace("+", "-").replace("/", "_")[:8]


def _require_known(name: str, known: TopicFacts, found: TopicFacts | None) -> None:
    """Raises DataAtRisk where the positions are gone: nobody would know what was sent."""
    where = f"topic {name}"
    advice = (
        "restore its records before the next start, or that will send all rows again"
        " to their topics as they are now"
    )
    if found is None:
        what = "the progress topic, which knows what was sent, is not there any more"
        raise DataAtRisk(Code.TOPIC_GONE, what, where=where, advice=advice)
    if found.is_another_than(known):
        what = "the progress topic, which knows what was sent, was deleted and created again"
        raise DataAtRisk(Code.TOPIC_RECREATED, what, where=where, advice=advice)


def _require_fit_for_rows(name: str, rules: Mapping[str, str]) -> None:
    if "compact" not in rules.get("cleanup.policy", "delete"):
        return
    if int(rules.get("min.compaction.lag.ms", "0")) < FEWEST_COMPACTION_LAG_MS:
        raise ConfigError(
            Code.TOPIC_UNFIT,
            "the topic is compacted: changes could vanish before they are received",
            where=f"topic {name}",
            advice=f"kafka-configs.sh --alter --topic {name} --add-config"
            f" min.compaction.lag.ms={FEWEST_COMPACTION_LAG_MS} (or cleanup.policy=delete)",
        )


def _creation_command(
    settings: Settings, name: str, partitions: int, rules: Mapping[str, str]
) -> str:
    words = [
        f"kafka-topics.sh --bootstrap-server {settings.kafka_server} --create --topic {name}",
        f"--partitions {partitions}",
        *(
            [f"--replication-factor {settings.topic_replication}"]
            * bool(settings.topic_replication)
        ),
        *(f"--config {key}={value}" for key, value in rules.items()),
    ]
    return " ".join(words)
