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

    file: str
    number: int
    offset: int | None
    content: Mapping[str, Any]


class LineCheck:
    """Compares lines with records; metadata: what the settings put behind a row's columns."""

    def __init__(self, reader: RecordReader, metadata: Sequence[str], tally: Tally) -> None:
        pairs = (item.partition("=") for item in metadata)
        self._metadata = {source.strip(): (name or source).strip() for source, _, name in pairs}
        self._reader, self.tally = reader, tally

    def lines(self, stage: Stage, files: Iterable[File]) -> Iterator[Line]:
        """The lines of the files, each file's number of them held against its name."""
        for file in files:
            number = 0
            try:
                with gzip.GzipFile(fileobj=BytesIO(stage.read(file.name))) as content:
                    for number, text in enumerate(content, 1):
                        yield self._line(file, number, text)
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
        return Line(file.name, number, offset, content)


def compare(
    check: LineCheck, lines: Iterable[Line], records: Iterator[Record], log: Log, must: Owed
) -> None:
    """Walk lines and records together; must: the offsets that have to be on the stage."""
    tally = check.tally
    record = next(records, None)
    last = -1
    for line in lines:
        tally.lines += 1
        where = f"{line.file}: line {line.number}"
        if line.offset is not None and line.offset <= last:
            tally.duplicates += 1
            tally.find(f"{where}: offset {line.offset} of {log.where} is staged before")
            continue
        if line.offset is not None:
            last = line.offset
            while record is not None and record.offset < line.offset:
                _unstaged(record, log, must, check)
                record = next(records, None)
        if record is None or (line.offset is not None and record.offset != line.offset):
            _without_record(line, log, tally, where)
            continue
        tally.records += 1
        if not check.same(line, record, log):
            tally.changed += 1
            tally.find(f"{where}: differs from the record at offset {record.offset} of {log.where}")
        record = next(records, None)
    while record is not None:
        _unstaged(record, log, must, check)
        record = next(records, None)


def _unstaged(record: Record, log: Log, must: Owed, check: LineCheck) -> None:
    tally = check.tally
    tally.records += 1
    if record.offset in must and check.is_unreadable(record):
        tally.unreadable += 1
    elif record.offset in must:
        tally.missing += 1
        tally.find(f"{log.where}: offset {record.offset} is not on the stage")
    elif record.offset >= must.stop:
        tally.pending += 1


def _without_record(line: Line, log: Log, tally: Tally, where: str) -> None:
    if line.offset is not None and line.offset < log.low:
        tally.expired += 1
        return
    tally.phantoms += 1
    tally.find(f"{where}: {log.where} has no record at offset {line.offset}")
