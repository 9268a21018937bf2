"""`check` says of a table what `send` would, and no more than that."""

from collections.abc import Callable

import pytest

from fix_stack import Database
from rowferry.config import Settings
from rowferry.errors import AccessDenied
from rowferry.proof.checks import Finding, Level
from rowferry.proof.checks_postgres import check_postgres

pytestmark = pytest.mark.real

Check = Callable[..., list[Finding]]


@pytest.fixture
def check(stack_settings: Callable[..., Settings]) -> Check:
    """What is found of the table t and its column at, but for what is well."""

    def found(**overrides: object) -> list[Finding]:
        own = {"tables": "public.t", "timestamp_column": "at", **overrides}
        findings = check_postgres(stack_settings(**own))
        return [f for f in findings if f.name.startswith("table") and f.level is not Level.OK]

    return found


def create(database: Database, kind: str) -> None:
    database.execute(f"CREATE TABLE t (id int PRIMARY KEY, at {kind}); CREATE INDEX ON t (at)")


TOKYO, LIMA = "now() AT TIME ZONE 'Asia/Tokyo'", "now() AT TIME ZONE 'America/Lima'"
EASTMOST = "now() AT TIME ZONE 'Pacific/Kiritimati'"


@pytest.mark.parametrize(
    ("kind", "zone", "stamp", "is_warned"),
    [
        ("timestamptz", None, "now() + interval '59 minutes'", False),
        ("timestamptz", "Asia/Tokyo", "now() + interval '61 minutes'", True),
        ("timestamp", "Asia/Tokyo", f"{TOKYO} + interval '59 minutes'", False),
        ("timestamp", "Asia/Tokyo", f"{TOKYO} + interval '61 minutes'", True),
        ("timestamp", "America/Lima", f"{LIMA} + interval '61 minutes'", True),
        ("timestamp", None, f"{EASTMOST} + interval '59 minutes'", False),
        ("timestamp", None, f"{EASTMOST} + interval '61 minutes'", True),
        ("date", "Asia/Tokyo", TOKYO, False),
        ("date", "Asia/Tokyo", f"{TOKYO} + interval '2 days'", True),
    ],
)
def test_rows_are_ahead_by_the_clock_that_their_column_goes_by(
    database: Database, check: Check, kind: str, zone: str | None, stamp: str, is_warned: bool
) -> None:
    create(database, kind)
    database.execute(f"INSERT INTO t VALUES (1, {stamp})")
    found = check(**({} if zone is None else {"timestamp_zone": zone}))
    assert [f.level for f in found] == [Level.WARNING] * is_warned
    assert all("stamped more than an hour ahead" in f.text for f in found)


@pytest.mark.parametrize(
    ("kind", "is_fit"),
    [
        ("stamp", True),
        ("stamp_of_stamps", True),
        ("day", True),
        ("timestamp(3)", True),
        ("period", False),
        ("daterange", False),
        ("timestamp without time zone[]", False),
        ("text", False),
    ],
)
def test_a_column_is_a_timestamp_where_that_is_what_its_domain_is_of(
    database: Database, check: Check, kind: str, is_fit: bool
) -> None:
    database.execute(
        "CREATE DOMAIN stamp AS timestamptz NOT NULL; CREATE DOMAIN stamp_of_stamps AS stamp;"
        "CREATE DOMAIN day AS date; CREATE DOMAIN period AS daterange"
    )
    create(database, kind)
    assert [f.text for f in check()] == ([] if is_fit else [f"{kind} is no timestamp [public.t]"])


@pytest.mark.parametrize("missing", ["SELECT ON shop.t", "USAGE ON SCHEMA shop"])
def test_a_table_that_may_not_be_read_is_a_problem_whichever_grant_is_missing(
    database: Database, check: Check, missing: str
) -> None:
    # GIVEN all that it takes
    database.execute(
        "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, at timestamptz);"
        "CREATE INDEX ON shop.t (at);"
        f"GRANT USAGE ON SCHEMA shop TO {database.reader};"
        f"GRANT SELECT ON shop.t TO {database.reader}"
    )
    assert check(tables="shop.t") == []
    # WHEN one of the two is taken away
    database.execute(f"REVOKE {missing} FROM {database.reader}")
    # THEN
    [found] = check(tables="shop.t")
    assert (found.level, found.exit_code) == (Level.PROBLEM, AccessDenied.exit_code)
    assert f"GRANT USAGE ON SCHEMA shop TO {database.reader}" in found.repair
