"""Whether the topic has each row of a table in its final version, also while both go on."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from rowferry.config import Settings
from rowferry.proof.database import connect
from rowferry.proof.records import RecordReader, Shape, UnreadableRecord
from rowferry.proof.tables import Hash, Latest, TableReader, Versions
from rowferry.proof.topic import Log, Record, TopicReader

_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Completeness:
    """rows: in the table; missing, changed: those that the topic has not, or otherwise."""

    rows: int
    missing: int
    changed: int
    repeated: int


class TableCheck:
    """Takes the table first, then every record of its topic, then asks again about the rest.

    Rows that were written meanwhile are told from rows that are missing by reading both again.
    """

    def __init__(self, settings: Settings, table: str, newest: Shape | None) -> None:
        self._open: Callable[[], TableReader] = lambda: TableReader(
            connect(settings), table, settings
        )
        with closing(self._open()) as reader:
            self._versions = Versions(reader.key, reader.columns)
            if newest is not None:
                self._versions.place_of(newest)
            self._rows = self._hashes(reader) if newest is not None else None
            self._count = sum(1 for _ in reader.rows()) if self._rows is None else len(self._rows)
        self._latest = Latest()

    def see(self, records: Iterator[Record], reader: RecordReader) -> Iterator[Record]:
        """Pass the records of a partition on, and take note of each."""
        for record in records:
            if record.value is not None:
                try:
                    shape, row = reader.read(record.value)
                    place = self._versions.place_of(shape)
                    key, version = self._versions.of_record(shape, row)
                    self._latest.see(key, (place, version))
                except (UnreadableRecord, KeyError):
                    pass  # set aside, or of another table: it is no version of a row of ours
            yield record

    def settle(
        self, topics: TopicReader, logs: Sequence[Log], reader: RecordReader, seconds: float
    ) -> Completeness:
        """Read table and topic again until nothing is open, or the time is over."""
        deadline = time.monotonic() + seconds
        ends = {log.partition: log.high for log in logs}
        if not self._versions.shapes:  # no schema, no record: nothing was ever sent
            return Completeness(self._count, self._count, 0, 0)
        if self._rows is None:  # the subject was not found, but there are records after all
            with closing(self._open()) as table:
                self._rows = self._hashes(table)
        suspects = {k: h for k, h in self._rows.items() if not self._latest.has(k, h)}
        self._latest.watched = {key: set() for key in suspects}
        while suspects:
            with closing(self._open()) as table:
                now = self._hashes(table, suspects)
            for log in topics.logs(logs[0].topic.topic) if logs else ():
                for _ in self.see(topics.records(log, ends[log.partition]), reader):
                    pass
                ends[log.partition] = log.high
            suspects = {k: h for k, h in now.items() if not self._latest.has(k, h)}
            if time.monotonic() >= deadline:
                break
            time.sleep(_AGAIN_SECONDS)
        unseen = sum(key not in self._latest.rows for key in suspects)
        changed = len(suspects) - unseen
        return Completeness(self._count, unseen, changed, self._latest.repeated)

    def _hashes(
        self, reader: TableReader, only: "dict[Hash, tuple[Hash | None, ...]] | None" = None
    ) -> dict[Hash, tuple[Hash | None, ...]]:
        found = (self._versions.of_row(row) for row in reader.rows())
        return {key: hashes for key, hashes in found if only is None or key in only}
