"""One table's transactions: rows and position become durable together, or not at all."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from operator import length_hint

import structlog
from confluent_kafka import KafkaException, Producer

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, RowferryError, Transient, UnknownOutcome, Unreadable
from rowferry.failpoints import failpoint
from rowferry.flow.publish.progress import PARTITION, key_of
from rowferry.flow.publish.topics import TopicFacts
from rowferry.kafka import Heard, made, producer_config, translate
from rowferry.model import Messages, ProgressRecord
from rowferry.stop import Stop

log = structlog.get_logger()

ANY_PARTITION = -1  # the partitioner chooses
CALL_SECONDS = 2.0  # of one call to librdkafka, which holds signals off; resumed until its deadline
BATCH_BYTES = 262_144  # measured: the most rows/s; 16 kB to 1 MB differ by a tenth


class Transactions:
    """A producer with the table's transactional id; making it fences every older one.

    Raises what kafka.translate() gives: Fenced, UnknownOutcome after which only a new one can go
    on, Transient where the transaction was aborted, Unreadable for a message over the limit.
    """

    def __init__(
        self,
        settings: Settings,
        stop: Stop,
        table: str,
        topic: str,
        limits: tuple[TopicFacts, TopicFacts],
    ) -> None:
        self.table, self.topic = table, topic
        self._settings, self._stop = settings, stop
        self._most_bytes = limits[0].most_bytes
        self._id = f"rowferry.{settings.pipeline_name}.{table}"
        self._heard = Heard()
        own = {
            "transactional.id": self._id,
            "transaction.timeout.ms": round(settings.transaction_seconds * 1000),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",  # by the key, as Java's clients choose
            "message.max.bytes": max(facts.most_bytes for facts in limits),
            "batch.size": min(BATCH_BYTES, self._most_bytes),
            "linger.ms": 20,  # a commit sends what lingers
            "compression.type": "lz4",
            "queue.buffering.max.messages": max(2 * settings.slice_rows, 100_000),
            "queue.buffering.max.kbytes": max(2 * settings.slice_bytes // 1024, 65_536),
            "error_cb": self._heard,
        }
        self._producer = made(Producer, producer_config(settings, own))
        self._resumed("init_transactions", self._producer.init_transactions)

    def run(self, messages: Messages, progress: Sequence[ProgressRecord]) -> None:
        """Produce all of it in one transaction, and commit."""
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise self._meaning(error) from error
        try:
            self._produce(self.topic, messages.values, messages.keys)
            self._note(progress)
            failpoint("send.produce")
        except BaseException:
            self._abort()
            raise
        self._commit(messages)

    def close(self) -> None:
        """Let go; what is open is aborted by the next one with this id, or by its time-out."""
        self._producer.purge()

    def _produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        partition: int = ANY_PARTITION,
    ) -> None:
        """Hand all messages to the client, one call in C each; whether they arrive, commit tells.

        Measured: 0.9 M rows/s, a loop 0.6 M, produce_batch() with its dicts 0.4 M.
        """
        given, count = 0, len(values)
        deadline = time.monotonic() + self._settings.transaction_seconds
        to, where = repeat(topic), repeat(partition)
        while given < count:
            left = iter(values[given:])
            try:
                deque(map(self._producer.produce, to, left, iter(keys[given:]), where), 0)
            except BufferError:  # the last one was not taken: make room, and give it again
                given = count - length_hint(left) - 1
                self._producer.poll(0.05)
                if time.monotonic() > deadline:
                    what = "the brokers do not take the messages in time"
                    raise Transient(Code.KAFKA_TXN, what, where=self._id) from None
            except KafkaException as error:
                at = count - length_hint(left) - 1
                raise self._meaning(error, len(values[at] or b"")) from error
            else:
                return

    def _note(self, progress: Sequence[ProgressRecord]) -> None:
        pipeline = self._settings.pipeline_name
        keys = [key_of(pipeline, self.table, record.part) for record in progress]
        values = [record.value for record in progress]
        self._produce(self._settings.progress_topic, values, keys, PARTITION)

    def _commit(self, messages: Messages) -> None:
        try:
            self._resume("commit_transaction", self._producer.commit_transaction)
        except KafkaException as error:
            cause = error.args[0]
            if cause.txn_requires_abort():
                self._abort()
            elif not cause.fatal():
                raise self._unknown("commit", error) from error
            largest = max((len(value) for value in messages.values if value), default=0)
            raise self._meaning(error, largest) from error
        self._producer.poll(0)  # lets the error callback speak
        self._heard.forget()

    def _abort(self) -> None:
        try:
            self._resume("abort_transaction", self._producer.abort_transaction)
        except KafkaException as error:
            if error.args[0].fatal():
                raise self._meaning(error) from error
            raise self._unknown("abort", error) from error

    def _resumed(self, name: str, call: Callable[[float], None]) -> None:
        try:
            self._resume(name, call)
        except KafkaException as error:
            raise self._meaning(error) from error

    def _resume(self, name: str, call: Callable[[float], None]) -> None:
        """Make a call that may time out, and resume it until the transaction's own time is over.

        A stop cuts it to the time for draining; a login that is refused ends it at once.
        """
        deadline = time.monotonic() + self._settings.transaction_seconds
        while True:
            try:
                call(CALL_SECONDS)
            except KafkaException as error:
                cause = error.args[0]
                if self._stop.requested_at is not None:
                    is_open = name != "init_transactions"
                    # calls may be under way by then: all is over before the process has to be
                    most = self._settings.drain_seconds
                    drained = max(most - 3 * CALL_SECONDS, most / 2) if is_open else 0
                    deadline = min(deadline, self._stop.requested_at + drained)
                is_over = time.monotonic() >= deadline
                if not cause.retriable() or cause.txn_requires_abort() or is_over:
                    raise
                self._producer.poll(0)
                reason = self._heard.reason
                if reason is not None:
                    refused = translate(reason, where=f"{name} of {self._id}")
                    if isinstance(refused, AccessDenied):
                        raise refused from error
                said = (reason or cause).str()
                log.warning("kafka.waiting", call=name, table=self.table, reason=said)
            else:
                return

    def _meaning(self, error: KafkaException, size: int = 0) -> RowferryError:
        found = translate(error, where=f"{self.table} to topic {self.topic}", heard=self._heard)
        if isinstance(found, Unreadable):
            return Unreadable(
                Code.TOO_LARGE,
                f"a row of {size:,} bytes is larger than its topic takes"
                f" (max.message.bytes {self._most_bytes:,})",
                where=f"{self.table} to topic {self.topic}",
                advice="raise the topic's max.message.bytes and start again,"
                " or leave the row out with ROWFERRY_FILTER",
            )
        return found

    def _unknown(self, call: str, error: KafkaException) -> UnknownOutcome:
        what = f"the fate of a transaction's {call} is unknown: {error.args[0].str()}"
        return UnknownOutcome(Code.KAFKA_TXN, what, where=self._id)
