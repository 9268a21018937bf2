"""The consumer group: who owns a partition, what comes from it, and the one place that commits."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress
from operator import not_
from typing import Any

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from rowferry.errors import Code, DataAtRisk, RowferryError
from rowferry.flow.receive import client
from rowferry.flow.receive.contract import Fetched, MembershipOver, Owned, Polled
from rowferry.flow.receive.messages import by_partition, headers_of, raw_records
from rowferry.flow.receive.register import Register
from rowferry.kafka import made, translate
from rowferry.model import Offset, Partition, TopicId

CLEAN_COMMIT_SECONDS = 0.5  # librdkafka's hidden retry of a lost request takes longer
_ASSIGN_SECONDS = 10.0


class ProtocolUnsupported(MembershipOver):
    """The broker does not have the group protocol that was asked for."""


class GroupMembership:
    """A membership by librdkafka; see the contract.

    held: partitions come paused, to start where only resume() says. on_revoke is called with
    partitions that are about to be taken away in an orderly way, and may still commit them;
    on_lost with those that are gone.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topics: Mapping[str, TopicId],
        *,
        from_end: bool,
        held: bool,
        on_revoke: Callable[[list[Owned]], None],
        on_lost: Callable[[list[Owned]], None],
    ) -> None:
        self._topics = topics
        self._from_end, self._held = from_end, held
        self._on_revoke, self._on_lost = on_revoke, on_lost
        self._owned: dict[tuple[str, int], Owned] = {}
        self._arrived: list[Owned] = []
        self._resumed: set[Owned] = set()
        self._failure: RowferryError | None = None
        self._closing = False
        self._committing = ThreadPoolExecutor(1, "commit")
        self._consumer = made(Consumer, dict(properties))
        self._consumer.subscribe(
            list(topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def poll(self, most: int, seconds: float) -> Polled:
        """Consume once; the callbacks run inside, so ownership is looked up afterwards."""
        before = set(self._owned)
        try:
            messages = self._consumer.consume(most, timeout=seconds)
        except KafkaException as error:
            raise self._ended(error.args[0]) from error
        if self._failure is not None:
            raise self._failure
        arrived, self._arrived = self._arrived, []
        polled = Polled([owned for owned in arrived if self._is_owned(owned)])
        for place, found in by_partition(messages).items():
            owned = self._owned.get(place)
            if owned is None:
                self._heed_errors(found, owned)
            elif owned in polled.arrived and place in before:
                raise self._over(f"{owned.where} went and came again in one poll")
            else:
                polled.fetched.append(self._fetched(owned, found))
        return polled

    def commit(self, owned: Owned, register: Register) -> Future[None]:
        """Commit in the committing thread, alone in its request, behind those before it."""
        return self._committing.submit(self._commit, owned, register)

    def _commit(self, owned: Owned, register: Register) -> None:
        if self._failure is not None or self._closing or not self._is_owned(owned):
            raise self._over(f"{owned.where} is no longer owned")
        topic, partition = owned.topic.topic, owned.partition
        wanted = TopicPartition(topic, partition, register.position, register.metadata)
        started = time.monotonic()
        try:
            answers = self._consumer.commit(offsets=[wanted], asynchronous=False)
        except KafkaException as error:
            raise self._over(f"the commit failed: {error.args[0].name()}", error) from error
        seconds = time.monotonic() - started
        failed = [answer.error for answer in answers or () if answer.error]
        if failed:
            raise self._over(f"the commit failed: {failed[0].name()}")
        if seconds > CLEAN_COMMIT_SECONDS:
            raise self._over(f"the commit took {seconds:.1f} s")

    def resume(self, owned: Owned, position: Offset) -> None:
        """Resume; seeks only where fetching was to start elsewhere."""
        here = TopicPartition(owned.topic.topic, owned.partition, position)
        try:
            if owned not in self._resumed and position != owned.start:
                self._consumer.seek(here)
            self._resumed.add(owned)
            self._consumer.resume([here])
        except KafkaException as error:
            raise self._over(f"cannot resume {owned.where}: {error.args[0].name()}") from error

    def pause(self, owned: Owned) -> None:
        """Pause; what librdkafka has fetched ahead is fetched again later."""
        try:
            self._consumer.pause([TopicPartition(owned.topic.topic, owned.partition)])
        except KafkaException as error:
            raise self._over(f"cannot pause {owned.where}: {error.args[0].name()}") from error

    def close(self) -> None:
        """Leave; the callbacks that leaving causes do nothing."""
        self._closing = True
        self._committing.shutdown()
        self._owned.clear()
        self._consumer.close()

    def _is_owned(self, owned: Owned) -> bool:
        return self._owned.get((owned.topic.topic, owned.partition)) is owned

    def _over(self, reason: str, cause: KafkaException | None = None) -> RowferryError:
        """End the membership; AccessDenied where the broker says so."""
        over: RowferryError = MembershipOver(Code.KAFKA_CONN, reason)
        if cause is not None:
            meant = translate(cause, where="commit of offsets")
            over = meant if meant.exit_code == 3 else over  # noqa: PLR2004 - access
        self._failure = over
        self._owned.clear()
        return over

    # --- Callbacks. The client goes on whatever they do, so none may raise: what went wrong
    # --- ends the membership at the next poll.

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions or self._closing:
            return
        try:
            arrived = self._starting_points(consumer, partitions)
            starts = [TopicPartition(o.topic.topic, o.partition, o.start) for o in arrived]
            consumer.incremental_assign(starts)
            if self._held:
                consumer.pause(starts)
        except Exception as error:  # noqa: BLE001 - see above
            self._fail(error)
            nowhere = [TopicPartition(p.topic, p.partition, OFFSET_END) for p in partitions]
            consumer.incremental_assign(nowhere)
            return
        self._owned.update({(o.topic.topic, o.partition): o for o in arrived})
        self._arrived += arrived

    def _revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._await_commits()
        leaving = self._leaving(partitions)
        if leaving and self._failure is None and not self._closing:
            try:
                self._on_revoke(leaving)
            except Exception as error:  # noqa: BLE001 - see above
                self._fail(error)
        self._forget(partitions)

    def _lose(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._await_commits()
        leaving = self._leaving(partitions)
        self._forget(partitions)
        if leaving and not self._closing:
            try:
                self._on_lost(leaving)
            except Exception as error:  # noqa: BLE001 - see above
                self._fail(error)

    def _await_commits(self) -> None:
        """The client would send one that comes later as the next membership's."""
        if not self._closing:
            self._committing.submit(lambda: None).result()

    def _fail(self, error: Exception) -> None:
        if self._failure is not None:
            return
        if isinstance(error, KafkaException):
            self._failure = translate(error, where="assignment of partitions")
        elif isinstance(error, RowferryError):
            self._failure = error
        else:
            self._failure = MembershipOver(Code.UNEXPECTED, repr(error))

    def _leaving(self, partitions: list[TopicPartition]) -> list[Owned]:
        found = (self._owned.get((p.topic, p.partition)) for p in partitions)
        return [owned for owned in found if owned is not None]

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            self._owned.pop((place.topic, place.partition), None)

    def _starting_points(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[Owned]:
        found = []
        bare = [TopicPartition(p.topic, p.partition) for p in partitions]
        for place in consumer.committed(bare, timeout=_ASSIGN_SECONDS):
            if place.error:
                raise KafkaException(place.error)
            topic, partition = self._topics[place.topic], Partition(place.partition)
            if place.offset >= 0:
                text = place.metadata or ""
                found.append(Owned(topic, partition, Offset(place.offset), text))
                continue
            watermarks = consumer.get_watermark_offsets(
                place, timeout=_ASSIGN_SECONDS, cached=False
            )
            start = Offset(watermarks[1 if self._from_end else 0])
            found.append(Owned(topic, partition, start, None))
        return found

    # --- What came

    def _fetched(self, owned: Owned, found: list[Message]) -> Fetched:
        errors = list(compress(found, map(Message.error, found)))
        reached = self._heed_errors(errors, owned)
        records = list(compress(found, map(not_, map(Message.error, found)))) if errors else found
        raw = raw_records(owned.topic.topic, owned.partition, records, reached)
        return Fetched(owned, raw, lambda index: headers_of(records[index]))

    def _heed_errors(self, found: list[Message], owned: Owned | None) -> Offset:
        """Raise what needs raising; how far the log was read where its end was reached."""
        reached = 0
        for message in found:
            error = message.error()
            if error is None:
                continue
            if error.code() == client.END_OF_PARTITION:
                reached = max(reached, message.offset() or 0)
            elif error.code() == client.OUT_OF_RANGE and owned is not None:
                raise self._out_of_range(owned, message.offset() or 0)
            elif error.code() not in client.PASSING:
                raise self._ended(error)
        return Offset(reached)

    def _ended(self, error: KafkaError) -> RowferryError:
        if client.is_unsupported(error):
            self._failure = ProtocolUnsupported(Code.KAFKA_CONN, error.name())
        elif error.code() == client.HELD_UP:
            self._failure = MembershipOver(Code.KAFKA_CONN, "polling was held up for too long")
        else:
            self._failure = translate(KafkaException(error), where="fetch")
        return self._failure

    def _out_of_range(self, owned: Owned, offset: int) -> DataAtRisk:
        wanted = offset if offset > 0 else owned.start
        return DataAtRisk(
            Code.OFFSET_RESET,
            f"offset {wanted} is not in the log{self._held_instead(owned, wanted)}",
            where=owned.where,
            advice="nothing was reset; lengthen the topic's retention, and choose another "
            "ROWFERRY_GROUP and stage prefix to start anew",
        )

    def _held_instead(self, owned: Owned, wanted: int) -> str:
        """What the log holds, for the message; where no broker says it, it goes without."""
        place = TopicPartition(owned.topic.topic, owned.partition)
        try:
            low, high = self._consumer.get_watermark_offsets(place, timeout=_ASSIGN_SECONDS)
        except KafkaException:
            return ""
        lost = f"; the records [{wanted}, {low}) are lost" if low > wanted else ""
        return f", which holds [{low}, {high}){lost}"
