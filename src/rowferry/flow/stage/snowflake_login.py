"""Settings → the connector's parameters, for each kind of login, with a deadline on everything."""

from typing import Any

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.private_files import private_text

LOGIN_SECONDS = 30
SOCKET_SECONDS = 30
_WORKLOAD = "WORKLOAD_IDENTITY"
_OWN_LOGINS = ("SNOWFLAKE", "SNOWFLAKE_JWT", "PROGRAMMATIC_ACCESS_TOKEN", "OAUTH", _WORKLOAD)


def connection_parameters(settings: Settings) -> dict[str, Any]:
    """What connect() is given; files are read anew each time, since tokens are replaced.

    Without SNOWFLAKE_AUTHENTICATOR: a private key, else a token file, else the password, in which
    a programmatic access token may stand. Raises ConfigError.
    """
    given = {
        "account": settings.snowflake_account,
        "user": settings.snowflake_user,
        "role": settings.snowflake_role,
        "warehouse": settings.snowflake_warehouse,
        "database": settings.snowflake_database,
        "schema": settings.snowflake_schema,
        "host": settings.snowflake_host,
        "port": settings.snowflake_port,
    }
    return {
        **{name: value for name, value in given.items() if value is not None},
        **_proof(settings),
        "protocol": settings.snowflake_protocol,
        "secondary_roles": "NONE",
        "application": "Rowferry",
        "login_timeout": LOGIN_SECONDS,
        "network_timeout": max(1, round(settings.put_seconds)),
        "socket_timeout": SOCKET_SECONDS,
        "client_session_keep_alive": False,
        "client_store_temporary_credential": False,
        "log_imported_packages_in_telemetry": False,
        "session_parameters": {"CLIENT_TELEMETRY_ENABLED": False, "QUERY_TAG": "rowferry"},
    }


def authenticator_of(settings: Settings) -> str:
    """The kind of login, by what is given where it is not named."""
    if settings.snowflake_authenticator:
        return settings.snowflake_authenticator.upper()
    if settings.snowflake_private_key_file:
        return "SNOWFLAKE_JWT"
    if settings.snowflake_token_file:
        return "PROGRAMMATIC_ACCESS_TOKEN"
    return "SNOWFLAKE"


def _proof(settings: Settings) -> dict[str, Any]:
    kind = authenticator_of(settings)
    if kind == "SNOWFLAKE":
        return {"password": _password(settings)}
    if kind == "SNOWFLAKE_JWT":
        return {"authenticator": kind, **_key(settings)}
    if kind in ("PROGRAMMATIC_ACCESS_TOKEN", "OAUTH"):
        return {"authenticator": kind, "token": _token(settings) or _password(settings)}
    if kind.startswith(_WORKLOAD):  # WORKLOAD_IDENTITY, or with the provider: WORKLOAD_IDENTITY/AWS
        provider = kind.partition("/")[2] or "OIDC"
        proof = {"authenticator": _WORKLOAD, "workload_identity_provider": provider}
        return {**proof, "token": _token(settings)} if provider == "OIDC" else proof
    raise ConfigError(
        Code.CONFIG,
        f"SNOWFLAKE_AUTHENTICATOR: not one of {', '.join(_OWN_LOGINS)}, which need no browser",
    )


def _password(settings: Settings) -> str:
    if settings.snowflake_password is None:
        raise ConfigError(
            Code.CONFIG,
            "SNOWFLAKE_PASSWORD, SNOWFLAKE_TOKEN_FILE or SNOWFLAKE_PRIVATE_KEY_FILE: required",
        )
    return settings.snowflake_password.get_secret_value()


def _token(settings: Settings) -> str | None:
    if settings.snowflake_token_file is None:
        return None
    return private_text(settings.snowflake_token_file, "SNOWFLAKE_TOKEN_FILE").strip()


def _key(settings: Settings) -> dict[str, Any]:
    if settings.snowflake_private_key_file is None:
        raise ConfigError(Code.CONFIG, "SNOWFLAKE_PRIVATE_KEY_FILE: required for SNOWFLAKE_JWT")
    private_text(settings.snowflake_private_key_file, "SNOWFLAKE_PRIVATE_KEY_FILE")
    passphrase = settings.snowflake_private_key_passphrase
    secret = {} if passphrase is None else {"private_key_file_pwd": passphrase.get_secret_value()}
    return {"private_key_file": settings.snowflake_private_key_file, **secret}
