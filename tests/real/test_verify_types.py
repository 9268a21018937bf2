"""The proof agrees with the product on every built-in type, from the table to the line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from fix_stack import Database
from rowferry.proof.verify import verify
from rowferry.sources import load_settings
from type_literals import LITERALS, PREPARATION

pytestmark = pytest.mark.real

ROWS = max(len(literals) for literals in LITERALS.values())


def fill(database: Database) -> int:
    """A column a type and a row a literal; what a type has no more literals for is NULL."""
    database.execute(PREPARATION)
    types = list(LITERALS)
    columns = ", ".join(f'"{name}" {name}' for name in types if '"' not in name)
    named = [name for name in types if '"' not in name]
    database.execute(
        f"CREATE TABLE every (id int PRIMARY KEY, {columns},"
        " updated_timestamp timestamptz NOT NULL DEFAULT now())"
    )
    connection = psycopg2.connect(database.dsn)
    try:
        with connection, connection.cursor() as cursor:
            for row in range(ROWS):
                given = [(n, LITERALS[n][row]) for n in named if row < len(LITERALS[n])]
                names = ", ".join(f'"{name}"' for name, _ in given)
                places = ", ".join(f"%s::{name}" for name, _ in given)
                cursor.execute(
                    f"INSERT INTO every (id, {names}) VALUES (%s, {places})",
                    (row, *(value for _, value in given)),
                )
    finally:
        connection.close()
    return len(named)


def test_every_type_arrives_as_the_proof_reads_it(
    database: Database, stack_environ: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    # GIVEN a row of each boundary value of each type
    assert fill(database) > 80
    environ = stack_environ(tables="public.every")
    # WHEN they are sent and staged
    ended = subprocess.run(
        [sys.executable, "-m", "rowferry", "run", "--once"],
        cwd=tmp_path,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    # THEN line, record and row are one value for each cell
    found = verify(load_settings(environ=environ, folder=tmp_path).settings)
    assert found.findings == ()
    assert (found.rows, found.records, found.lines) == (ROWS, ROWS, ROWS)
    # AND the smallest difference in the table is seen
    database.execute('UPDATE every SET "real" = 0.10000001 WHERE "real" = 0.1::real')
    found = verify(load_settings(environ=environ, folder=tmp_path).settings, grace_seconds=0)
    assert (found.changed, found.missing) == (1, 0)
