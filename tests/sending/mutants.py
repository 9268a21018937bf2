"""Ways to break the sender on purpose; the tests must notice each."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Producer

from rowferry.flow.publish import progress, transactions
from rowferry.flow.publish.producer import KafkaPublisher
from rowferry.flow.publish.transactions import Transactions
from rowferry.model import Messages, ProgressRecord


def replace(where: Any, name: str, by: Any) -> None:
    setattr(where, name, by)


def unbroken() -> None:
    """The product as it is."""


def progress_outside_the_transaction() -> None:
    """Rows in one transaction, the position in the next."""
    run = Transactions.run

    def apart(self: Transactions, messages: Messages, records: Sequence[ProgressRecord]) -> None:
        if messages.values:
            run(self, messages, [])
        run(self, Messages(messages.topic, [], []), records)

    replace(Transactions, "run", apart)


def nobody_is_fenced() -> None:
    """A transactional id of its own for each start."""

    def anew(conf: dict[str, Any]) -> Producer:
        return Producer({**conf, "transactional.id": uuid.uuid4().hex})

    replace(transactions, "Producer", anew)


def an_unknown_outcome_is_taken_for_an_abort() -> None:
    """The slice is given again, although the broker may have it."""
    publish = KafkaPublisher.publish
    opened: dict[str, Any] = {}
    open_ = KafkaPublisher.open

    def remembering(self: KafkaPublisher, topics: Any) -> Any:
        found = open_(self, topics)
        return opened.setdefault("progress", found)  # what was read first, for ever

    def counting(self: KafkaPublisher, table: str, messages: Messages, records: Any) -> None:
        publish(self, table, messages, records)
        parts = opened["progress"][table]
        parts.update({record.part: record.value for record in records})

    replace(KafkaPublisher, "open", remembering)
    replace(KafkaPublisher, "publish", counting)


def progress_is_read_to_the_last_stable_offset() -> None:
    """The first end of the partition that a reader of committed records sees is taken for it."""
    make = progress.ProgressReader.__init__

    def impatient(
        self: progress.ProgressReader, settings: Any, end: Callable[[], int], stop: Any
    ) -> None:
        make(self, settings, lambda: min(1, end()), stop)

    replace(progress.ProgressReader, "__init__", impatient)

    def owner_is_not_required(*_arguments: Any) -> None:
        pass

    replace(KafkaPublisher, "_require_owner", owner_is_not_required)


MUTANTS: dict[str, Callable[[], None]] = {
    "": unbroken,
    "progress outside the transaction": progress_outside_the_transaction,
    "nobody is fenced": nobody_is_fenced,
    "unknown taken for aborted": an_unknown_outcome_is_taken_for_an_abort,
    "progress read to the last stable offset": progress_is_read_to_the_last_stable_offset,
}
