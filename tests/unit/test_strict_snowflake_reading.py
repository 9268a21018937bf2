"""How the strict Snowflake fake reads statements, scripts faults and remembers loads."""

import re
from pathlib import Path

import pytest

from strict_snowflake.clock import Clock
from strict_snowflake.copy_statement import read_copy
from strict_snowflake.faults import OPTIONS, Faults, Kind, Place
from strict_snowflake.load_history import LoadHistory, LoadStatus
from strict_snowflake.stages import Encryption, SqlError, StoredFile
from strict_snowflake.statements import (
    CreateStage,
    Get,
    GrantOnStage,
    ListFiles,
    Location,
    Put,
    Remove,
    identifiers,
    read_statement,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b.c", ("A", "B", "C")),
        ('db."My Schema"."x""y"', ("DB", "My Schema", 'x"y')),
        ("_x$1", ("_X$1",)),
    ],
)
def test_names_are_upper_case_unless_they_are_quoted(text: str, parts: tuple[str, ...]) -> None:
    assert identifiers(text) == parts


@pytest.mark.parametrize(
    "stage",
    [
        "@db.s.stage/a/b c",
        '@"db"."s"."stage"/a/b c',
    ],
)
def test_a_put_is_read_with_its_options_in_any_order(stage: str) -> None:
    sql = f"-- note\nPUT 'file:///tmp/x y.gz' '{stage}' OVERWRITE = TRUE\n AUTO_COMPRESS=false;"
    put = read_statement(sql)
    assert isinstance(put, Put)
    assert put.source == "/tmp/x y.gz"
    assert put.to.path == "a/b c"
    assert (put.overwrite, put.auto_compress) == (True, False)
    assert [part.upper() for part in put.to.stage] == ["DB", "S", "STAGE"]


def test_each_statement_about_stages_is_told_from_the_others() -> None:
    where = Location(("S",), "p/")
    assert read_statement("ls @s/p/ pattern='.*gz'") == ListFiles(where, ".*gz")
    assert read_statement("REMOVE '@s/p/'") == Remove(where, None)
    assert read_statement("get @s/p/ file:///tmp/") == Get(where, "/tmp/", None)
    assert read_statement("grant read, write on stage s to role r") == GrantOnStage(
        ("S",), frozenset({"READ", "WRITE"}), "R", revokes=False
    )
    created = read_statement(
        "CREATE OR REPLACE STAGE s ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE') "
        "FILE_FORMAT = (TYPE = JSON) COMMENT = 'it''s'"
    )
    assert isinstance(created, CreateStage)
    assert (created.encryption, created.file_format) == (Encryption.SSE, {"TYPE": "JSON"})
    assert read_statement("SELECT '@s' FROM t") is None


@pytest.mark.parametrize("sql", ["LIST stage", "PUT file:///x", "REMOVE '@s/a'b'", "GET @s"])
def test_a_broken_statement_about_stages_is_a_syntax_error(sql: str) -> None:
    with pytest.raises(SqlError) as broken:
        read_statement(sql)
    assert broken.value.code == "001003"


def test_a_copy_is_read_whole() -> None:
    copy = read_copy(
        "COPY INTO db.s.t (id, f) FROM (SELECT t.$1:id::int, METADATA$FILENAME FROM "
        "'@stage/p/' t) FILES = ('a', 'it''s') FILE_FORMAT = (TYPE = JSON) "
        "FORCE = TRUE ON_ERROR = ABORT_STATEMENT"
    )
    assert copy is not None
    assert (copy.table, copy.columns, copy.alias) == ("db.s.t", "(id, f)", "t")
    assert copy.source == Location(("STAGE",), "p/")
    assert copy.files == ("a", "it's")
    assert (copy.force, copy.on_error, copy.purge) == (True, "ABORT_STATEMENT", False)
    assert copy.file_format == {"TYPE": "JSON"}
    assert read_copy("COPY INTO '@stage/out' FROM t") is None


def test_faults_strike_in_order_where_they_are_meant_and_as_often() -> None:
    faults = Faults()
    faults.next("refuse", times=2, status=503)
    faults.next("query_failed", matching="LIST")
    assert faults.take(Place.STORAGE, "HEAD", "/s3/x") is None
    assert faults.take(Place.QUERY, "", "PUT …") is None
    struck = [faults.take(Place.STORAGE, "PUT", "/s3/x") for _ in range(3)]
    assert [fault is not None for fault in struck] == [True, True, False]
    assert faults.pending == ["query_failed"]
    assert faults.take(Place.QUERY, "", "LIST @s") is not None
    assert faults.played == ["refuse", "refuse", "query_failed"]


def test_a_load_is_remembered_by_name_and_etag_for_64_days_and_then_uncertain() -> None:
    clock = Clock()
    history = LoadHistory(clock)
    file = StoredFile("a", b"x", "e1", clock.now(), {})
    assert history.status("T", "bucket", file) is LoadStatus.NEW
    history.record("T", "bucket", file)
    assert history.status("T", "bucket", file) is LoadStatus.LOADED
    assert history.status("T", "another", file) is LoadStatus.NEW
    again = StoredFile("a", b"x", "e2", clock.now(), {})
    assert history.status("T", "bucket", again) is LoadStatus.NEW
    clock.advance(days=65)
    assert history.status("T", "bucket", file) is LoadStatus.UNCERTAIN
    fresh = StoredFile("a", b"x", "e1", clock.now(), {})
    assert history.status("T", "bucket", fresh) is LoadStatus.NEW
    history.forget("T")
    assert history.status("T", "bucket", file) is LoadStatus.NEW


def test_each_fault_option_and_error_code_is_in_the_documentation() -> None:
    root = Path(__file__).parent.parent.parent
    page = (root / "docs" / "snowflake-fake.md").read_text()
    faults = page.partition("## Faults")[2].partition("## Rules")[0]
    assert [kind for kind in Kind if f"`{kind}`" not in faults] == []
    assert [option for option in OPTIONS if option not in faults] == []
    code = re.compile(r'Refused\(\s*"(\d{6})"')
    sources = (root / "tests" / "strict_snowflake").glob("*.py")
    told = {found for source in sources for found in code.findall(source.read_text())}
    assert told - set(re.findall(r"\d{6}", page)) == set()
