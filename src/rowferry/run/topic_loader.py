"""One topic into its table: each partition's files, in their order, behind the ledger."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from rowferry.config import Settings
from rowferry.errors import Code, DataAtRisk
from rowferry.flow.stage.load_files import removable, remove, staged_files
from rowferry.flow.stage.load_ledger import (
    Chunk,
    Ledger,
    first_position,
    next_chunk,
    position_prefixes,
)
from rowferry.flow.stage.load_session import LoadSession
from rowferry.flow.stage.load_statements import LoadTarget
from rowferry.flow.stage.load_targets import ledger_of, place_of, prepare, subject_of, target_of
from rowferry.flow.stage.load_transaction import load_chunk
from rowferry.flow.stage.names import partition_prefix
from rowferry.flow.stage.snowflake_location import parse_location
from rowferry.model import Offset, Partition, TopicId
from rowferry.registry import Registry

Positions = dict[tuple[str, Partition], Offset]  # by topic id and partition

log = structlog.get_logger()


@dataclass(slots=True)
class Loaded:
    """What has been loaded, and removed from the stage after it."""

    files: int = 0
    rows: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """Where the receivers' group stands in a topic; only partitions where it stands anywhere."""

    topic: TopicId
    positions: Mapping[Partition, Offset]


@dataclass(slots=True)
class TopicLoader:
    """Knows how far the ledger was when it last looked: without news it asks Snowflake nothing."""

    settings: Settings
    topic: str
    session: LoadSession
    registry: Registry
    loaded: Loaded
    _known: Positions | None = None
    _schemas: list[str] = field(default_factory=list)
    _target: LoadTarget | None = None

    def load(self, committed: Committed, reached: Callable[[], None]) -> None:
        """Load all that is below what the group has committed.

        reached: called once Snowflake has said what is loaded. Raises DataAtRisk for a hole, an
        overlap, a topic that was created again, rows that no ledger knows; LedgerMoved.
        """
        if self._known is not None and not self._is_behind(committed, self._known):
            return
        # 1. The schemas, after the position: each committed record's is among them
        target = self._prepared()
        ledger = ledger_of(self.settings, target.place)
        # 2. The ledger
        known = self._known = self._read(ledger)
        reached()
        if not known:
            self._refuse_unknown_rows(target, ledger)
        self._refuse_another_creation(committed.topic, known)
        self._finish_earlier(committed.topic, known, target, ledger)
        # 3. The files
        for partition, position in sorted(committed.positions.items()):
            self._load_partition(committed.topic, partition, position, target, ledger)

    def purge(self, committed: Committed, now: float) -> None:
        """Remove files that are loaded, committed, and older than any upload's deadline."""
        ledger = ledger_of(self.settings, place_of(self.settings, self.topic))
        location = parse_location(self.settings.stage or "")
        for (short_id, partition), loaded_to in self._read(ledger).items():
            position = committed.positions.get(partition, Offset(0))
            if short_id != committed.topic.short_id:
                continue
            folder = partition_prefix(committed.topic, partition)
            files = staged_files(self.session, location, folder)
            limit = min(loaded_to, position)
            gone = removable(files, limit, self.settings.put_seconds, now)
            count = remove(self.session, location, folder, gone)
            self.loaded.removed += count
            if count:
                log.info("load.purged", topic=self.topic, partition=partition, files=count)

    def forget(self) -> None:
        """Look at the ledger and the tables again."""
        self._known, self._target = None, None

    def _is_behind(self, committed: Committed, known: Positions) -> bool:
        short_id = committed.topic.short_id
        return any(
            known.get((short_id, partition), -1) < position
            for partition, position in committed.positions.items()
        )

    def _prepared(self) -> LoadTarget:
        """The target with a column for all that the rows have."""
        schemas = self.registry.versions(subject_of(self.settings, self.topic))
        if self._target is None or schemas != self._schemas:
            parsed: list[Mapping[str, Any]] = [json.loads(text) for text in schemas]
            target = target_of(self.settings, self.topic, parsed)
            ledger = ledger_of(self.settings, target.place)
            self._target = prepare(self.session, target, ledger)
            self._schemas = schemas
        return self._target

    def _read(self, ledger: Ledger) -> Positions:
        rows = self.session.run(ledger.positions(self.topic)).rows
        return {(str(i), Partition(int(p))): Offset(int(at)) for i, p, at in rows}

    def _load_partition(
        self,
        topic: TopicId,
        partition: Partition,
        committed: Offset,
        target: LoadTarget,
        ledger: Ledger,
    ) -> None:
        where = f"{topic.topic}[{partition}]"
        position = self._position(topic, partition, committed, target, ledger)
        while position < committed:
            folder = partition_prefix(topic, partition)
            prefixes = position_prefixes(folder, position, committed)
            listed = [staged_files(self.session, target.location, p) for p in prefixes]
            files = [file for some in listed for file in some]
            chunk = next_chunk(files, position, committed, where)
            if chunk is None:
                return
            began = time.monotonic()
            load_chunk(self.session, target, ledger, topic, partition, chunk)
            position = chunk.end
            self._note(topic, partition, chunk, time.monotonic() - began)

    def _position(
        self,
        topic: TopicId,
        partition: Partition,
        committed: Offset,
        target: LoadTarget,
        ledger: Ledger,
    ) -> Offset:
        """Where the ledger stands; a partition that it does not know begins at its first file."""
        known = self._known if self._known is not None else {}
        place = (topic.short_id, partition)
        if place in known:
            return known[place]
        folder = partition_prefix(topic, partition)
        files = staged_files(self.session, target.location, folder)
        start = first_position(files, committed)
        self.session.run(ledger.open_row(topic, partition, start))
        log.info("load.begins", topic=topic.topic, partition=partition, offset=start)
        known.update(self._read(ledger))  # what another loader has written counts
        return known[place]

    def _note(self, topic: TopicId, partition: Partition, chunk: Chunk, seconds: float) -> None:
        if self._known is not None:
            self._known[topic.short_id, partition] = chunk.end
        self.loaded.files += len(chunk.files)
        self.loaded.rows += chunk.rows
        log.info(
            "load.loaded",
            topic=topic.topic,
            partition=partition,
            first=chunk.start,
            end=chunk.end,
            files=len(chunk.files),
            rows=chunk.rows,
            seconds=round(seconds, 3),
        )

    def _refuse_unknown_rows(self, target: LoadTarget, ledger: Ledger) -> None:
        """Rows that are there before the first load may be those that we are about to load.

        Not with upsert, which comes to the same rows whatever was there of them.
        """
        if target.upserts or not self.session.run(ledger.unknown_rows()).rows:
            return
        raise DataAtRisk(
            Code.LEDGER_UNFIT,
            f"the table {target.place.sql} has rows, and the ledger {ledger.place.sql} does not "
            "know the table",
            where=self.topic,
            advice="if Rowferry has loaded them: set SNOWFLAKE_DATABASE and SNOWFLAKE_SCHEMA as "
            "they were, or name the ledger that knows them in ROWFERRY_LOAD_LEDGER; if they are "
            "another's: run the INSERT that rowferry load --print-ddl prints",
        )

    # --- A topic that was deleted and created again

    def _refuse_another_creation(self, topic: TopicId, known: Iterable[tuple[str, int]]) -> None:
        ids = {short_id for short_id, _ in known}
        if not ids or topic.short_id in ids or self.settings.accept_recreated:
            return
        raise DataAtRisk(
            Code.TOPIC_RECREATED,
            f"the topic was deleted and created again: {', '.join(sorted(ids))} is loaded, "
            f"it is {topic.short_id}",
            where=topic.topic,
            advice="to load the new one into the same target, behind the old one, start once with "
            "ROWFERRY_ACCEPT_RECREATED=true",
        )

    def _finish_earlier(
        self, topic: TopicId, known: Positions, target: LoadTarget, ledger: Ledger
    ) -> None:
        """Load what is left of an earlier creation, before the first row of this one."""
        if any(short_id == topic.short_id for short_id, _ in known):
            return
        for short_id, partition in sorted(known):
            earlier = TopicId(topic.topic, short_id)
            folder = partition_prefix(earlier, partition)
            files = staged_files(self.session, target.location, folder)
            end = max((f.named.end for f in files), default=known[short_id, partition])
            self._load_partition(earlier, partition, end, target, ledger)
