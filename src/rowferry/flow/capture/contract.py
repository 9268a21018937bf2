"""What every way of reading a database promises to the sender."""

from collections.abc import Generator, Mapping
from typing import Protocol

from rowferry.model import Slice, Table


class Capture(Protocol):
    """Reads the tables of one database.

    Order: slices of one table come in the order in which they must be committed; slices of
    different tables are independent. Durability: a slice's progress records, committed with its
    rows, are all that a successor needs; nothing else is kept between runs. Concurrency: used by
    one thread. Crash: at any point; a successor that opens with the last committed progress sends
    what was not committed, and only that.
    """

    def open(self, progress: Mapping[str, Mapping[str, bytes]]) -> tuple[Table, ...]:
        """Connect, read the catalog, take up each table's committed parts (by qualified name).

        An empty mapping is a first start. Raises ConfigError for a table that is missing or
        cannot be captured, AccessDenied, DataAtRisk where progress and server do not belong
        together, Transient where the server cannot be reached. Also called again, on the same
        object, after Transient or after a commit of unknown outcome.
        """

    def tick(self) -> Generator[Slice, None, None]:
        """What is new since the last tick; ends without a slice where nothing is.

        The consumer must call confirm() for a slice before it asks for the next one, and close()
        where it asks for no more: the next slice may be under way on a thread of the capture's.
        A table's progress may also travel in a slice of zero rows.
        """

    def confirm(self, committed: Slice) -> None:
        """Take note that this slice, the last that tick() gave, is durable."""

    def close(self) -> None:
        """Let go of connections; what was not confirmed counts as not sent."""
