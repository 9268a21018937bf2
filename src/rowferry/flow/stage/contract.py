"""What a stage promises to the receiver."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rowferry.model import StagedFile


class Stage(Protocol):
    """A place where files appear whole or not at all, by names relative to its prefix.

    Concurrency: put() may run in several threads at once. Crash: a killed put() leaves the file
    whole or absent.
    """

    def put(self, name: str, spooled: Path) -> None:
        """Make the spooled bytes durable under the name; they are on return.

        A file already there with the same contents (after decompression) is success.
        Raises DataAtRisk (STAGE_CONFLICT) for other contents, DataAtRisk (STAGE_GONE),
        AccessDenied, Transient; takes no longer than PUT_SECONDS.
        """

    def list(self, prefix: str) -> Iterator[StagedFile]:
        """The files whose names begin with the prefix, in name order."""

    def read(self, name: str) -> bytes:
        """The file's bytes as stored. Raises FileNotFoundError."""

    def remove(self, name: str) -> None:
        """Remove a file; none there is success."""

    def close(self) -> None:
        """Let go of connections."""
