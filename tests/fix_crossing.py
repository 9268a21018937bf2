"""A table with a column of every type crosses the product in every mode, once a session.

crossing   Crossing: .table as the catalog has it, .columns by the name of their type, .records of
           the topic and .lines of the stage, mode by mode, .changed(name, texts) asks PostgreSQL

A column is named like its type, those of AS_TEXT with ` as text` behind it, and a row is a
literal of each; what a type has no more literals for is NULL.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from fix_cli import FOREIGN
from fix_stack import Database, KafkaBroker, PostgresServer, RegistryServer
from line_literals import refuse
from rowferry.config import Settings, environment_name
from rowferry.flow.capture.catalog import read_table
from rowferry.flow.capture.postgres import connected
from rowferry.flow.capture.treatments import treated
from rowferry.model import Column, Table
from rowferry.sources import load_settings
from rowferry.types import TEXT_SETTINGS
from sending.topic import raw_records
from type_literals import AS_TEXT, LITERALS, PREPARATION, WITHOUT_EQUALITY

MODES = ("load", "poll", "scan")
SCHEMA, NAME = "Every Type", 'all "types" 😀'
QUALIFIED = f"{SCHEMA}.{NAME}"
TABLE = '"Every Type"."all ""types"" 😀"'
KEY, STAMP = "the key", "updated_timestamp"
SUFFIX = " as text"
# The stack's server has no libxml, and takes a value of xml only as a text that is one.
XML = {"xml": ["<a b='1'>é<!-- c --></a>", "<?xml version='1.0'?><x/>"]}
XML_CAST = """
DELETE FROM pg_cast WHERE castsource = 'text'::regtype AND casttarget = 'xml'::regtype;
CREATE CAST (text AS xml) WITHOUT FUNCTION;
"""
TEXTS = {f"{pg_type}{SUFFIX}": literals for pg_type, literals in AS_TEXT.items()}
EVERY: dict[str, list[str]] = {**LITERALS, **XML, **TEXTS}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def cast(name: str) -> str:
    """A parameter as a value of the column's type."""
    return "%s::text::xml" if name == "xml" else f"%s::{name.removesuffix(SUFFIX)}"


