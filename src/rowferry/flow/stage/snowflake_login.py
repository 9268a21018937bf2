"""Settings → a session with Snowflake, for each kind of login, with a deadline on everything."""

from collections.abc import Mapping
from typing import Any

from rowferry.config import Settings
from rowferry.config_snowflake import Login
from rowferry.errors import Code, ConfigError
from rowferry.flow.stage.snowflake_errors import (
    IDENTITY_PROVIDER,
    RENEWED_AT_LOGIN,
    denied,
    refused_code,
    safe_text,
)
from rowferry.flow.stage.snowflake_keys import private_key
from rowferry.flow.stage.snowflake_refusals import Refusals, refusals_of
from rowferry.private_files import private_text
from rowferry.snowflake_logins import contradictions, login_of, missing

LOGIN_SECONDS = 30
SOCKET_SECONDS = 30
_SESSION: dict[str, Any] = {  # whatever the account or the user sets
    "CLIENT_TELEMETRY_ENABLED": False,
    "QUERY_TAG": "rowferry",
    "ROWS_PER_RESULTSET": 0,  # all: a list that is cut short reads as files that are missing
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
}


def log_in(settings: Settings, **changes: Any) -> Any:
    """A new session; changes: connection parameters that are to be otherwise.

    A proof that Snowflake refused is not shown to it again for a minute, by any process of this
    user on this machine. Keys and tokens are read from their files each time.
    Raises AccessDenied for a refusal, ConfigError, LocalResource, and the connector's errors.
    """
    parameters = connection_parameters(settings)
    with refusals_of(settings, parameters) as refusals:
        _heed(refusals, parameters)
        session = _asked(settings, refusals, changes)
        refusals.forget()
    session.telemetry_enabled = False
    return session


def _asked(settings: Settings, refusals: Refusals, changes: Mapping[str, Any]) -> Any:
    """Ask Snowflake, at once again where a token or a JWT came too late: both are then new."""
    from snowflake.connector import connect
    from snowflake.connector.errors import Error

    for is_last in (False, True):
        parameters = connection_parameters(settings)
        try:
            return connect(**{**parameters, **changes})
        except Error as error:
            code = refused_code(error)
            if code is None:
                raise
            if is_last or code not in RENEWED_AT_LOGIN:
                refusals.note(code)
                if code == IDENTITY_PROVIDER:
                    what = "no token is given for these client credentials"
                else:
                    what = f"Snowflake refuses the login with {code}: {safe_text(error)}"
                raise denied(code, what, _who(parameters)) from None
    raise AssertionError("unreachable")


def _heed(refusals: Refusals, parameters: Mapping[str, Any]) -> None:
    pending = refusals.pending()
    if pending is not None:
        last, seconds = pending
        what = (
            f"Snowflake refused this login with {last.code}, {last.count} times in a row; it is "
            f"not asked for {seconds:.0f} s, unless with another password, key, token or role"
        )
        raise denied(last.code, what, _who(parameters))


def _who(parameters: Mapping[str, Any]) -> str:
    return f"user {parameters.get('user', '')} of account {parameters.get('account', '')}"


def connection_parameters(settings: Settings) -> dict[str, Any]:
    """What connect() is given; files are read anew each time, since keys and tokens are replaced.

    Raises ConfigError with all that is missing or of another kind of login.
    """
    problems = [*missing(settings), *contradictions(settings)]
    if problems:
        raise ConfigError(Code.CONFIG, "; ".join(problems))
    given = {
        "account": settings.snowflake_account,
        "user": settings.snowflake_user,
        "role": settings.snowflake_role,
        "warehouse": settings.snowflake_warehouse,
        "database": settings.snowflake_database,
        "schema": settings.snowflake_schema,
        "host": settings.snowflake_host,
        "port": settings.snowflake_port,
        **_proof(settings),
    }
    return {
        **{name: value for name, value in given.items() if value not in (None, [])},
        "protocol": settings.snowflake_protocol,
        "secondary_roles": "NONE",
        "application": "Rowferry",
        "login_timeout": LOGIN_SECONDS,
        "network_timeout": max(1, round(settings.put_seconds)),
        "socket_timeout": SOCKET_SECONDS,
        "client_session_keep_alive": False,
        "client_store_temporary_credential": False,
        "log_imported_packages_in_telemetry": False,
        "platform_detection_timeout_seconds": 0.0,  # 0.2 s of asking clouds about themselves
        "session_parameters": dict(_SESSION),  # the connector adds its own
    }


def _proof(settings: Settings) -> dict[str, Any]:
    login = login_of(settings)
    if login is Login.PASSWORD:
        return {"password": _password(settings)}
    proof: dict[str, Any] = {"authenticator": str(login)}
    if login is Login.KEY_PAIR:
        return {**proof, "private_key": private_key(settings)}
    if login is Login.ACCESS_TOKEN:
        return {**proof, "token": _token(settings) or _password(settings)}
    if login is Login.OAUTH:
        return {**proof, "token": _token(settings)}
    if login is Login.CLIENT_CREDENTIALS:
        secret = settings.snowflake_oauth_client_secret
        return {
            **proof,
            "oauth_client_id": settings.snowflake_oauth_client_id,
            "oauth_client_secret": secret and secret.get_secret_value(),
            "oauth_token_request_url": settings.snowflake_oauth_token_request_url,
            "oauth_scope": settings.snowflake_oauth_scope,
        }
    provider = settings.snowflake_workload_identity_provider
    return {
        **proof,
        "workload_identity_provider": provider,
        "workload_identity_entra_resource": settings.snowflake_workload_identity_entra_resource,
        "workload_identity_impersonation_path": list(
            settings.snowflake_workload_identity_impersonation_path
        ),
        "token": _token(settings) if provider == "OIDC" else None,
    }


def _password(settings: Settings) -> str | None:
    password = settings.snowflake_password
    return None if password is None else password.get_secret_value()


def _token(settings: Settings) -> str | None:
    """The token in its file, which may have been replaced since the last login."""
    name = settings.snowflake_token_file
    if name is None:
        return None
    token = private_text(name, "SNOWFLAKE_TOKEN_FILE").strip()
    if not token:
        raise ConfigError(Code.CONFIG, "SNOWFLAKE_TOKEN_FILE: the file is empty", where=name)
    return token
