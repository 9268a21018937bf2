"""What a table remembers of the files that were loaded into it."""

import threading
from dataclasses import dataclass, field
from enum import StrEnum

from strict_snowflake.clock import Clock
from strict_snowflake.stages import StoredFile

HISTORY_SECONDS = 64 * 86400


class LoadStatus(StrEnum):
    """Whether COPY takes a file."""

    NEW = "new"
    LOADED = "loaded"
    UNCERTAIN = "uncertain"  # older than the history reaches: skipped unless asked for


@dataclass
class _TableHistory:
    first_load_at: float
    loads: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)


class LoadHistory:
    """By table; by name and ETag of each file; for 64 days."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tables: dict[str, _TableHistory] = {}
        self._lock = threading.Lock()

    def status(self, table: str, bucket: str, file: StoredFile) -> LoadStatus:
        now = self._clock.now()
        with self._lock:
            history = self._tables.get(table)
            if history is None:
                return LoadStatus.NEW
            etag, loaded_at = history.loads.get((bucket, file.name), ("", 0.0))
        if etag == file.etag and now - loaded_at < HISTORY_SECONDS:
            return LoadStatus.LOADED
        old_file = now - file.modified_at >= HISTORY_SECONDS
        old_table = now - history.first_load_at >= HISTORY_SECONDS
        return LoadStatus.UNCERTAIN if old_file and old_table else LoadStatus.NEW

    def record(self, table: str, bucket: str, file: StoredFile) -> None:
        now = self._clock.now()
        with self._lock:
            history = self._tables.setdefault(table, _TableHistory(first_load_at=now))
            history.loads[bucket, file.name] = (file.etag, now)

    def forget(self, table: str) -> None:
        """A table that is replaced, dropped or truncated remembers nothing."""
        with self._lock:
            self._tables.pop(table, None)
