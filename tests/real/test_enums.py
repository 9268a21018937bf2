"""Enums as Avro enums where the settings want them so, also with values added while rows flow."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from fix_cli import Process, Rowferry
from fix_stack import Database, RegistryServer
from rowferry.stack import ledger

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN feeling AS mood;
CREATE TABLE t (id int PRIMARY KEY, m mood NOT NULL DEFAULT 'sad', f feeling, plain mood,
                updated_timestamp timestamptz NOT NULL DEFAULT clock_timestamp())
"""
COLUMNS = """
[table."public.t".columns]
m = { as = "enum" }
f = { as = "enum" }
"""
SECONDS = 40


class Moods:
    """A pipeline at work, whose table has enums."""

    def __init__(self, rowferry: Rowferry, environ: dict[str, str], stage: Path) -> None:
        self._rowferry, self._environ, self._stage = rowferry, environ, stage
        (rowferry.folder / "rowferry.toml").write_text(COLUMNS)
        self.running: Process = rowferry.start(environ, "run")

    def await_moods(self, *expected: tuple[str, str | None, str | None]) -> None:
        """Wait until the stage has a line each, by id."""
        deadline, found = time.monotonic() + SECONDS, []
        while time.monotonic() < deadline:
            lines = [json.loads(line) for line in ledger.lines_of_folder(self._stage)]
            by_id = sorted(lines, key=lambda line: line["id"])
            found = [(line["m"], line["f"], line["plain"]) for line in by_id]
            if found == list(expected):
                return
            time.sleep(0.1)
        raise AssertionError((found, self._rowferry.log_of(self.running)))

    def verified(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(
            self._rowferry.run(self._environ, "verify", "--json").stdout
        )
        return told


def symbols_of(registry: RegistryServer, subject: str) -> list[list[str]]:
    """Those of the column m, of each version."""
    found = []
    with closing(SchemaRegistryClient(registry.configuration)) as client:
        for version in client.get_versions(subject):
            schema = json.loads(client.get_version(subject, version).schema.schema_str or "")
            [m] = [field for field in schema["fields"] if field["name"] == "m"]
            assert m["default"] == "sad"
            found.append(m["type"]["symbols"])
    return found


def test_a_value_that_is_added_is_a_new_version_and_no_restart(
    rowferry: Rowferry,
    database: Database,
    registry: RegistryServer,
    stack_environ: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:
    # GIVEN rows that flow
    database.execute(TABLE)
    database.execute("INSERT INTO t VALUES (1, 'sad', NULL, 'sad'), (2, 'glad', 'glad', NULL)")
    moods = Moods(rowferry, stack_environ(tables="public.t"), tmp_path / "stage")
    moods.await_moods(("sad", None, "sad"), ("glad", "glad", None))
    # WHEN a value is added before another, and used
    database.execute("ALTER TYPE mood ADD VALUE 'so_so' BEFORE 'glad'")
    database.execute("INSERT INTO t VALUES (3, 'so_so', 'sad', 'so_so')")
    # THEN it arrives, by a version that has it
    moods.await_moods(("sad", None, "sad"), ("glad", "glad", None), ("so_so", "sad", "so_so"))
    subject = f"{database.name}_t_updates-value"
    assert symbols_of(registry, subject) == [["sad", "glad"], ["sad", "so_so", "glad"]]
    assert moods.verified()["complete"]
    # AND a change behind the product's back is seen
    rowferry.stop(moods.running)
    database.execute("UPDATE t SET f = 'sad', updated_timestamp = '-infinity' WHERE id = 2")
    assert moods.verified()["changed"] == 1


def test_a_value_that_is_no_name_stops_its_table_and_says_so(
    rowferry: Rowferry,
    database: Database,
    stack_environ: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:
    # GIVEN rows that flow
    database.execute(TABLE)
    database.execute("INSERT INTO t VALUES (1, 'sad', NULL, 'sad')")
    moods = Moods(rowferry, stack_environ(tables="public.t"), tmp_path / "stage")
    moods.await_moods(("sad", None, "sad"))
    # WHEN a value comes that Avro's enums cannot have
    database.execute("ALTER TYPE mood ADD VALUE 'so so'")
    database.execute("INSERT INTO t VALUES (2, 'so so', NULL, NULL)")
    # THEN
    assert moods.running.wait(SECONDS) == 2
    said = rowferry.log_of(moods.running)
    assert "'so so', a label of its type, is no name that Avro allows" in said
    assert "rowferry.toml" in said
