"""What check says of a Snowflake user, role, stage and cloud, each with its repair."""

import pytest

from rowferry.config_snowflake import Login
from rowferry.flow.stage.load_names import Place
from rowferry.proof.checks import Level
from rowferry.proof.checks_snowflake import (
    cloud_finding,
    grants_finding,
    kind_finding,
    role_finding,
    user_finding,
)

PLACE = Place(("RAW", "PUBLIC", "STAGE"))
READ = 'GRANT READ ON STAGE "RAW"."PUBLIC"."STAGE" TO ROLE "LOADER";'
WRITE = 'GRANT WRITE ON STAGE "RAW"."PUBLIC"."STAGE" TO ROLE "LOADER";'


@pytest.mark.parametrize(
    ("login", "kind", "level", "says", "repair"),
    [
        (Login.KEY_PAIR, "SERVICE", Level.OK, "as a program's user should be", ""),
        (Login.PASSWORD, "SERVICE", Level.OK, "holds a programmatic access token", ""),
        (Login.PASSWORD, "", Level.WARNING, "second factor since August", "TYPE = SERVICE, and"),
        (Login.PASSWORD, "PERSON", Level.WARNING, "second factor", "rowferry init"),
        (Login.PASSWORD, "LEGACY_SERVICE", Level.WARNING, "October 2026", "rowferry init"),
        (Login.OAUTH, "LEGACY_SERVICE", Level.WARNING, "October 2026", "TYPE = SERVICE"),
        (Login.KEY_PAIR, "PERSON", Level.WARNING, "can still be given a password", "TYPE = SERV"),
    ],
)
def test_what_a_users_type_means_for_its_login(
    login: Login, kind: str, level: Level, says: str, repair: str
) -> None:
    found = user_finding(login, '"FERRY"', kind)
    assert found.level is level
    assert says in found.text
    assert repair in found.repair


def test_a_role_that_may_do_everything_is_named() -> None:
    assert role_finding("ACCOUNTADMIN").level is Level.WARNING
    assert role_finding("ROWFERRY_LOADER").level is Level.OK


def test_a_cloud_whose_put_replaces_files_is_named() -> None:
    assert cloud_finding("GCP_EUROPE_WEST4").level is Level.WARNING
    assert cloud_finding("PUBLIC.AWS_US_EAST_1").level is Level.OK


@pytest.mark.parametrize(
    ("kind", "level", "says"),
    [
        ("INTERNAL NO CSE", Level.OK, "SNOWFLAKE_SSE"),
        ("INTERNAL", Level.WARNING, "SNOWFLAKE_FULL"),
        ("EXTERNAL", Level.PROBLEM, "TYPE EXTERNAL"),
    ],
)
def test_what_a_stages_encryption_means(kind: str, level: Level, says: str) -> None:
    found = kind_finding(kind, PLACE.sql)
    assert (found.level, says in found.text) == (level, True)


@pytest.mark.parametrize(
    ("held", "repair"),
    [
        ({"READ", "WRITE"}, ""),
        ({"OWNERSHIP"}, ""),
        ({"READ"}, WRITE),
        (set(), f"{READ} {WRITE}"),
    ],
)
def test_what_a_role_lacks_on_the_stage_is_told_as_grants(held: set[str], repair: str) -> None:
    assert grants_finding(held, "LOADER", PLACE).repair == repair
