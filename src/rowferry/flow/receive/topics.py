"""What the cluster says about topics: which creation one is, and where its partitions end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, OffsetSpec

from rowferry.config import Settings
from rowferry.errors import Code, Transient
from rowferry.flow.receive.client import END_OF_PARTITION
from rowferry.flow.receive.ids import short_id
from rowferry.kafka import (
    ASK_SECONDS,
    Heard,
    admin_config,
    await_answer,
    consumer_config,
    made,
    translate,
)
from rowferry.model import Offset, Partition, TopicId

_MOST_LOOKED_AT, _LOOK_SECONDS = 1000, 1.0

Place = tuple[str, Partition]


class Topics:
    """Asks the cluster; any thread. Raises Transient, AccessDenied."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._heard = Heard()
        self._admin = made(AdminClient, admin_config(settings, {"error_cb": self._heard}))
        self._partitions: dict[str, list[int]] = {}

    def ids(self, topics: Iterable[str]) -> dict[str, TopicId]:
        """The topics as they are now. Raises Transient (TOPIC_GONE) for one that is not there."""
        names = list(topics)
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=ASK_SECONDS)
        found = {}
        for name in names:
            description = self._answer(asked[name], name)
            uuid = description.topic_id
            bits = (uuid.get_most_significant_bits(), uuid.get_least_significant_bits())
            found[name] = TopicId(name, short_id(*bits))
            self._partitions[name] = [partition.id for partition in description.partitions]
        return found

    def ends(self, topics: Iterable[str]) -> dict[Place, Offset]:
        """Behind the last committed record of each partition, transactions' markers included."""
        self.ids(topics)
        places = [
            (topic, Partition(partition))
            for topic in topics
            for partition in self._partitions[topic]
        ]
        return self._offsets(places, LatestSpec())  # type: ignore[no-untyped-call]

    def beginning(self, topic: TopicId, partition: Partition) -> Offset:
        """The first offset that a partition's log still holds."""
        place = (topic.topic, partition)
        return self._beginnings([place])[place]

    def committed(self, group: str, places: Iterable[Place]) -> dict[Place, Offset]:
        """The group's positions; -1 where it has none."""
        wanted = [TopicPartition(topic, partition) for topic, partition in places]
        with self._asking(group) as asking:
            found = asking.committed(wanted, timeout=ASK_SECONDS)
        return {_place(place): Offset(max(-1, place.offset)) for place in found}

    def unfinished(self, group: str, ends: Mapping[Place, Offset]) -> set[Place]:
        """The partitions with records before their ends that the group has not completed.

        A position below the end is no proof: aborted records and markers may be all that is left.
        Nor is none at all: whoever owns a partition where nothing is left commits nothing.
        """
        positions = self.committed(group, ends)
        positions |= self._beginnings([place for place, at in positions.items() if at < 0])
        left = {place for place, position in positions.items() if position < ends[place]}
        looked_at: set[Place] = set()
        with self._asking(group) as asking:
            asking.assign([TopicPartition(*place, positions[place]) for place in left])
            for message in asking.consume(_MOST_LOOKED_AT, _LOOK_SECONDS) if left else ():
                place = (message.topic() or "", Partition(message.partition() or 0))
                error = message.error()
                is_end = error is not None and error.code() == END_OF_PARTITION
                if is_end or (error is None and (message.offset() or 0) >= ends[place]):
                    left -= {place} - looked_at
                looked_at.add(place)
        return left

    def _beginnings(self, places: Sequence[Place]) -> dict[Place, Offset]:
        """The first offsets that the partitions' logs still hold."""
        return self._offsets(places, EarliestSpec())  # type: ignore[no-untyped-call]

    def _offsets(self, places: Sequence[Place], spec: OffsetSpec) -> dict[Place, Offset]:
        """Where the partitions' logs begin, or end for readers of committed records."""
        if not places:
            return {}
        asked = self._admin.list_offsets(
            {TopicPartition(*place): spec for place in places},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=ASK_SECONDS,
        )
        return {
            _place(place): Offset(self._answer(answer, place.topic).offset)
            for place, answer in asked.items()
        }

    @contextmanager
    def _asking(self, group: str) -> Iterator[Consumer]:
        """A consumer that knows the group and does not join it.

        librdkafka 2.16's list_consumer_group_offsets() crashes the process where the coordinator
        has moved or is loading; this does not.
        """
        own = {
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "error_cb": self._heard,
        }
        asking = made(Consumer, consumer_config(self._settings, own))
        try:
            yield asking
        except KafkaException as error:
            raise translate(error, where=f"group {group}", heard=self._heard) from error
        finally:
            asking.close()

    def _answer(self, future: "Future[Any]", where: str) -> Any:
        try:
            return await_answer(future, where, self._heard, self._admin.poll)
        except Transient as error:
            if error.code is not Code.TOPIC_GONE:
                raise
            raise Transient(
                Code.TOPIC_GONE,
                "the topic does not exist",
                where=where,
                advice="start the sender, which creates it, or create it",
            ) from error


def _place(found: TopicPartition) -> Place:
    return found.topic, Partition(found.partition)
