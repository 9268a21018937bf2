"""Publishes to Kafka: one owner a table, rows and position in one transaction."""

import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, DataAtRisk, Fenced, RowferryError, UnknownOutcome
from rowferry.flow.publish import progress as records
from rowferry.flow.publish.progress import Parts, ProgressReader
from rowferry.flow.publish.topics import TopicFacts, Topics
from rowferry.flow.publish.transactions import Transactions
from rowferry.model import Messages, ProgressRecord
from rowferry.stop import Stop

log = structlog.get_logger()

SUCCESSOR_SECONDS = 3.0  # how long one who fenced us is given to name itself


class KafkaPublisher:
    """Implements contract.Publisher."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self._settings, self._stop = settings, stop
        self._topics = Topics(settings)
        self._reader = ProgressReader(
            settings, lambda: self._topics.end(settings.progress_topic, records.PARTITION), stop
        )
        self._owner = uuid.uuid4().hex
        self._progress_topic: TopicFacts | None = None  # as of the first open()
        self._transactions: dict[str, Transactions] = {}
        self._notes: dict[str, list[ProgressRecord]] = {}  # travel with the next progress

    def open(self, topics: Mapping[str, str]) -> dict[str, Parts]:
        """See contract.Publisher."""
        _require_own_topics(topics, self._settings.progress_topic)
        self.close()
        facts = self._fence(topics)
        found = self._reader.read(topics)
        for table, parts in found.items():
            self._require_owner(table, parts)
            topic = topics[table]
            self._notes[table] = self._verify(table, topic, parts, facts.get(topic))
        return {table: _public(parts) for table, parts in found.items()}

    def publish(self, table: str, messages: Messages, progress: Sequence[ProgressRecord]) -> None:
        """See contract.Publisher."""
        if not messages.values and not progress:
            return
        try:
            self._transactions[table].run(messages, [*progress, *self._notes[table]])
        except Fenced as fenced:
            raise self._who_fenced(table, fenced) from fenced
        self._notes[table] = []

    def close(self) -> None:
        """See contract.Publisher."""
        for transactions in self._transactions.values():
            transactions.close()
        self._transactions.clear()
        self._notes.clear()

    def _fence(self, topics: Mapping[str, str]) -> dict[str, TopicFacts]:
        """Become the owner of every table, which ends older instances; gives what topics exist."""
        progress_facts = self._topics.progress(self._progress_topic)
        facts = self._topics.describe(topics.values())
        for table, topic in topics.items():
            own = facts.get(topic, progress_facts)  # one yet to be made has the same defaults
            transactions = Transactions(
                self._settings, self._stop, table, topic, (own, progress_facts)
            )
            self._transactions[table] = transactions
            owner = records.owner_value(self._owner, time.time())
            transactions.run(Messages(topic, [], []), [ProgressRecord(records.OWNER, owner)])
        self._progress_topic = progress_facts
        return facts

    def _require_owner(self, table: str, parts: Parts) -> None:
        """See that our own record, which is committed, is there: a read without it is stale."""
        if self._owner_in(table, parts) != self._owner:
            raise Fenced(
                Code.FENCED,
                "another instance started at the same time, and took over",
                where=table,
                advice="leave one of the two running",
            )

    def _verify(
        self, table: str, topic: str, parts: Parts, facts: TopicFacts | None
    ) -> list[ProgressRecord]:
        """See that the topic is the one that the rows went to so far; gives what to note of it."""
        known = records.topic_of(parts.get(records.TOPIC), table)
        if known is not None and known[0] == topic:
            _require_same(table, topic, known[1], facts)
            return []
        if known is not None:
            log.warning("topic.changed", table=table, before=known[0], now=topic)
        facts = facts or self._topics.create(topic)
        return [ProgressRecord(records.TOPIC, records.topic_value(topic, facts))]

    def _who_fenced(self, table: str, fenced: Fenced) -> RowferryError:
        """Another instance, which names itself in progress; or the broker, for our own lateness."""
        deadline = time.monotonic() + SUCCESSOR_SECONDS
        while True:
            parts = self._reader.read([table])[table]
            if self._owner_in(table, parts) != self._owner:
                return fenced
            if time.monotonic() >= deadline or self._stop.wait(0.2):
                return UnknownOutcome(
                    Code.KAFKA_TXN,
                    "the broker aborted our own transaction, which took too long",
                    where=table,
                )

    def _owner_in(self, table: str, parts: Parts) -> str | None:
        return records.owner_of(parts.get(records.OWNER), f"progress of {table}")


def _public(parts: Parts) -> Parts:
    return {part: value for part, value in parts.items() if not part.startswith(records.PRIVATE)}


def _require_own_topics(topics: Mapping[str, str], progress_topic: str) -> None:
    if progress_topic in topics.values():
        what = "rows do not go to the progress topic"
        raise ConfigError(Code.TOPIC_UNFIT, what, where=f"topic {progress_topic}")
    for topic, count in Counter(topics.values()).items():
        if count > 1:
            tables = " and ".join(table for table, its in topics.items() if its == topic)
            raise ConfigError(
                Code.TOPIC_UNFIT,
                f"{tables} would share a topic",
                where=f"topic {topic}",
                advice="put {schema} and {table} in ROWFERRY_TOPIC, or name a topic a table",
            )


def _require_same(table: str, topic: str, known: TopicFacts, facts: TopicFacts | None) -> None:
    """Raises DataAtRisk where rows that were sent may be gone, or their order is lost."""
    advice = (
        "to send all rows again to the topic as it is now, set a ROWFERRY_PIPELINE"
        " that was not used before; else restore the topic"
    )
    if facts is None:
        what = "the topic that rows were sent to is not there any more"
        raise DataAtRisk(Code.TOPIC_GONE, what, where=f"topic {topic}", advice=advice)
    if facts.is_another_than(known):
        what = f"the topic was deleted and created again since rows of {table} were sent"
        raise DataAtRisk(Code.TOPIC_RECREATED, what, where=f"topic {topic}", advice=advice)
    if known.partitions != facts.partitions:
        what = (
            f"the topic has {facts.partitions} partitions and had {known.partitions}:"
            " changes of one row would lose their order"
        )
        raise DataAtRisk(Code.TOPIC_UNFIT, what, where=f"topic {topic}", advice=advice)
