"""`check` names what is wrong with a Snowflake stage, user and role, on the strict fake."""

import json
import re
from contextlib import closing
from typing import Any

import pytest

from fix_cli import Rowferry
from fix_snowflake import MakeSnowflake
from fix_stack import SnowflakeServer
from rowferry.config import Settings
from rowferry.errors import AccessDenied
from rowferry.flow.stage.snowflake_login import log_in
from rowferry.proof.checks import Finding, Level, check_stage
from strict_snowflake import Cloud, Encryption, StrictSnowflake, UserType
from strict_snowflake.credentials import give_key_pair

pytestmark = pytest.mark.real

STAGE = "@product_ingestion_stage/ferry"


def settings_of(settings: dict[str, str], spool: object, **fields: Any) -> Settings:
    named: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    return Settings.model_validate({**named, "stage": STAGE, "spool_dir": str(spool), **fields})


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_stage(settings)}


def levels(found: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.level.value for name, finding in found.items()}


def test_a_service_user_with_a_key_on_an_sse_stage_is_all_well(
    make_snowflake: MakeSnowflake, tmp_path: Any
) -> None:
    fake = make_snowflake(cloud=Cloud.S3, encryption=Encryption.SSE)
    proof = {"SNOWFLAKE_PASSWORD": "left over", **give_key_pair(fake.user, tmp_path)}
    found = findings(settings_of({**fake.settings, **proof}, tmp_path / "spool"))
    assert set(levels(found).values()) == {"ok"}
    assert set(found) >= {
        *("snowflake.login", "snowflake.user", "snowflake.role"),
        *("stage.grants", "stage.encryption", "stage.cloud", "stage"),
    }
    assert fake.files() == {}


def test_a_person_with_a_password_on_a_full_stage_of_google_is_warned(
    make_snowflake: MakeSnowflake, tmp_path: Any
) -> None:
    fake = make_snowflake(cloud=Cloud.GCS, encryption=Encryption.FULL)
    found = findings(settings_of(fake.settings, tmp_path))
    assert {name for name, level in levels(found).items() if level == "warning"} == {
        *("snowflake.user", "stage.encryption", "stage.cloud")
    }
    assert "August to October 2026" in found["snowflake.user"].text
    assert "SNOWFLAKE_SSE" in found["stage.encryption"].repair


def test_a_legacy_service_user_is_told_what_has_ended(
    strict_snowflake: StrictSnowflake, tmp_path: Any
) -> None:
    strict_snowflake.user.type = UserType.LEGACY_SERVICE
    found = findings(settings_of(strict_snowflake.settings, tmp_path))
    assert "LEGACY_SERVICE" in found["snowflake.user"].text


def test_a_missing_privilege_is_named_as_its_grant(
    strict_snowflake: StrictSnowflake, tmp_path: Any
) -> None:
    strict_snowflake.stage().grants["LOADER"] = {"READ"}
    found: list[Finding] = []
    with pytest.raises(AccessDenied):
        found += check_stage(settings_of(strict_snowflake.settings, tmp_path))
    [told] = [finding for finding in found if finding.name == "stage.grants"]
    assert told.level is Level.WARNING
    assert told.repair == (
        'GRANT WRITE ON STAGE "ANALYTICS"."INGEST"."PRODUCT_INGESTION_STAGE" TO ROLE "LOADER";'
    )


def test_loading_without_a_warehouse_is_a_problem(
    strict_snowflake: StrictSnowflake, tmp_path: Any
) -> None:
    named = {n: v for n, v in strict_snowflake.settings.items() if n != "SNOWFLAKE_WAREHOUSE"}
    found = findings(settings_of(named, tmp_path, load="append"))
    assert found["snowflake.warehouse"].level is Level.PROBLEM
    assert found["snowflake.warehouse"].exit_code == 3


def test_a_refused_login_is_one_problem_and_one_attempt(
    strict_snowflake: StrictSnowflake, rowferry: Rowferry
) -> None:
    environ = {
        **strict_snowflake.settings,
        "SNOWFLAKE_PASSWORD": "canary-wrong",
        "ROWFERRY_STAGE": STAGE,
        "ROWFERRY_SPOOL_DIR": str(rowferry.folder / "spool"),
    }
    ended = rowferry.run(environ, "check", "--json")
    assert ended.code == 3, ended.stderr
    found = {finding["name"]: finding for finding in json.loads(ended.stdout)["findings"]}
    assert found["stage"]["code"] == "E_SF_AUTH"
    assert "key pair" in found["stage"]["repair"]
    assert "canary" not in ended.stdout + ended.stderr
    assert [login.error_code for login in strict_snowflake.logins] == ["390100"]


def test_the_emulator_answers_what_check_asks(fakesnow: SnowflakeServer, tmp_path: Any) -> None:
    fields = {**fakesnow.fields("check/prefix"), "spool_dir": str(tmp_path)}
    found = findings(Settings.model_validate(fields))
    assert levels(found) == {
        "snowflake.login": "ok",
        "snowflake.user": "warning",
        "snowflake.role": "warning",
        "stage.grants": "ok",
        "stage.encryption": "warning",
        "stage.cloud": "ok",
        "stage": "ok",
    }


def test_what_init_makes_and_prints_is_all_that_a_new_user_needs(
    make_snowflake: MakeSnowflake, rowferry: Rowferry
) -> None:
    # GIVEN a user without any login, and no stage
    fake = make_snowflake(cloud=Cloud.S3, encryption=Encryption.SSE)
    owner = settings_of(fake.settings, rowferry.folder / "spool")
    environ = {n: v for n, v in fake.settings.items() if n != "SNOWFLAKE_PASSWORD"}
    environ |= {"ROWFERRY_STAGE": "@made_by_init/ferry", "ROWFERRY_SPOOL_DIR": "spool"}
    # WHEN init's SQL is run: the key by the fake's own rules, the stage's as its owner
    made = rowferry.run(environ, "init")
    assert made.code == 0, made.stderr
    [fake.user.rsa_public_key] = re.findall(r"SET RSA_PUBLIC_KEY = '([^']+)'", made.stdout)
    with closing(log_in(owner)) as session, session.cursor() as cursor:
        for statement in re.findall(
            r"^(?:CREATE STAGE|GRANT \w+ ON STAGE)[^;]*", made.stdout, re.MULTILINE
        ):
            cursor.execute(statement)
    fake.user.type, fake.user.password = UserType.SERVICE, None
    # THEN check finds all well, with the settings that init has written
    ended = rowferry.run({**environ, **fake.environment}, "check", "--json")
    found = {f["name"]: f["level"] for f in json.loads(ended.stdout)["findings"]}
    of_snowflake = {n: v for n, v in found.items() if n.startswith(("snowflake.", "stage"))}
    assert set(of_snowflake.values()) == {"ok"}, ended.stdout
    assert fake.logins[-1].authenticator == "SNOWFLAKE_JWT"
