"""Statements on the emulated stage are read as Snowflake reads them."""

from pathlib import Path

import pytest

from rowferry.stack.stage_files import (
    StageFolder,
    StageStatement,
    parse_statement,
    unquote_stage,
    uploaded_name,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LIST @s", StageStatement("LIST", "s", "", "", {})),
        ("ls '@d.p.s/a/b'", StageStatement("LIST", "d.p.s", "a/b", "", {})),
        (
            "LIST @s/a PATTERN = '.*gz'",
            StageStatement("LIST", "s", "a", "", {"PATTERN": ".*gz"}),
        ),
        ("REMOVE @s/a/;", StageStatement("REMOVE", "s", "a/", "", {})),
        (
            "PUT file:///x/y.gz @s/a OVERWRITE=FALSE",
            StageStatement("PUT", "s", "a", "/x/y.gz", {"OVERWRITE": "FALSE"}),
        ),
        (
            "/* why */ put 'file:///with space.gz' '@s/a'",
            StageStatement("PUT", "s", "a", "/with space.gz", {}),
        ),
        ("GET '@s/a' 'file:///out'", StageStatement("GET", "s", "a", "/out", {})),
        ("SELECT 'LIST @s'", None),
        ("LIST @s; DROP TABLE t", None),
        ("COPY INTO t FROM @s", None),
    ],
)
def test_a_statement_is_taken_apart_or_left_alone(
    text: str, expected: StageStatement | None
) -> None:
    assert parse_statement(text) == expected


def test_a_quoted_stage_in_copy_loses_its_quotes() -> None:
    assert unquote_stage("COPY INTO t FROM '@s/a b'") == "COPY INTO t FROM '@s/a b'"
    assert unquote_stage("COPY INTO t FROM '@s/a/b-1.gz' x='@y'") == (
        "COPY INTO t FROM @s/a/b-1.gz x='@y'"
    )


def test_the_client_names_what_it_compresses() -> None:
    statement = StageStatement("PUT", "s", "", "/x/y.json", {})
    assert uploaded_name(statement) == "y.json.gz"
    kept = StageStatement("PUT", "s", "", "/x/y.json", {"AUTO_COMPRESS": "FALSE"})
    assert uploaded_name(kept) == "y.json"


def test_paths_are_prefixes_and_never_leave_the_stage(tmp_path: Path) -> None:
    # GIVEN a stage with a file, and a file beside it
    stage = tmp_path / "stage"
    (stage / "a").mkdir(parents=True)
    (stage / "a" / "one.gz").write_bytes(b"1")
    (tmp_path / "secret").write_bytes(b"2")
    folder = StageFolder(stage, "S")
    # THEN a prefix finds the first, and nothing finds the second
    assert [name for name, _ in folder.matching("a/o")] == ["a/one.gz"]
    assert [name for name, _ in folder.matching("../sec")] == []
    assert folder.target("..", "secret") is None
    assert folder.remove("a/", None) == [("s/a/one.gz", "removed")]
    assert folder.rows("", None) == []
