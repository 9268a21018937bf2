"""What receiving promises to the receiver loop."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from rowferry.errors import UnknownOutcome
from rowferry.flow.receive.register import Register
from rowferry.model import Offset, Partition, RawRecords, TopicId

Headers = Sequence[tuple[str, bytes | None]]


class MembershipOver(UnknownOutcome):
    """This membership may commit nothing more; close it, and start again from what is committed."""


@dataclass(eq=False, slots=True)
class Owned:
    """A partition of one membership, between one assignment and the end of it.

    start: where fetching starts; metadata: what is committed beside it, None where nothing ever
    was committed. A partition that comes again is another Owned: identity is the epoch.
    """

    topic: TopicId
    partition: Partition
    start: Offset
    metadata: str | None

    @property
    def where(self) -> str:
        """The partition, for people."""
        return f"{self.topic.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of an owned partition, perhaps none; raw.next_offset also tells of a log's end."""

    owned: Owned
    raw: RawRecords
    headers: Callable[[int], Headers]  # of the record at an index

    def halves(self) -> "tuple[Fetched, Fetched]":
        """Two or more records as two runs."""
        first, rest = self.raw.halves()
        return (
            Fetched(self.owned, first, self.headers),
            Fetched(self.owned, rest, lambda index: self.headers(index + len(first.values))),
        )


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: newly owned partitions, and records, perhaps of these too."""

    arrived: list[Owned] = field(default_factory=list)
    fetched: list[Fetched] = field(default_factory=list)


class Membership(Protocol):
    """One life of a consumer in the group; after MembershipOver only close() may follow.

    Order: records of a partition in offset order, without a gap but for what the log lacks.
    Durability: a commit() that has ended well has replaced the partition's register. Commits are
    done one after another, and none is under way when a partition is taken away. Concurrency: one
    thread. Crash: at any point; a successor reads the register.
    """

    def poll(self, most: int, seconds: float) -> Polled:
        """Wait for records; partitions are taken away inside, by way of the revoke callback.

        Raises MembershipOver, DataAtRisk (OFFSET_RESET), AccessDenied, Transient.
        """

    def commit(self, owned: Owned, register: Register) -> Future[None]:
        """Begin to replace the register of a partition that is still owned.

        Its result raises MembershipOver where it is not owned, or where the commit is not known
        to have been applied in time: then nothing decided by it may be acted on.
        """

    def resume(self, owned: Owned, position: Offset) -> None:
        """Let records come: the first time from the position, later behind those already here."""

    def pause(self, owned: Owned) -> None:
        """Let no more records come; none is lost."""

    def close(self) -> None:
        """Leave the group; commits nothing, calls nobody."""
