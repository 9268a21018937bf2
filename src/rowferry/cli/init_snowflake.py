"""What Snowflake needs once: a key pair, made here, and the SQL of user, role, stage and grants."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rowferry.cli import render
from rowferry.config import Settings
from rowferry.config_snowflake import Login
from rowferry.errors import Code, ConfigError, RowferryError
from rowferry.snowflake_logins import login_of

DEFAULT_KEY_FILE = "snowflake_key.p8"
_TOKEN_DAYS = 90
_IDENTITIES = {
    "AWS": "TYPE = AWS ARN = '<arn of the role>'",
    "AZURE": "TYPE = AZURE ISSUER = '<issuer>' SUBJECT = '<object id>'",
    "GCP": "TYPE = GCP SUBJECT = '<unique id of the service account>'",
    "OIDC": "TYPE = OIDC ISSUER = '<issuer>' SUBJECT = '<subject>'",
}


def with_key_pair(settings: Settings) -> Settings:
    """The settings with a private key, made where a login by key pair has none yet.

    The file is SNOWFLAKE_PRIVATE_KEY_FILE, encrypted with SNOWFLAKE_PRIVATE_KEY_PASSPHRASE if that
    is set; for a stage without any login it is snowflake_key.p8. One that is there stays.
    """
    given = (settings.snowflake_password, settings.snowflake_authenticator)
    is_open = login_of(settings) is Login.PASSWORD and not any(given)
    if is_open and (settings.stage or "").startswith("@"):
        settings = settings.model_copy(update={"snowflake_private_key_file": DEFAULT_KEY_FILE})
    if login_of(settings) is Login.KEY_PAIR and settings.snowflake_private_key_file:
        _write_key(settings, Path(settings.snowflake_private_key_file).expanduser())
    return settings


def _write_key(settings: Settings, path: Path) -> None:
    from rowferry.flow.stage.snowflake_keys import new_private_key

    secret = settings.snowflake_private_key_passphrase
    passphrase = secret.get_secret_value() if secret else None
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        render.note(f"{path} is there already, and was left as it is.")
        return
    except OSError as error:
        what = f"SNOWFLAKE_PRIVATE_KEY_FILE: cannot be written: {error.strerror}"
        raise ConfigError(Code.CONFIG, what, where=str(path)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new_private_key(passphrase))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # half a key is none
        with suppress(OSError):
            path.unlink()
        raise
    state = "encrypted with your passphrase" if passphrase else "not encrypted"
    render.note(f"Wrote {path}, a new private key, readable by you alone and {state}.")


def snowflake_sql(settings: Settings) -> str:
    """A role that may write to a stage and nothing else, a service user, and the tables' DDL."""
    return "\n".join([*_account_sql(settings), *_schema_sql(settings), *_load_sql(settings)])


def _account_sql(settings: Settings) -> Iterator[str]:
    role, user = _role(settings), _user(settings)
    yield "-- Snowflake, as USERADMIN or whoever makes users:"
    yield f"CREATE ROLE IF NOT EXISTS {role};"
    yield (
        f"CREATE USER IF NOT EXISTS {user} TYPE = SERVICE DEFAULT_ROLE = {role} "
        "DEFAULT_SECONDARY_ROLES = ();"
    )
    yield f"GRANT ROLE {role} TO USER {user};"
    yield from _proof_sql(settings, user, role)


def _proof_sql(settings: Settings, user: str, role: str) -> Iterator[str]:
    login = login_of(settings)
    if login is Login.KEY_PAIR:
        from rowferry.flow.stage.snowflake_keys import public_key

        yield f"ALTER USER {user} SET RSA_PUBLIC_KEY = '{public_key(settings)}';"
        yield (
            "-- To rotate: SET RSA_PUBLIC_KEY_2 to a new key's, replace the file, which is read at "
            "the next login, then UNSET RSA_PUBLIC_KEY."
        )
    elif login is Login.WORKLOAD_IDENTITY:
        identity = _IDENTITIES[settings.snowflake_workload_identity_provider or "OIDC"]
        yield f"ALTER USER {user} SET WORKLOAD_IDENTITY = ({identity});"
    elif login in (Login.OAUTH, Login.CLIENT_CREDENTIALS):
        yield f"-- A SECURITY INTEGRATION of TYPE = EXTERNAL_OAUTH has to map tokens to {user}."
    else:
        from rowferry.flow.stage.load_names import literal, parse_place

        restriction = literal(parse_place(role, "SNOWFLAKE_ROLE").parts[-1])
        yield "-- A service user has no password; a token may stand in SNOWFLAKE_PASSWORD, and"
        yield "-- needs a network policy: ALTER USER … SET NETWORK_POLICY = …;"
        yield (
            f"ALTER USER {user} ADD PROGRAMMATIC ACCESS TOKEN ROWFERRY "
            f"ROLE_RESTRICTION = {restriction} DAYS_TO_EXPIRY = {_TOKEN_DAYS};"
        )


def _schema_sql(settings: Settings) -> Iterator[str]:
    role, (database, schema, name) = _role(settings), _place(settings)
    place = f"{database}.{schema}.{name}"
    yield "-- Snowflake, as the schema's owner:"
    yield (
        f"CREATE STAGE IF NOT EXISTS {place} ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE') "
        "FILE_FORMAT = (TYPE = JSON COMPRESSION = GZIP NULL_IF = ());"
    )
    yield f"GRANT USAGE ON DATABASE {database} TO ROLE {role};"
    yield f"GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {role};"
    yield f"GRANT READ ON STAGE {place} TO ROLE {role};  -- READ before WRITE"
    yield f"GRANT WRITE ON STAGE {place} TO ROLE {role};"


def _load_sql(settings: Settings) -> Iterator[str]:
    if settings.load == "off":
        return
    from rowferry.run.load_script import script_of, warehouse_grant

    try:
        lines = list(script_of(settings)) if settings.schema_server else []
    except RowferryError as error:
        render.note(f"The tables' SQL needs the registry: {error}")
        lines = []
    yield from lines or [
        warehouse_grant(settings),
        "-- The tables' SQL, when their schemas are: rowferry load --print-ddl",
    ]


def _role(settings: Settings) -> str:
    return _name(settings.snowflake_role or "ROWFERRY_LOADER", "", "SNOWFLAKE_ROLE")


def _user(settings: Settings) -> str:
    return _name(settings.snowflake_user or "ROWFERRY_SVC", "", "SNOWFLAKE_USER")


def _place(settings: Settings) -> tuple[str, str, str]:
    """Database, schema and name of the stage, as they stand in a statement."""
    from rowferry.flow.stage.load_names import parse_place, quoted
    from rowferry.flow.stage.snowflake_location import parse_location

    location = parse_location(settings.stage or "@product_ingestion_stage")
    parts = [quoted(part) for part in parse_place(location.place, "ROWFERRY_STAGE").parts]
    database = _name(settings.snowflake_database, "<database>", "SNOWFLAKE_DATABASE")
    schema = _name(settings.snowflake_schema, "<schema>", "SNOWFLAKE_SCHEMA")
    database, schema, name = [database, schema][: 3 - len(parts)] + parts
    return database, schema, name


def _name(given: str | None, fallback: str, setting: str) -> str:
    from rowferry.flow.stage.load_names import parse_place

    return parse_place(given, setting).sql if given else fallback