@dataclass
class Crossing:
    """What was put in at one end, and what came out at the other."""

    database: Database
    settings: Settings
    folder: Path
    environ: dict[str, str]
    every: Mapping[str, list[str]]
    records: dict[str, list[Any]] = field(default_factory=dict)
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    table: Table = field(init=False)

    @property
    def columns(self) -> dict[str, Column]:
        return {column.name: column for column in self.table.columns}

    @property
    def rows(self) -> int:
        return max(len(literals) for literals in self.every.values()) + 1

    def create(self) -> None:
        columns = ", ".join(f"{quoted(n)} {n.removesuffix(SUFFIX)}" for n in self.every)
        self.database.execute(PREPARATION + XML_CAST)
        self.database.execute(
            f"CREATE SCHEMA {quoted(SCHEMA)}; GRANT USAGE ON SCHEMA {quoted(SCHEMA)} TO PUBLIC;"
            f"CREATE TABLE {TABLE} ({quoted(KEY)} int PRIMARY KEY, {columns},"
            f" {STAMP} timestamptz NOT NULL DEFAULT now());"
            f"CREATE INDEX ON {TABLE} ({STAMP})"
        )
        with closing(connected(self.settings)) as session:
            self.table = treated(read_table(session, SCHEMA, NAME, STAMP), self.settings)

    def fill(self) -> None:
        """One row a literal, and one more in which all is NULL."""
        for row in range(self.rows):
            given = [(n, of[row]) for n, of in self.every.items() if row < len(of)]
            names = "".join(f", {quoted(name)}" for name, _ in given)
            casts = "".join(f", {cast(name)}" for name, _ in given)
            values = (row, *(literal for _, literal in given))
            statement = f"INSERT INTO {TABLE} ({quoted(KEY)}{names}) VALUES (%s{casts})"
            self.database.execute(statement, values)

    def cross(self) -> None:
        """The same rows by the initial load, by a poll and by a full scan; then to the stage."""
        self.run("send", "--once")
        self.database.execute(f"UPDATE {TABLE} SET {STAMP} = {STAMP}")
        self.run("send", "--once")
        self.run("send", "--once", "--mode", "full")
        self.run("receive", "--once")
        records = raw_records(self.settings, self.settings.topic_of(QUALIFIED))
        lines = sorted(lines_in(self.folder / "stage"), key=lambda line: int(line["_offset"]))
        assert len(records) == len(lines) == self.rows * len(MODES)
        for number, mode in enumerate(MODES):
            part = slice(number * self.rows, (number + 1) * self.rows)
            self.records[mode] = records[part]
            self.lines[mode] = sorted(lines[part], key=lambda line: int(line[KEY]))

    def run(self, *words: str) -> None:
        own = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        done = subprocess.run(
            [sys.executable, "-m", "rowferry", *words],
            cwd=self.folder,
            env={**own, **self.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def changed(self, name: str, texts: list[str | None]) -> list[Any]:
        """The rows whose value in the table is not that of the text."""
        pg_type = name.removesuffix(SUFFIX)
        back = f"staged::{pg_type}"
        compared = [f"{quoted(name)}::text IS DISTINCT FROM {back}::text"]
        if pg_type.rstrip("[]") not in WITHOUT_EQUALITY:
            compared.append(f"{quoted(name)} IS DISTINCT FROM {back}")
        connection = psycopg2.connect(self.database.dsn)
        try:
            with connection, connection.cursor() as cursor:
                for setting, value in TEXT_SETTINGS.items():
                    cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
                cursor.execute(
                    f"SELECT {quoted(KEY)}, {quoted(name)}::text, staged FROM {TABLE} JOIN "
                    f"unnest(%s::integer[], %s::text[]) AS back(row, staged) "
                    f"ON {quoted(KEY)} = back.row WHERE {' OR '.join(compared)}",
                    (list(range(len(texts))), texts),
                )
                return cursor.fetchall()
        finally:
            connection.close()


def lines_in(stage: Path) -> Iterator[dict[str, Any]]:
    """The lines of all files, with their numbers as they are written."""
    for path in stage.rglob("*.json.gz"):
        for text in gzip.decompress(path.read_bytes()).split(b"\n")[:-1]:
            yield json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)


def toml_of(names: Iterator[str]) -> str:
    tables = (f"[table.{json.dumps(QUALIFIED, ensure_ascii=False)}.columns.{n}]" for n in names)
    return "".join(f'{table}\nas = "string"\n' for table in tables)


def begin(
    database: Database,
    parts: dict[str, str],
    folder: Path,
    every: Mapping[str, list[str]],
) -> Crossing:
    """A pipeline of its own, whose table is there and empty."""
    tag = f"crossing-{uuid.uuid4().hex[:10]}"
    fields = {
        "pipeline": tag,
        "tables": TABLE,
        "topic": tag,
        "topic_partitions": "1",
        "progress_topic": f"_{tag}",
        "group": tag,
        "stage": f"file:{folder / 'stage'}",
        "clock_skew_seconds": "600",  # a poll reads rows whose timestamp stays as it was
        "metadata": "_op,_partition,_offset,_timestamp,_schema_id",
    }
    named = {environment_name(name): value for name, value in fields.items()}
    environ = {**database.environ, **parts, **named}
    as_text = (json.dumps(name, ensure_ascii=False) for name in every if name.endswith(SUFFIX))
    (folder / "rowferry.toml").write_text(toml_of(as_text))
    settings = load_settings(environ=environ, folder=folder).settings
    crossing = Crossing(database, settings, folder, environ, every)
    crossing.create()
    return crossing


@pytest.fixture(scope="session")
def crossing(
    postgres: PostgresServer, kafka: KafkaBroker, registry: RegistryServer
) -> Iterator[Crossing]:
    database = postgres.new_database()
    with tempfile.TemporaryDirectory(prefix="rowferry-crossing-") as folder:
        made = begin(database, {**kafka.environ, **registry.environ}, Path(folder), EVERY)
        made.fill()
        made.cross()
        yield made
    postgres.drop_database(database)
