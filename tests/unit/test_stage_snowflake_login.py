"""How a Snowflake stage is addressed and logged in to, without a Snowflake."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, DataAtRisk, RowferryError, Transient
from rowferry.flow.stage.kinds import open_stage
from rowferry.flow.stage.snowflake_errors import translate
from rowferry.flow.stage.snowflake_location import local_url, parse_location
from rowferry.flow.stage.snowflake_login import connection_parameters


@pytest.mark.parametrize(
    ("setting", "sql"),
    [
        ("@stage", "'@stage/a/b.gz'"),
        ("@stage/some/prefix/", "'@stage/some/prefix/a/b.gz'"),
        ("@db.sch.stage_1$/p", "'@db.sch.stage_1$/p/a/b.gz'"),
        ('@"My db"."s"."st-""age"/p=1', '\'@"My db"."s"."st-""age"/p=1/a/b.gz\''),
    ],
)
def test_a_stage_is_addressed_in_quotes(setting: str, sql: str) -> None:
    assert parse_location(setting).sql("a/b.gz") == sql


@pytest.mark.parametrize(
    "setting",
    [
        "stage", "@", "@~/x", "@%table/x", "@a.b.c.d", "@st age", "@stage/../x", "@stage/a//b",
        "@stage/x'; DROP STAGE y; --", "@stage/x\ny", '@"a\'b"', '@"a/b"', '@"a', "@stage/x*",
        "@stage/x?", "@stage/[x]", "@stage/x\\", "@1stage", "@stage/\N{GREEK SMALL LETTER ALPHA}",
    ],
)  # fmt: skip
def test_what_could_be_more_than_a_stage_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="ROWFERRY_STAGE"):
        parse_location(setting)


@given(st.text(max_size=30))
def test_no_text_leaves_the_quotes(text: str) -> None:
    try:
        sql = parse_location(f"@stage/{text}").sql()
    except ConfigError:
        return
    assert sql[1:-1].isprintable()
    assert not set("'\\\";\n") & set(sql[1:-1])


@given(st.text(max_size=30))
def test_no_local_path_leaves_the_quotes_or_names_more_than_one_file(text: str) -> None:
    try:
        url = local_url(f"/{text}")
    except ConfigError:
        return
    assert not set("'\\\"?*[]\n") & set(url[1:-1])


def test_names_are_taken_out_of_listings_only_within_the_prefix() -> None:
    location = parse_location("@Stage/some/prefix")
    assert location.relative("stage/some/prefix/a/b.gz") == "a/b.gz"
    assert location.relative("stage/some/prefixed/b.gz") is None
    assert parse_location("@stage").relative("stage/a/b.gz") == "a/b.gz"


# --- Logging in


def parameters(**fields: Any) -> dict[str, Any]:
    own = {"snowflake_account": "acme", "snowflake_user": "ferry", "stage": "@s/p"}
    return connection_parameters(Settings.model_validate({**own, **fields}))


def private(tmp_path: Path, text: str) -> str:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def test_every_login_has_deadlines_no_telemetry_and_one_role() -> None:
    found = parameters(snowflake_password="secret", snowflake_role="LOADER", put_seconds=7)
    assert found["password"] == "secret"
    assert "authenticator" not in found
    assert found["login_timeout"] > 0
    assert found["socket_timeout"] > 0
    assert found["network_timeout"] == 7
    assert found["role"] == "LOADER"
    assert found["secondary_roles"] == "NONE"
    assert found["protocol"] == "https"
    assert found["client_store_temporary_credential"] is False
    assert found["session_parameters"]["CLIENT_TELEMETRY_ENABLED"] is False


def test_a_key_goes_before_a_token_and_a_token_before_a_password(tmp_path: Path) -> None:
    secret = private(tmp_path, "token-text\n")
    given = {"snowflake_password": "pass", "snowflake_token_file": secret}
    by_token = parameters(**given)
    assert by_token["authenticator"] == "PROGRAMMATIC_ACCESS_TOKEN"
    assert by_token["token"] == "token-text"
    assert "password" not in by_token
    by_key = parameters(
        **given, snowflake_private_key_file=secret, snowflake_private_key_passphrase="phrase"
    )
    assert by_key["authenticator"] == "SNOWFLAKE_JWT"
    assert by_key["private_key_file"] == secret
    assert by_key["private_key_file_pwd"] == "phrase"
    assert "token" not in by_key


def test_named_logins_are_what_they_say(tmp_path: Path) -> None:
    token = private(tmp_path, "t")
    oauth = parameters(snowflake_authenticator="oauth", snowflake_token_file=token)
    assert (oauth["authenticator"], oauth["token"]) == ("OAUTH", "t")
    aws = parameters(snowflake_authenticator="workload_identity/aws")
    assert aws["authenticator"] == "WORKLOAD_IDENTITY"
    assert aws["workload_identity_provider"] == "AWS"
    with pytest.raises(ConfigError, match="SNOWFLAKE_AUTHENTICATOR"):
        parameters(snowflake_authenticator="externalbrowser")


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    secret = private(tmp_path, "t")
    for mode in (0o640, 0o604, 0o620):
        Path(secret).chmod(mode)
        with pytest.raises(ConfigError, match="SNOWFLAKE_TOKEN_FILE"):
            parameters(snowflake_token_file=secret)
    Path(secret).chmod(0o600)
    (tmp_path / "link").symlink_to(secret)
    with pytest.raises(ConfigError, match="cannot be read"):
        parameters(snowflake_token_file=str(tmp_path / "link"))


def test_without_any_proof_the_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="SNOWFLAKE_PRIVATE_KEY_FILE"):
        parameters()


def test_a_stage_of_no_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="ROWFERRY_STAGE"):
        open_stage(Settings(stage="s3://bucket"))


# --- Errors


class ConnectorError(Exception):
    def __init__(self, errno: int, msg: str) -> None:
        super().__init__(msg)
        self.errno, self.msg = errno, msg


@pytest.mark.parametrize(
    ("errno", "text", "kind", "code"),
    [
        (250001, "390100 (08001): Incorrect username or password", AccessDenied, Code.SF_AUTH),
        (390144, "JWT token is invalid", AccessDenied, Code.SF_AUTH),
        (250001, "Could not connect to Snowflake backend", Transient, Code.STAGE_DOWN),
        (390114, "Authentication token has expired", Transient, Code.STAGE_DOWN),
        (2003, "Stage 'X' does not exist or not authorized", DataAtRisk, Code.STAGE_GONE),
        (3001, "Insufficient privileges", AccessDenied, Code.SF_AUTH),
        (253003, "403 Client Error", Transient, Code.STAGE_DOWN),
        (-1, "something odd", Transient, Code.STAGE_DOWN),
    ],
)
def test_the_connectors_errors_mean_one_thing_each(
    errno: int, text: str, kind: type[RowferryError], code: Code
) -> None:
    meant = translate(ConnectorError(errno, text), parse_location("@stage/p"))
    assert type(meant) is kind
    assert meant.code is code


def test_presigned_addresses_and_tokens_are_cut_out_of_errors() -> None:
    text = (
        "403 Forbidden for url: https://bucket.example/x?X-Amz-Signature=canary1 and "
        f"token eyJ{'canary2' * 20} while uploading"
    )
    shown = str(translate(ConnectorError(253003, text), parse_location("@stage/p")))
    assert "canary" not in shown
    assert "403 Forbidden" in shown
