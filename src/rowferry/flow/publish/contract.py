"""What publishing promises to the sender."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rowferry.model import Messages, ProgressRecord


class Publisher(Protocol):
    """Writes messages and progress of tables, each table with a transactional id of its own.

    Tables go by their qualified names. Durability: when publish() returns, rows and progress are
    committed together; when it raises, neither is, except for UnknownOutcome. Concurrency: one
    thread. Crash: an open transaction is aborted by the successor's open() or by the broker's
    timeout.
    """

    def open(self, topics: Mapping[str, str]) -> dict[str, dict[str, bytes]]:
        """Fence older instances, become the owner, read the tables' committed progress parts.

        topics: table → topic. Verifies or creates them. Raises DataAtRisk for a re-created or
        vanished topic or changed partitions, ConfigError for an unfit one or one that two tables
        share, AccessDenied, Transient. Called again after UnknownOutcome: the producers are made
        anew.
        """

    def publish(self, table: str, messages: Messages, progress: Sequence[ProgressRecord]) -> None:
        """Commit all of it in one transaction; nothing at all needs none.

        Raises UnknownOutcome where the commit's fate is unknown (then only open() may follow),
        Fenced, Unreadable for a message over the topic's limit, Transient where it was aborted.
        """

    def close(self) -> None:
        """Abort what is open and let go."""
