"""The texts of reads, and what a filter may look like."""

from dataclasses import replace

import pytest

from copy_bytes import copy_of
from rowferry.flow.capture.filter import _shape_of
from rowferry.flow.capture.source import Query, Which
from rowferry.flow.capture.state import Identity
from rowferry.flow.capture.statements import Statements, literal, precision_margin, quoted
from rowferry.flow.capture.window import BEGINNING, NEVER
from rowferry.kernel.copy import CopyReader
from rowferry.model import Column, Table

ID = Column("id", "integer", False, 23, -1)
NOON = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z


def statements(oid: int, zone: str | None = None) -> Statements:
    updated = Column("upd", "timestamp", True, oid, -1)
    return Statements(Table(1, "s", "t", (ID, updated), ("id",), "upd"), None, zone)


@pytest.mark.parametrize(
    ("oid", "zone", "want"),
    [
        (1184, None, "'2023-11-14T22:13:20+00:00'::timestamptz"),
        (1114, None, "'2023-11-14T10:13:20'::timestamp"),
        (1114, "Europe/Berlin", "'2023-11-14T22:13:20'::timestamp"),
        (1114, "America/New_York", "'2023-11-14T16:13:20'::timestamp"),
        (1082, None, "'2023-11-14T10:13:20'::date"),
    ],
)
def test_a_bound_is_of_the_columns_type_and_never_too_late(
    oid: int, zone: str | None, want: str
) -> None:
    assert statements(oid, zone).bound(NOON) == want


def test_a_bound_that_means_always_or_never_is_no_time() -> None:
    table = Table(1, "s", "t", (ID, ID), ("id",), "id")
    query = Query(table, Identity(1, {}), Which.TIMED, xmax=9, limit=1, least=3)
    for since, words in ((BEGINNING - 5, '"upd" IS NOT NULL'), (NEVER - 5, "false")):
        text = statements(1184).marks(
            Query(table, Identity(1, {}), Which.TIMED, xmax=9, limit=1, least=3, since=since)
        )
        assert words in text
    assert "LIMIT 1" in statements(1184).read(query, 1)


@pytest.mark.parametrize(
    ("oid", "modifier", "want"),
    [
        (1184, -1, 0),
        (1184, 6, 0),
        (1184, 3, 1000),
        (1114, 0, 1_000_000),
        (1082, -1, 86_400_000_000),
    ],
)
def test_what_a_columns_precision_cuts_off_widens_the_margin(
    oid: int, modifier: int, want: int
) -> None:
    column = Column("u", "", True, oid, modifier)
    assert precision_margin(column) == want


def test_a_poll_of_known_leaves_reads_no_others() -> None:
    table = Table(1, "s", "t", (ID, ID), ("id",), "id")
    query = Query(table, Identity(1, {}), Which.TIMED, xmax=9, limit=1)
    assert "tableoid" not in statements(1184).read(query, 1)
    text = statements(1184).read(replace(query, leaves=frozenset({30, 20})), 1)
    assert "tableoid IN (20, 30)" in text
    assert "tableoid IN (0)" in statements(1184).read(replace(query, leaves=frozenset()), 1)


def test_names_and_values_cannot_leave_their_quotes() -> None:
    assert quoted('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\'b") == "E'a\\\\''b'"


@pytest.mark.parametrize(
    "condition",
    [
        "a > 1",
        "name = 'x; -- (' AND (b OR c)",
        '"se;lect" = 1',
        "t = E'it\\'s'",
        "a = ')'",
        "a = 'x\\'",
    ],
)
def test_a_condition_is_let_through(condition: str) -> None:
    assert _shape_of(condition) == ""


@pytest.mark.parametrize(
    "condition",
    [
        "a) OR (b",
        "(a",
        "a; b",
        "a -- b",
        "a /* b",
        "a = 'open",
        'a = "open',
        "a = $$x$$",
        "a IN (SELECT 1)",
        "a = E'\\'",
        "a IN (TABLE t)",
        "a = 'x\\' OR true --'",
    ],
)
def test_what_is_more_than_a_condition_is_not(condition: str) -> None:
    assert _shape_of(condition) != ""


def test_where_the_rows_end_is_told_by_their_own_columns_where_these_can() -> None:
    # GIVEN a key of a text, a number and a time
    name = Column("name", "character(4)", False, 1042, -1)
    day = Column("day", "date", False, 1082, -1)
    built = Statements(Table(1, "s", "t", (ID, name, day), ("name", "day", "id")), None, None)
    query = Query(built.table, Identity(1, {}), Which.ALL, xmax=9, limit=2, order=built.table.key)

    # THEN only the time is selected once more, as text
    wires = built.wires_of(query)
    assert [wire.name for wire in wires] == ["id", "name", "day", "mark", "order 0"]
    assert ', "day"::text FROM' in built.read(query, 2)

    # AND the next rows are those behind the last one
    rows = [[1, "a", 0, -1, "1970-01-01"], [-7, "b'c", 1, -1, "1970-01-02"]]
    last = built.last(CopyReader(wires).read(copy_of(wires, rows)), query)
    assert last == ("b'c", "1970-01-02", "-7")
    text = built.read(replace(query, after=last), 2)
    assert "> ('b''c'::character(4), '1970-01-02'::date, '-7'::integer)" in text
