"""The ledger: up to which offset each partition is in a target; and which files come next."""
# ruff: noqa: S608 - each name and text in a statement goes through quoted() or literal()

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.stage.load_names import Place, literal
from rowferry.flow.stage.names import FileName
from rowferry.model import Offset, Partition, TopicId

MOST_FILES = 1000  # that COPY takes by name
MOST_BYTES = 10 << 30  # of one transaction, so that it ends within its deadline
_POSITION_DIGITS = 20  # of an offset in a file's name

_COLUMNS = (
    '"TARGET" VARCHAR NOT NULL, "TOPIC" VARCHAR NOT NULL, "TOPIC_ID" VARCHAR NOT NULL, '
    '"PARTITION" NUMBER(38,0) NOT NULL, "NEXT_OFFSET" NUMBER(38,0) NOT NULL, "FILE" VARCHAR, '
    '"LOADED_AT" TIMESTAMP_LTZ'
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A staged file: its name on the stage, what the name says, its size, when it was put."""

    name: str
    named: FileName
    size: int
    put_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Files that follow on each other, to be loaded in one transaction."""

    files: tuple[Candidate, ...]

    @property
    def start(self) -> Offset:
        """Where the ledger has to stand before."""
        return self.files[0].named.start

    @property
    def end(self) -> Offset:
        """Where it stands afterwards."""
        return self.files[-1].named.end

    @property
    def rows(self) -> int:
        """The lines of all files, by their names."""
        return sum(file.named.rows for file in self.files)

    @property
    def folder(self) -> str:
        """The partition's folder, with its slash."""
        return self.files[0].name.rpartition("/")[0] + "/"

    @property
    def names(self) -> tuple[str, ...]:
        """The files that have lines, by their names within the folder."""
        return tuple(f.name.rpartition("/")[2] for f in self.files if f.named.rows)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger's rows of one target, and their SQL."""

    place: Place
    target: Place

    def create(self) -> str:
        """The table; one for all targets."""
        return f"CREATE TABLE IF NOT EXISTS {self.place.sql} ({_COLUMNS})"

    def positions(self, topic: str) -> str:
        """Topic id, partition and next offset of what is loaded of a topic."""
        return (
            f'SELECT "TOPIC_ID", "PARTITION", "NEXT_OFFSET" FROM {self.place.sql} '
            f'WHERE "TARGET" = {literal(self.target.sql)} AND "TOPIC" = {literal(topic)}'
        )

    def unknown_rows(self) -> str:
        """A row where the target has any and the ledger does not know it; both at one moment."""
        return (
            f"SELECT 1 FROM {self.target.sql} WHERE NOT EXISTS (SELECT 1 FROM {self.place.sql} "
            f'WHERE "TARGET" = {literal(self.target.sql)}) LIMIT 1'
        )

    def know_target(self) -> str:
        """By this a person says that the rows that the target has are of others."""
        return (
            f'INSERT INTO {self.place.sql} ("TARGET", "TOPIC", "TOPIC_ID", "PARTITION", '
            f"\"NEXT_OFFSET\") VALUES ({literal(self.target.sql)}, '', '', 0, 0)"
        )

    def open_row(self, topic: TopicId, partition: Partition, start: Offset) -> str:
        """The partition's row, unless it is there; MERGE takes the table's lock, INSERT none."""
        return (
            f"MERGE INTO {self.place.sql} l USING (SELECT {literal(self.target.sql)} AS TARGET, "
            f"{literal(topic.topic)} AS TOPIC, {literal(topic.short_id)} AS TOPIC_ID, "
            f"{partition} AS PART) s ON {self._row('l', topic, partition)} "
            'WHEN NOT MATCHED THEN INSERT ("TARGET", "TOPIC", "TOPIC_ID", "PARTITION", '
            f'"NEXT_OFFSET") VALUES (s.TARGET, s.TOPIC, s.TOPIC_ID, s.PART, {start})'
        )

    def move(self, topic: TopicId, partition: Partition, chunk: Chunk) -> str:
        """Lock and fence: it hits one row where the ledger stands at the chunk's start."""
        return (
            f'UPDATE {self.place.sql} l SET "NEXT_OFFSET" = {chunk.end}, '
            f'"FILE" = {literal(chunk.files[-1].name)}, "LOADED_AT" = CURRENT_TIMESTAMP() '
            f'WHERE {self._row("l", topic, partition)} AND l."NEXT_OFFSET" = {chunk.start}'
        )

    def _row(self, alias: str, topic: TopicId, partition: Partition) -> str:
        return (
            f'{alias}."TARGET" = {literal(self.target.sql)} '
            f'AND {alias}."TOPIC" = {literal(topic.topic)} '
            f'AND {alias}."TOPIC_ID" = {literal(topic.short_id)} '
            f'AND {alias}."PARTITION" = {partition}'
        )


def position_prefixes(folder: str, start: Offset, end: Offset) -> list[str]:
    """At most two prefixes that the names of all files from start to end begin with."""
    varying = len(str(max(0, end - start)))
    heads = (
        f"{offset:0{_POSITION_DIGITS}d}"[: _POSITION_DIGITS - varying] for offset in (start, end)
    )
    return [f"{folder}{head}" for head in dict.fromkeys(heads)]


def next_chunk(
    files: Iterable[Candidate], position: Offset, committed: Offset, where: str
) -> Chunk | None:
    """The files that follow on the position, up to what the group has committed; None for none.

    Files below the position are loaded, and left alone. Raises DataAtRisk where a file that the
    group has committed is not there, or files overlap.
    """
    ahead = sorted(
        (f for f in files if f.named.end > position and f.named.start < committed),
        key=lambda file: (file.named.start, file.named.end),
    )
    reached = position
    for file in ahead:
        if file.named.start < reached or file.named.end > committed:
            raise _disagree(reached, file.named, where)
        if file.named.start > reached:
            break
        reached = file.named.end
    if reached < committed:
        raise _hole(reached, ahead, committed, where)
    return _bounded(ahead)


def first_position(files: Iterable[Candidate], committed: Offset) -> Offset:
    """Where loading begins: at the first file, or behind all where the stage has none."""
    starts = [file.named.start for file in files if file.named.start < committed]
    return min(starts, default=committed)


def _bounded(files: list[Candidate]) -> Chunk | None:
    total = 0

    def fits(file: Candidate) -> bool:
        nonlocal total
        total += file.size
        return total <= max(MOST_BYTES, files[0].size)

    taken = tuple(takewhile(fits, files[:MOST_FILES]))
    return Chunk(taken) if taken else None


def _hole(reached: Offset, ahead: list[Candidate], committed: Offset, where: str) -> DataAtRisk:
    following = next((f.named.start for f in ahead if f.named.start > reached), committed)
    return DataAtRisk(
        Code.INCOMPLETE,
        f"the stage has no file for the offsets [{reached}, {following}), which the group says "
        "are staged",
        where=where,
        advice="nothing was loaded past them; find out who removes files, and see rowferry verify",
    )


def _disagree(reached: Offset, named: FileName, where: str) -> DataAtRisk:
    return DataAtRisk(
        Code.LEDGER_UNFIT,
        f"the file of the offsets [{named.start}, {named.end}) does not follow on {reached}",
        where=where,
        advice="was the ledger changed by hand, does another group write to this stage, or does "
        "ROWFERRY_GROUP differ from the receiver's? See rowferry verify",
    )
