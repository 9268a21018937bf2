"""The SQL that init prints for Snowflake, for each kind of login, and the key it makes."""

from pathlib import Path
from typing import Any

import pytest

from rowferry.cli.init_snowflake import DEFAULT_KEY_FILE, snowflake_sql, with_key_pair
from rowferry.config import Settings
from rowferry.errors import ConfigError
from rowferry.flow.stage.snowflake_keys import public_key

PASSWORD = {"snowflake_password": "p"}


def settings_of(**fields: Any) -> Settings:
    own = {"stage": "@stage/p", "snowflake_database": "raw", "snowflake_schema": '"My schema"'}
    return Settings.model_validate({**own, **fields})


TOKEN = (
    'ALTER USER "ROWFERRY_SVC" ADD PROGRAMMATIC ACCESS TOKEN ROWFERRY '
    "ROLE_RESTRICTION = 'ROWFERRY_LOADER' DAYS_TO_EXPIRY = 90;"
)
WORKLOAD = (
    "ALTER USER \"ROWFERRY_SVC\" SET WORKLOAD_IDENTITY = (TYPE = AWS ARN = '<arn of the role>');"
)
OAUTH = '-- A SECURITY INTEGRATION of TYPE = EXTERNAL_OAUTH has to map tokens to "ROWFERRY_SVC".'


@pytest.mark.parametrize(
    ("proof", "line"),
    [
        (PASSWORD, TOKEN),
        ({"snowflake_workload_identity_provider": "AWS"}, WORKLOAD),
        ({"snowflake_oauth_client_id": "i", "snowflake_oauth_client_secret": "s"}, OAUTH),
    ],
)
def test_each_kind_of_login_has_its_sql(proof: dict[str, str], line: str) -> None:
    assert line in snowflake_sql(settings_of(**proof)).splitlines()


def test_the_stage_is_encrypted_by_the_server_and_granted_read_before_write() -> None:
    lines = snowflake_sql(settings_of(**PASSWORD)).splitlines()
    place = '"RAW"."My schema"."STAGE"'
    assert any(f"STAGE IF NOT EXISTS {place} ENCRYPTION = (TYPE = 'SNOWFLAKE" in x for x in lines)
    read = f'GRANT READ ON STAGE {place} TO ROLE "ROWFERRY_LOADER";'
    write = read.replace("READ", "WRITE")
    granted = [line.partition("  --")[0] for line in lines if line.startswith("GRANT")]
    assert granted[-2:] == [read, write]
    assert 'GRANT USAGE ON SCHEMA "RAW"."My schema" TO ROLE "ROWFERRY_LOADER";' in granted


def test_no_name_ends_a_statement() -> None:
    hostile = 'X"; DROP TABLE y; --'
    with pytest.raises(ConfigError, match="SNOWFLAKE_ROLE"):
        snowflake_sql(settings_of(**PASSWORD, snowflake_role=f"a.b.c.{hostile}"))
    text = snowflake_sql(settings_of(**PASSWORD, snowflake_role='"X""; DROP TABLE y; --"'))
    assert 'CREATE ROLE IF NOT EXISTS "X""; DROP TABLE y; --";' in text.splitlines()


def test_loading_adds_the_warehouse_and_says_where_the_tables_come_from() -> None:
    text = snowflake_sql(settings_of(**PASSWORD, load="append", snowflake_warehouse="wh"))
    assert 'GRANT USAGE ON WAREHOUSE "WH" TO ROLE "ROWFERRY_LOADER";' in text
    assert "rowferry load --print-ddl" in text


@pytest.mark.parametrize("passphrase", [None, "canary-phrase"])
def test_a_key_is_made_once_private_and_encrypted_as_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], passphrase: str | None
) -> None:
    path = tmp_path / "key.p8"
    given = settings_of(
        snowflake_private_key_file=str(path), snowflake_private_key_passphrase=passphrase
    )
    # WHEN
    settings = with_key_pair(given)
    # THEN
    made = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.startswith(
        b"-----BEGIN ENCRYPTED PRIVATE KEY" if passphrase else b"-----BEGIN PRIVATE KEY"
    )
    assert f"SET RSA_PUBLIC_KEY = '{public_key(settings)}';" in snowflake_sql(settings)
    # WHEN it is there THEN it stays
    with_key_pair(given)
    assert path.read_bytes() == made
    assert "canary" not in "".join(capsys.readouterr())


def test_a_link_in_the_keys_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "key.p8").symlink_to(tmp_path / "target")
    with_key_pair(settings_of(snowflake_private_key_file=str(tmp_path / "key.p8")))
    assert not (tmp_path / "target").exists()


def test_a_key_is_made_only_where_nothing_else_logs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for fields in ({"stage": "file:./x"}, {"stage": None}, PASSWORD):
        assert with_key_pair(settings_of(**fields)).snowflake_private_key_file is None
    assert list(tmp_path.iterdir()) == []
    assert with_key_pair(settings_of()).snowflake_private_key_file == DEFAULT_KEY_FILE
    assert [path.name for path in tmp_path.iterdir()] == [DEFAULT_KEY_FILE]
