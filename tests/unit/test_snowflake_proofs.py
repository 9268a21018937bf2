"""What the connector is given for each kind of login, and what is told where it cannot be."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from pydantic import ValidationError

from rowferry.config import Settings
from rowferry.errors import ConfigError
from rowferry.flow.stage.snowflake_keys import new_private_key
from rowferry.flow.stage.snowflake_login import connection_parameters


def parameters(**fields: Any) -> dict[str, Any]:
    own = {"snowflake_account": "acme", "snowflake_user": "ferry", "stage": "@s/p"}
    return connection_parameters(Settings.model_validate({**own, **fields}))


def private(tmp_path: Path, text: str) -> str:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


new_key = cache(new_private_key)
ANY_PROOF = "SNOWFLAKE_PRIVATE_KEY_FILE or SNOWFLAKE_TOKEN_FILE or SNOWFLAKE_PASSWORD"


def key_file(tmp_path: Path, passphrase: str | None = None) -> str:
    return private(tmp_path, new_key(passphrase).decode())


def told(**fields: Any) -> list[str]:
    """The names of the settings that are told to be wrong, in one report."""
    with pytest.raises(ConfigError) as refused:
        parameters(**fields)
    return [problem.split(":")[0] for problem in refused.value.what.split("; ")]


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
    assert found["platform_detection_timeout_seconds"] == 0
    assert found["session_parameters"]["CLIENT_TELEMETRY_ENABLED"] is False


def test_a_key_goes_before_a_token_and_a_token_before_a_password(tmp_path: Path) -> None:
    secret = private(tmp_path, "token-text\n")
    given = {"snowflake_password": "pass", "snowflake_token_file": secret}
    by_token = parameters(**given)
    assert by_token["authenticator"] == "PROGRAMMATIC_ACCESS_TOKEN"
    assert by_token["token"] == "token-text"
    assert "password" not in by_token
    key = tmp_path / "key"
    key.mkdir()
    by_key = parameters(
        **given,
        snowflake_private_key_file=key_file(key, "phrase"),
        snowflake_private_key_passphrase="phrase",
    )
    assert by_key["authenticator"] == "SNOWFLAKE_JWT"
    assert isinstance(load_der_private_key(by_key["private_key"], None), RSAPrivateKey)
    assert "token" not in by_key


def test_a_named_login_takes_its_own_proof(tmp_path: Path) -> None:
    token = private(tmp_path, "t")
    oauth = parameters(snowflake_authenticator="oauth", snowflake_token_file=token)
    assert (oauth["authenticator"], oauth["token"]) == ("OAUTH", "t")
    by_password = parameters(
        snowflake_authenticator="programmatic_access_token", snowflake_password="p"
    )
    assert by_password["token"] == "p"
    with pytest.raises(ValidationError, match="SNOWFLAKE_JWT"):
        parameters(snowflake_authenticator="externalbrowser")


def test_client_credentials_go_to_the_account_itself_unless_told_otherwise() -> None:
    given = {"snowflake_oauth_client_id": "id", "snowflake_oauth_client_secret": "secret"}
    found = parameters(**given)
    assert found["authenticator"] == "OAUTH_CLIENT_CREDENTIALS"
    assert (found["oauth_client_id"], found["oauth_client_secret"]) == ("id", "secret")
    assert not {"oauth_token_request_url", "oauth_scope", "token"} & set(found)
    url, scope = "https://login.example/token", "session:role:LOADER"
    found = parameters(**given, snowflake_oauth_token_request_url=url, snowflake_oauth_scope=scope)
    assert (found["oauth_token_request_url"], found["oauth_scope"]) == (url, scope)


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ({"provider": "AWS"}, {}),
        (
            {"provider": "AZURE", "entra_resource": "api://1"},
            {"workload_identity_entra_resource": "api://1"},
        ),
        (
            {"provider": "GCP", "impersonation_path": "a@p, b@p"},
            {"workload_identity_impersonation_path": ["a@p", "b@p"]},
        ),
    ],
)
def test_a_workload_identity_is_passed_through(
    fields: dict[str, str], passed: dict[str, Any]
) -> None:
    given = {f"snowflake_workload_identity_{name}": value for name, value in fields.items()}
    found = parameters(snowflake_user=None, **given)
    assert found["authenticator"] == "WORKLOAD_IDENTITY"
    assert found["workload_identity_provider"] == fields["provider"]
    assert "user" not in found
    assert {n: v for n, v in found.items() if n.startswith("workload_identity_")} == {
        "workload_identity_provider": fields["provider"],
        **passed,
    }


def test_an_oidc_workload_shows_its_token(tmp_path: Path) -> None:
    given = {"snowflake_workload_identity_provider": "OIDC"}
    assert told(**given) == ["SNOWFLAKE_TOKEN_FILE"]
    assert parameters(**given, snowflake_token_file=private(tmp_path, "t\n"))["token"] == "t"


def test_the_connector_knows_every_parameter(tmp_path: Path) -> None:
    from snowflake.connector.connection import DEFAULT_CONFIGURATION

    token = private(tmp_path, "t")
    logins: list[dict[str, Any]] = [
        {"snowflake_password": "p", "snowflake_host": "127.0.0.1", "snowflake_port": 1},
        {"snowflake_token_file": token},
        {
            "snowflake_oauth_client_id": "i",
            "snowflake_oauth_client_secret": "s",
            "snowflake_oauth_scope": "s",
            "snowflake_oauth_token_request_url": "https://login.example",
        },
        {
            "snowflake_workload_identity_provider": "AZURE",
            "snowflake_workload_identity_entra_resource": "r",
            "snowflake_workload_identity_impersonation_path": "a",
        },
    ]
    used = {name for fields in logins for name in parameters(**fields)}
    key = tmp_path / "key"
    key.mkdir()
    used |= set(parameters(snowflake_private_key_file=key_file(key)))
    assert used <= set(DEFAULT_CONFIGURATION)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (
            {"snowflake_account": None, "snowflake_user": None},
            ["SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", ANY_PROOF],
        ),
        ({"snowflake_authenticator": "SNOWFLAKE"}, ["SNOWFLAKE_PASSWORD"]),
        ({"snowflake_authenticator": "SNOWFLAKE_JWT"}, ["SNOWFLAKE_PRIVATE_KEY_FILE"]),
        ({"snowflake_authenticator": "OAUTH"}, ["SNOWFLAKE_TOKEN_FILE"]),
        (
            {"snowflake_authenticator": "PROGRAMMATIC_ACCESS_TOKEN"},
            ["SNOWFLAKE_TOKEN_FILE or SNOWFLAKE_PASSWORD"],
        ),
        (
            {"snowflake_authenticator": "WORKLOAD_IDENTITY"},
            ["SNOWFLAKE_WORKLOAD_IDENTITY_PROVIDER"],
        ),
        (
            {
                "snowflake_password": "p",
                "snowflake_private_key_passphrase": "x",
                "snowflake_oauth_client_secret": "x",
                "snowflake_oauth_scope": "x",
                "snowflake_workload_identity_impersonation_path": "a",
            },
            [
                "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
                "SNOWFLAKE_OAUTH_CLIENT_SECRET",
                "SNOWFLAKE_OAUTH_SCOPE",
                "SNOWFLAKE_WORKLOAD_IDENTITY_IMPERSONATION_PATH",
            ],
        ),
        (
            {
                "snowflake_oauth_client_id": "i",
                "snowflake_oauth_token_request_url": "http://login.example/token",
            },
            ["SNOWFLAKE_OAUTH_CLIENT_SECRET", "SNOWFLAKE_OAUTH_TOKEN_REQUEST_URL"],
        ),
        (
            {
                "snowflake_workload_identity_provider": "OIDC",
                "snowflake_workload_identity_entra_resource": "r",
                "snowflake_workload_identity_impersonation_path": "a",
            },
            [
                "SNOWFLAKE_TOKEN_FILE",
                "SNOWFLAKE_WORKLOAD_IDENTITY_ENTRA_RESOURCE",
                "SNOWFLAKE_WORKLOAD_IDENTITY_IMPERSONATION_PATH",
            ],
        ),
    ],
)
def test_all_that_is_missing_or_of_another_login_is_told_at_once(
    fields: dict[str, Any], names: list[str]
) -> None:
    assert told(**fields) == names


def test_no_parameter_of_a_token_url_is_a_credential() -> None:
    given = {"snowflake_oauth_client_id": "i", "snowflake_oauth_client_secret": "s"}
    for url in ("https://u:p@login.example", "ftp://login.example", "https://", "login.example"):
        assert told(**given, snowflake_oauth_token_request_url=url) == [
            "SNOWFLAKE_OAUTH_TOKEN_REQUEST_URL"
        ]


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
    Path(secret).write_text("\n")
    with pytest.raises(ConfigError, match="the file is empty"):
        parameters(snowflake_token_file=secret)


@pytest.mark.parametrize(
    ("written_with", "given", "message"),
    [
        ("phrase", None, "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE: required"),
        ("phrase", "canary-wrong", "does not open it"),
        (None, "canary-phrase", "the key is not encrypted"),
    ],
)
def test_a_key_that_cannot_be_opened_names_the_setting_and_no_passphrase(
    tmp_path: Path, written_with: str | None, given: str | None, message: str
) -> None:
    file = key_file(tmp_path, written_with)
    with pytest.raises(ConfigError, match=message) as refused:
        parameters(snowflake_private_key_file=file, snowflake_private_key_passphrase=given)
    assert "canary" not in str(refused.value)


def test_what_is_no_key_of_snowflakes_is_refused(tmp_path: Path) -> None:
    ed25519 = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for text in ("no key", ed25519.decode()):
        with pytest.raises(ConfigError, match="SNOWFLAKE_PRIVATE_KEY_FILE"):
            parameters(snowflake_private_key_file=private(tmp_path, text))
