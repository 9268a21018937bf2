"""The lines of staged files against the records of their partition, one by one, in step."""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from rowferry.flow.stage.contract import Stage
from rowferry.proof.calendar import micros_of
from rowferry.proof.line_json import parsed, with_each_name_once
from rowferry.proof.loaded import Owed
from rowferry.proof.records import RecordReader, UnreadableRecord
from rowferry.proof.topic import Log, Record

_MOST_FINDINGS = 20
_CELL_ERRORS = (ValueError, TypeError, KeyError, ArithmeticError)


@dataclass(slots=True)
class Tally:
    """What a comparison counts; findings are sentences, the first few."""

    records: int = 0
    lines: int = 0
    missing: int = 0
    changed: int = 0
    duplicates: int = 0
    phantoms: int = 0
    pending: int = 0
    expired: int = 0
    unreadable: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        """Keep a sentence, if there are not too many already."""
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(text)


@dataclass(frozen=True, slots=True)
class File:
    """A staged file by its name and what the name says."""

    name: str
    start: int
    end: int
    rows: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line and the offset it says it has, None where the settings leave offsets out."""

    file: File
    number: int
    offset: int | None
    content: Mapping[str, Any]

    @property
    def where(self) -> str:
        """The line, for people."""
        return f"{self.file.name}: line {self.number}"


class LineCheck:
    """Compares lines with records; metadata: what the settings put behind a row's columns."""

    def __init__(self, reader: RecordReader, metadata: Sequence[str], tally: Tally) -> None:
        pairs = (item.partition("=") for item in metadata)
        self._metadata = {source.strip(): (name or source).strip() for source, _, name in pairs}
        self._reader, self.tally = reader, tally

    def lines(self, stage: Stage, files: Iterable[File], must: Owed) -> Iterator[Line]:
        """The lines of the files, each file's number of them held against its name."""
        for file in files:
            number = 0
            try:
                with gzip.GzipFile(fileobj=BytesIO(stage.read(file.name))) as content:
                    for number, text in enumerate(content, 1):
                        yield self._line(file, number, text)
            except FileNotFoundError:  # a loader removes files meanwhile
                if not must.excuses(file.start, file.end):
                    self.tally.changed += 1
                    self.tally.find(f"{file.name}: was listed, and is gone")
                continue
            except (OSError, EOFError, zlib.error, ValueError, KeyError) as error:
                self.tally.changed += 1
                self.tally.find(f"{file.name}: line {number}: cannot be read: {error}")
            except RecursionError:
                self.tally.changed += 1
                self.tally.find(f"{file.name}: line {number}: nested deeper than it can be read")
            if number != file.rows:
                self.tally.changed += 1
                self.tally.find(f"{file.name}: {number} lines where the name says {file.rows}")

    def same(self, line: Line, record: Record, log: Log) -> bool:
        """Whether the line says what the record says, cell by cell, in order, and no more."""
        names = list(self._metadata.values())
        count = len(line.content) - len(names)
        if list(line.content)[count:] != names:
            return False
        known = self._expected(record, log)
        if any(line.content[name] != value for name, value in known.items()):
            return False
        try:
            time = self._metadata.get("_timestamp")
            if time and micros_of(str(line.content[time])) != record.timestamp * 1000:
                return False
            columns = dict(list(line.content.items())[:count])
            return record.value is None or self._same_columns(columns, record.value)
        except _CELL_ERRORS:
            return False

    def is_unreadable(self, record: Record) -> bool:
        """Whether nobody could stage this record: it is no value of its schema."""
        try:
            if record.value is not None:
                self._reader.read(record.value)
        except UnreadableRecord:
            return True
        return False

    def _same_columns(self, columns: Mapping[str, Any], value: bytes) -> bool:
        shape, row = self._reader.read(value)
        return list(columns) == list(shape.columns) and all(
            form.json(columns[column]) == form.raw(row[name])
            for name, column, form in zip(shape.fields, shape.columns, shape.forms, strict=True)
        )

    def _expected(self, record: Record, log: Log) -> dict[str, Any]:
        """The metadata that is known from the record, under the names of the settings."""
        op = "u" if record.value is not None else "d" if record.key is not None else "t"
        known: dict[str, Any] = {
            "_op": op,
            "_partition": int(log.partition),
            "_offset": record.offset,
            "_topic": log.topic.topic,
        }
        if record.value is not None:
            known["_schema_id"] = int.from_bytes(record.value[1:5], "big")
        return {self._metadata[name]: v for name, v in known.items() if name in self._metadata}

    def _line(self, file: File, number: int, text: bytes) -> Line:
        content = with_each_name_once(parsed(text))
        name = self._metadata.get("_offset")
        offset = content.get(name) if name else None
        if not text.endswith(b"\n") or (name and not isinstance(offset, int)):
            raise ValueError("not a whole line with an offset")
        if offset is not None and not file.start <= offset < file.end:
            raise ValueError(f"offset {offset} lies outside the file's range")
        return Line(file, number, offset, content)


