"""COPY INTO a table: which files, their rows, errors, and the history of loads."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from strict_snowflake.copy_statement import Copy
from strict_snowflake.load_history import LoadHistory, LoadStatus
from strict_snowflake.results import FIXED, TEXT, rows_answer
from strict_snowflake.sessions import Session
from strict_snowflake.stages import SqlError, Stage, Stages, StoredFile
from strict_snowflake.statements import identifiers
from strict_snowflake.tables import Tables, full_name, require_warehouse
from strict_snowflake.transactions import Transaction

COLUMNS = [
    ("file", TEXT),
    ("status", TEXT),
    ("rows_parsed", FIXED),
    ("rows_loaded", FIXED),
    ("error_limit", FIXED),
    ("errors_seen", FIXED),
    ("first_error", TEXT),
    ("first_error_line", FIXED),
    ("first_error_character", FIXED),
    ("first_error_column_name", TEXT),
]
ROWS = "_COPY_ROWS"
_FILENAME = re.compile(r"\b(?:\w+\.)?METADATA\$FILENAME\b", re.IGNORECASE)
_ROW_NUMBER = re.compile(r"\b(?:\w+\.)?METADATA\$FILE_ROW_NUMBER\b", re.IGNORECASE)

Row = tuple[int, str]  # its number in the file, from 1, and its text


@dataclass
class FileLoad:
    """What became of one file; path is within the stage, name begins with the stage's."""

    name: str
    path: str
    rows: list[Row] = field(default_factory=list)
    parsed: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)

    def row(self, on_error: str) -> tuple[Any, ...]:
        """The file's row in COPY's answer."""
        if self.errors and on_error.startswith("SKIP_FILE"):
            status, loaded = "LOAD_FAILED", 0
        elif self.errors:
            status, loaded = ("PARTIALLY_LOADED" if self.rows else "LOAD_FAILED"), len(self.rows)
        else:
            status, loaded = "LOADED", len(self.rows)
        first = self.errors[0] if self.errors else (None, None)
        limit = self.parsed if on_error == "CONTINUE" else 1
        head = (self.name, status, self.parsed, loaded, limit, len(self.errors))
        return (*head, first[1], first[0], 1 if self.errors else None, None)


class Copying:
    """`run` carries a COPY out for a session; contents gives a stored file's plain bytes."""

    def __init__(
        self,
        stages: Stages,
        tables: Tables,
        history: LoadHistory,
        contents: Callable[[Stage, str], bytes],
        file_formats: dict[str, dict[str, str]],
    ) -> None:
        self._stages, self._tables = stages, tables
        self._history, self._contents = history, contents
        self._file_formats = file_formats

    def run(self, session: Session, stage: Stage, copy: Copy) -> dict[str, Any]:
        """Raises SqlError; with ABORT_STATEMENT at the first bad row, and nothing is loaded."""
        self._require_json(copy.file_format or stage.file_format)
        require_warehouse(session)
        table = full_name(session, copy.table)
        transaction = self._tables.of(session)
        files = self._chosen(stage, table, copy)
        if not files:
            return rows_answer([("status", TEXT)], [("Copy executed with 0 files processed.",)])
        with transaction.turn:
            loads = [self._read(stage, file, copy.on_error) for file in files]
            if copy.on_error.startswith("SKIP_FILE"):
                for load in loads:
                    load.rows = [] if load.errors else load.rows
            self._tables.change(transaction, lambda: _insert(transaction, copy, loads))
            taken = [
                f for f, load in zip(files, loads, strict=True) if load.rows or not load.errors
            ]
            self._tables.when_committed(
                transaction, lambda: self._settle(stage, table, taken, copy)
            )
        rows = [load.row(copy.on_error) for load in loads]
        return {**rows_answer(COLUMNS, rows), "statementTypeId": 0x3600}

    def _require_json(self, file_format: dict[str, str]) -> None:
        """Where nothing else is said, a stage's files are CSV, which this fake does not load."""
        if name := file_format.get("FORMAT_NAME"):
            known = self._file_formats.get(identifiers(name)[-1])
            if known is None:
                raise SqlError(
                    "002003",
                    "02000",
                    f"SQL compilation error:\nFile format '{name}' does not exist.",
                )
            file_format = known
        if file_format.get("TYPE", "CSV") != "JSON":
            raise SqlError("100080", "22000", "The file format is CSV; this fake loads JSON only.")

    def _chosen(self, stage: Stage, table: str, copy: Copy) -> list[StoredFile]:
        """The files that COPY takes: named or found, and not in the history unless forced."""
        found = {n: f for n, f in sorted(stage.files.items()) if n.startswith(copy.source.path)}
        if copy.files is not None:
            folder = copy.source.path.rstrip("/")
            names = [f"{folder}/{name}" if folder else name for name in copy.files]
            missing = [name for name in names if name not in stage.files]
            if missing:
                raise SqlError(
                    "091016", "22000", f"Remote file '{stage.name}/{missing[0]}' was not found."
                )
            found = {name: stage.files[name] for name in names}
        if copy.pattern:
            found = {n: f for n, f in found.items() if re.fullmatch(copy.pattern, n)}
        if copy.force:
            return list(found.values())
        taken = {LoadStatus.NEW} | ({LoadStatus.UNCERTAIN} if copy.loads_uncertain else set())
        return [f for f in found.values() if self._history.status(table, stage.bucket, f) in taken]

    def _read(self, stage: Stage, file: StoredFile, on_error: str) -> FileLoad:
        load = FileLoad(f"{stage.name.lower()}/{file.name}", file.name)
        data = self._contents(stage, file.name)
        try:
            text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise SqlError(
                "100080", "22000", f"Data loading error: {load.name} cannot be read."
            ) from error
        for number, line in enumerate(text.split("\n"), 1):  # other separators are values'
            if not line.strip():
                continue
            load.parsed += 1
            try:
                json.loads(line)
            except json.JSONDecodeError as error:
                if on_error == "ABORT_STATEMENT":
                    raise SqlError(
                        "100069",
                        "22P02",
                        f"Error parsing JSON: {error.msg}\n  File '{load.name}', line {number}",
                    ) from error
                load.errors.append((number, f"Error parsing JSON: {error.msg}"))
            else:
                load.rows.append((number, line))
        return load

    def _settle(self, stage: Stage, table: str, files: list[StoredFile], copy: Copy) -> None:
        for file in files:
            self._history.record(table, stage.bucket, file)
            if copy.purge:
                with self._stages.lock:
                    stage.files.pop(file.name, None)


