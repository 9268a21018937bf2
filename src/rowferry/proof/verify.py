"""The proof that all is on the stage once and unchanged, and that the tables were sent whole.

Nothing here trusts a counter: names and lines are read from the stage, records from the topic by
a consumer of its own, rows from the tables as text.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from functools import partial

from rowferry.config import Settings
from rowferry.flow.stage.contract import Stage
from rowferry.flow.stage.kinds import open_stage
from rowferry.flow.stage.names import FileName, parse_name, topic_prefix
from rowferry.model import Offset
from rowferry.proof.completeness import Completeness, TableCheck
from rowferry.proof.coverage import Coverage, Ranges, cover
from rowferry.proof.loaded import LedgerReader, Owed, Place, split_at
from rowferry.proof.records import NEWEST, RecordReader, Shape, shape_of
from rowferry.proof.staged import File, LineCheck, Tally, compare
from rowferry.proof.topic import Log, TopicReader
from rowferry.registry import Registry
from rowferry.types.connect import DEBEZIUM


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found; all but findings are counts.

    rows: of the tables, each in its final version. records: in the topics. lines: on the stage.
    gaps, overlaps: of file names. duplicates: lines, or whole files, that are staged twice.
    missing: rows that no record has, and records below the committed position that no line has.
    changed: lines that differ from their record, rows that differ from their latest record, lines
    without a record, files that cannot be read. pending: records not staged yet. repeated: the
    same version of a row once more in the topic (a full scan does that). unreadable: records set
    aside as no value of their schema. unproven: rows and lines whose records have expired.
    purged: offsets without a file, which the loader's ledger says are loaded.
    """

    rows: int = 0
    records: int = 0
    lines: int = 0
    files: int = 0
    gaps: int = 0
    overlaps: int = 0
    duplicates: int = 0
    missing: int = 0
    changed: int = 0
    pending: int = 0
    repeated: int = 0
    unreadable: int = 0
    unproven: int = 0
    purged: int = 0
    findings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, repeated or changed."""
        return not (self.gaps or self.overlaps or self.duplicates or self.missing or self.changed)

    def __add__(self, other: "Verification") -> "Verification":
        """Both together."""
        names = [f.name for f in fields(self)]
        return Verification(**{n: getattr(self, n) + getattr(other, n) for n in names})


@dataclass(frozen=True, slots=True)
class StagedName:
    """A file on the stage and what its name says."""

    name: str
    named: FileName

    def is_of(self, log: Log) -> bool:
        """Whether the file holds records of this partition, of this creation of its topic."""
        named = self.named
        return (named.short_id, named.partition) == (log.topic.short_id, log.partition)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the proof reads from; the caller closes them."""

    settings: Settings
    stage: Stage
    topics: TopicReader
    records: RecordReader
    registry: Registry
    ledger: LedgerReader


def verify(settings: Settings, *, deep: bool = True, grace_seconds: float = 10.0) -> Verification:
    """Prove what the settings name: topics on the stage and, where TABLES are set, tables.

    deep: read every line, record and row; otherwise only the names. grace_seconds: how long rows
    may take that were committed while the proof ran. Raises what the parts raise.
    """
    with ExitStack() as stack:
        registry = stack.enter_context(closing(Registry(settings)))
        stage = stack.enter_context(closing(open_stage(settings)))
        topics = stack.enter_context(closing(TopicReader(settings)))
        ledger = stack.enter_context(closing(LedgerReader(settings)))
        parts = Parts(settings, stage, topics, RecordReader(registry.by_id), registry, ledger)
        found = Verification()
        table_of = {settings.topic_of(table): table for table in settings.tables}
        for topic in settings.received_topics:
            table = table_of.get(topic) if deep and settings.postgres_db else None
            compares = deep and (topic in table_of or not _is_debeziums(parts, topic))
            if deep and not compares:
                note = f"{topic}: Debezium's; the names of its files are proved, not their lines"
                found += Verification(findings=(note,))
            found += _verify_topic(parts, topic, table, deep=compares, grace_seconds=grace_seconds)
        return found + Verification(findings=(ledger.why_not,) if ledger.why_not else ())


def _is_debeziums(parts: Parts, topic: str) -> bool:
    """Whether lines have other forms, or other rows, than Avro alone would say."""
    schema = parts.registry.latest(topic) or ""
    return parts.settings.unwrap is not None or DEBEZIUM in schema


