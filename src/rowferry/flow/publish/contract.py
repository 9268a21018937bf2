"""What publishing promises to the sender."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rowferry.model import Messages, ProgressRecord, Table


class Publisher(Protocol):
    """Writes messages and progress of tables, each table with a transactional id of its own.

    Durability: when publish() returns, rows and progress are committed together; when it raises,
    neither is, except for UnknownOutcome. Concurrency: one thread. Crash: an open transaction is
    aborted by the successor's open() or by the broker's timeout.
    """

    def open(self, table: Table, topic: str) -> Mapping[str, bytes]:
        """Fence an older instance, read the table's committed progress parts, become its owner.

        Verifies or creates the topics. Raises DataAtRisk for a re-created topic or changed
        partitions, ConfigError for an unfit one, AccessDenied, Transient. Called again after
        UnknownOutcome: the producer is made anew.
        """

    def publish(self, table: Table, messages: Messages, progress: Sequence[ProgressRecord]) -> None:
        """Commit all of it in one transaction.

        Raises UnknownOutcome where the commit's fate is unknown (then only open() may follow),
        Fenced, Unreadable for a message over the broker's limit, Transient where it was aborted.
        """

    def close(self) -> None:
        """Abort what is open and let go."""
