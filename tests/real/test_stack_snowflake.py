"""The emulated stage behaves as Snowflake's, where the product looks."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import DatabaseError, ProgrammingError

from fix_stack import SnowflakeServer, new_tag

pytestmark = pytest.mark.real
OPTIONS = "AUTO_COMPRESS=FALSE OVERWRITE=FALSE"


@pytest.fixture
def cursor(fakesnow: SnowflakeServer) -> Iterator[Any]:
    connection = fakesnow.connect()
    yield connection.cursor()
    connection.close()


@pytest.fixture
def folder(fakesnow: SnowflakeServer) -> str:
    return f"@{fakesnow.stage}/{new_tag()}"


def put(cursor: Any, target: str, name: str, content: bytes, options: str = OPTIONS) -> str:
    statement = f"PUT 'file://{name}' '{target}' {options}"
    cursor.execute(statement, file_stream=io.BytesIO(content))
    [row] = cursor.fetchall()
    return str(row[6])


def names(cursor: Any, path: str) -> list[tuple[str, int]]:
    cursor.execute(f"LIST '{path}'")
    return [(row[0], row[1]) for row in cursor.fetchall()]


def test_a_second_put_of_a_name_keeps_the_first_file_and_says_skipped(
    cursor: Any, folder: str
) -> None:
    # GIVEN a staged file
    assert put(cursor, folder, "a.json.gz", b"first") == "UPLOADED"
    # WHEN the name is put again
    assert put(cursor, folder, "a.json.gz", b"another") == "SKIPPED"
    # THEN the first is still there
    assert names(cursor, folder) == [(f"{folder[1:]}/a.json.gz", len(b"first"))]
    # AND only OVERWRITE replaces it
    overwriting = "AUTO_COMPRESS=FALSE OVERWRITE=TRUE"
    assert put(cursor, folder, "a.json.gz", b"another", overwriting) == "UPLOADED"
    assert names(cursor, folder) == [(f"{folder[1:]}/a.json.gz", len(b"another"))]


def test_a_file_is_put_from_disk_with_and_without_quotes(
    cursor: Any, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json.gz").write_bytes(b"content")
    for written in (f"'file://{tmp_path}/a.json.gz' '{folder}'", f"file://{tmp_path}/a.* {folder}"):
        cursor.execute(f"PUT {written} {OPTIONS}")
        assert cursor.fetchall()[0][0] == "a.json.gz"
    assert names(cursor, folder) == [(f"{folder[1:]}/a.json.gz", 7)]


def test_list_takes_a_path_as_a_prefix_of_names(cursor: Any, folder: str) -> None:
    for name in ("00001-00002.json.gz", "00002-00003.json.gz"):
        put(cursor, f"{folder}/t/p0", name, b"x")
    put(cursor, f"{folder}/t/p00", "00001-00009.json.gz", b"x")
    found = {path: len(names(cursor, f"{folder}/{path}")) for path in ("t/p0", "t/p0/", "t/", "u")}
    assert found == {"t/p0": 3, "t/p0/": 2, "t/": 3, "u": 0}
    assert names(cursor, f"{folder}/t/p0/00002-") == [(f"{folder[1:]}/t/p0/00002-00003.json.gz", 1)]


def test_remove_deletes_below_the_path_only(cursor: Any, folder: str) -> None:
    put(cursor, f"{folder}/old", "a.json.gz", b"x")
    put(cursor, f"{folder}/new", "a.json.gz", b"x")
    cursor.execute(f"REMOVE {folder}/old/")
    assert cursor.fetchall() == [(f"{folder[1:]}/old/a.json.gz", "removed")]
    assert names(cursor, folder) == [(f"{folder[1:]}/new/a.json.gz", 1)]


def test_get_brings_the_same_bytes_back(cursor: Any, folder: str, tmp_path: Path) -> None:
    content = gzip.compress(b'{"a": 1}\n', mtime=0)
    put(cursor, folder, "a.json.gz", content)
    cursor.execute(f"GET '{folder}/a.json.gz' 'file://{tmp_path}'")
    assert cursor.fetchall()[0][2] == "DOWNLOADED"
    assert (tmp_path / "a.json.gz").read_bytes() == content


def test_staged_lines_load_into_a_variant_column_once(cursor: Any, folder: str) -> None:
    put(cursor, folder, "a.json.gz", gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    table = new_tag()
    cursor.execute(f"CREATE TABLE {table} (line VARIANT)")
    for _ in range(2):
        cursor.execute(f"COPY INTO {table} FROM '{folder}/' FILE_FORMAT = (TYPE = JSON)")
    cursor.execute(f"SELECT line:a::int FROM {table} ORDER BY 1")
    assert cursor.fetchall() == [(1,), (2,)]


def test_a_stage_that_is_missing_and_a_path_that_leaves_are_refused(
    cursor: Any, folder: str
) -> None:
    with pytest.raises(ProgrammingError, match="does not exist or not authorized"):
        names(cursor, "@no_such_stage/a")
    with pytest.raises(ProgrammingError, match="leaves the stage"):
        put(cursor, f"{folder}/../../../..", "a.json.gz", b"x")


def test_a_wrong_password_is_refused(fakesnow: SnowflakeServer) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password"):
        fakesnow.connect(password="wrong")