def _verify_topic(
    parts: Parts, topic: str, table: str | None, *, deep: bool, grace_seconds: float
) -> Verification:
    # 1. The table before the topic, and the position before the files before the ends of the log
    # and the ledger: of what was read later there may only be more.
    check = TableCheck(parts.settings, table, _newest_shape(parts, topic)) if table else None
    before = parts.topics.logs_if_there(topic)
    committed = parts.topics.committed(parts.settings.group, before) if before else {}
    files = list(_files(parts.stage, topic))
    logs = parts.topics.logs_if_there(topic)
    loaded = parts.ledger.positions(topic)
    # 2. The names, partition by partition, and those of earlier creations of the topic.
    found = _verify_strangers(files, logs, loaded)
    for log in logs:
        own = [f for f in files if f.is_of(log)]
        position = committed.get((log.topic.topic, log.partition), Offset(-1))
        coverage = cover((f.named for f in own), _begin(parts.settings, log, position), position)
        place = (log.topic.short_id, log.partition)
        purged, lost = split_at(coverage.gaps, loaded.get(place, 0))
        found += _of_names(coverage, log.where, purged, lost)
        # 3. The lines against the records.
        if deep:
            first = _first(coverage, log, parts.settings, position)
            stop = max(position, coverage.end or 0)
            must = Owed(first, stop, purged, partial(_loaded_to, parts.ledger, topic, place))
            found += _verify_lines(parts, log, own, must, check)
    # 4. The rows against the records.
    if check is not None:
        got = check.settle(parts.topics, logs, parts.records, grace_seconds)
        found += _of_rows(got, table or "", topic, any(log.low > 0 for log in logs))
    return found


def _newest_shape(parts: Parts, topic: str) -> Shape | None:
    text = parts.registry.latest(topic)
    return None if text is None else shape_of(NEWEST, text)


def _files(stage: Stage, topic: str) -> Iterator[StagedName]:
    for staged in stage.list(topic_prefix(topic)):
        named = parse_name(staged.name)
        if named is not None:
            yield StagedName(staged.name, named)


def _verify_strangers(
    files: list[StagedName], logs: list[Log], loaded: Mapping[Place, int]
) -> Verification:
    """Files under another topic id: their names must cover, but there is no topic to ask."""
    strangers: dict[Place, list[FileName]] = {}
    for file in files:
        if not any(file.is_of(log) for log in logs):
            of = (file.named.short_id, file.named.partition)
            strangers.setdefault(of, []).append(file.named)
    found = Verification()
    for place, names in sorted(strangers.items()):
        short_id, partition = place
        where = f"{names[0].topic_folder}/{short_id}[{partition}]"
        note = f"{where}: files of an earlier creation of the topic, whose records are gone"
        coverage = cover(names)
        found += _of_names(coverage, where, *split_at(coverage.gaps, loaded.get(place, 0)))
        found += Verification(unproven=sum(name.rows for name in names), findings=(note,))
    return found


def _begin(settings: Settings, log: Log, position: int) -> int | None:
    """Where the first file had to start at the latest: a new group starts at the low watermark."""
    has_started = position >= 0
    return log.low if settings.start_from == "beginning" and has_started else None


def _first(coverage: Coverage, log: Log, settings: Settings, position: int) -> int:
    """The first offset that is owed; a group that starts at the end commits it before any file."""
    if settings.start_from == "beginning":
        return log.low
    return max(log.low, position) if coverage.start is None else coverage.start


def _loaded_to(ledger: LedgerReader, topic: str, place: Place) -> int:
    return ledger.positions(topic).get(place, 0)


def _size(ranges: Ranges) -> int:
    return sum(end - start for start, end in ranges)


def _of_names(coverage: Coverage, where: str, purged: Ranges, lost: Ranges) -> Verification:
    told = [f"{where}: no file has offsets {_range(gap)}" for gap in lost]
    told += [f"{where}: two files have offsets {_range(both)}" for both in coverage.overlaps]
    return Verification(
        files=coverage.files,
        gaps=len(lost),
        purged=_size(purged),
        overlaps=len(coverage.overlaps),
        duplicates=coverage.duplicates,
        findings=tuple(told),
    )


def _range(positions: tuple[int, int]) -> str:
    return f"[{positions[0]}, {positions[1]})"


def _verify_lines(
    parts: Parts, log: Log, files: list[StagedName], must: Owed, check: TableCheck | None
) -> Verification:
    tally = Tally()
    lines = LineCheck(parts.records, parts.settings.metadata, tally)
    ordered = [File(f.name, f.named.start, f.named.end, f.named.rows) for f in files]
    purged_before = _size(must.purged)
    with closing(parts.topics.records(log)) as records:  # before its consumer is, also on errors
        seen = check.see(records, parts.records) if check else records
        compare(lines, lines.lines(parts.stage, ordered, must), seen, log, must)
    return Verification(
        records=tally.records,
        lines=tally.lines,
        duplicates=tally.duplicates,
        missing=tally.missing,
        changed=tally.changed + tally.phantoms,
        pending=tally.pending,
        unreadable=tally.unreadable,
        unproven=tally.expired,
        purged=_size(must.purged) - purged_before,
        findings=tuple(tally.findings),
    )


def _of_rows(got: Completeness, table: str, topic: str, has_expired: bool) -> Verification:
    expired = got.missing if has_expired else 0
    told = []
    if expired:
        told.append(f"{table}: {expired} rows have no record left in {topic}: retention")
    elif got.missing:
        told.append(f"{table}: {got.missing} rows have no record in {topic}")
    if got.changed:
        told.append(f"{table}: {got.changed} rows differ from their latest record in {topic}")
    return Verification(
        rows=got.rows,
        missing=got.missing - expired,
        changed=got.changed,
        repeated=got.repeated,
        unproven=expired,
        findings=tuple(told),
    )