def compare(
    check: LineCheck, lines: Iterable[Line], records: Iterator[Record], log: Log, must: Owed
) -> None:
    """Walk lines and records together; must: the offsets that have to be on the stage.

    A line without offset is that of the next record in its file's range that can be read. Where
    the first records of the range have expired, nobody can tell whose line it is.
    """
    walk = _Walk(check, records, log, must)
    last = -1
    for line in lines:
        check.tally.lines += 1
        if line.offset is None:
            walk.meet_next(line)
        elif line.offset > last:
            last = line.offset
            walk.meet(line, last)
        else:
            check.tally.duplicates += 1
            check.tally.find(f"{line.where}: offset {line.offset} of {log.where} is staged before")
    walk.end()


class _Walk:
    """The records of a partition, met by lines, in their order."""

    def __init__(self, check: LineCheck, records: Iterator[Record], log: Log, must: Owed) -> None:
        self._check, self._tally = check, check.tally
        self._records, self._log, self._must = records, log, must
        self._record = next(records, None)

    def meet(self, line: Line, offset: int) -> None:
        """Hold a line against the record of its offset."""
        while self._record is not None and self._record.offset < offset:
            self._pass(self._record)
        if self._record is not None and self._record.offset == offset:
            self._compare(line, self._record)
        elif offset < self._log.low:
            self._tally.expired += 1
        else:
            self._tally.phantoms += 1
            self._tally.find(f"{line.where}: {self._log.where} has no record at offset {offset}")

    def meet_next(self, line: Line) -> None:
        """Hold a line against the next record that it can be of."""
        start, end = line.file.start, line.file.end
        if start < self._log.low:
            self._tally.expired += 1
            while self._record is not None and self._record.offset < end:
                self._count()
            return
        while self._record is not None and (
            self._record.offset < start or self._check.is_unreadable(self._record)
        ):
            self._pass(self._record)
        if self._record is not None and self._record.offset < end:
            self._compare(line, self._record)
        else:
            self._tally.phantoms += 1
            self._tally.find(f"{line.where}: {self._log.where} has no record for it")

    def end(self) -> None:
        """No line is left for the records that are."""
        while self._record is not None:
            self._pass(self._record)

    def _compare(self, line: Line, record: Record) -> None:
        if not self._check.same(line, record, self._log):
            self._tally.changed += 1
            place = f"offset {record.offset} of {self._log.where}"
            self._tally.find(f"{line.where}: differs from the record at {place}")
        self._count()

    def _pass(self, record: Record) -> None:
        """No line is this record's."""
        if record.offset in self._must and self._check.is_unreadable(record):
            self._tally.unreadable += 1
        elif record.offset in self._must:
            self._tally.missing += 1
            self._tally.find(f"{self._log.where}: offset {record.offset} is not on the stage")
        elif record.offset >= self._must.stop:
            self._tally.pending += 1
        self._count()

    def _count(self) -> None:
        self._tally.records += 1
        self._record = next(self._records, None)