def _insert(transaction: Transaction, copy: Copy, loads: list[FileLoad]) -> None:
    """Insert the rows of all files, by way of a temporary table that stands for the stage."""
    import pyarrow as pa

    from strict_snowflake.engine import EngineCursor, engine_errors

    incoming = pa.table(
        {
            "name": pa.array([x.path for x in loads for _ in x.rows], pa.string()),
            "number": pa.array([n for x in loads for n, _ in x.rows], pa.int64()),
            "line": pa.array([line for x in loads for _, line in x.rows], pa.string()),
        }
    )
    duck = transaction.connection._duck_conn
    cursor = EngineCursor(transaction)
    duck.register("_copy_incoming", incoming)
    with engine_errors():
        duck.execute(
            f"CREATE OR REPLACE TEMP TABLE {ROWS} AS SELECT line::JSON AS V, name AS FILENAME, "
            "number AS ROW_NUMBER FROM _copy_incoming"
        )
        cursor.execute(_insert_text(cursor, copy))


def _insert_text(cursor: Any, copy: Copy) -> str:
    if copy.select:
        text = _FILENAME.sub("FILENAME", copy.select)
        text = _ROW_NUMBER.sub("ROW_NUMBER", text)
        text = re.sub(r"(?:\b\w+\.)?\$1", "V", text)
        return f"INSERT INTO {copy.table} {copy.columns or ''} {text} {ROWS} {copy.alias}"
    if not copy.by_column_name:
        return f"INSERT INTO {copy.table} {copy.columns or ''} SELECT V FROM {ROWS}"
    cursor.execute(f"DESCRIBE TABLE {copy.table}")
    types = {row[0]: row[1] for row in cursor.fetchall()}
    cursor.execute(f"SELECT DISTINCT unnest(json_keys(V)) AS K FROM {ROWS}")
    keys = {row[0].upper(): row[0] for row in cursor.fetchall()}
    shared = [name for name in types if name.upper() in keys]
    values = ", ".join(f'V:"{keys[name.upper()]}"::{types[name]}' for name in shared)
    names = ", ".join(f'"{name}"' for name in shared)
    return f"INSERT INTO {copy.table} ({names}) SELECT {values} FROM {ROWS}"
