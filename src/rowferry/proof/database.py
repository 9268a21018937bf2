"""The proof's own connection to PostgreSQL: it reads, and only reads, all of it as text."""

from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, not a module
from psycopg2.extensions import new_type, register_type, string_types

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, RowferryError, Transient

_CONNECT_SECONDS = 10
_LOOPBACK = ("localhost", "127.0.0.1", "::1", "")
_SESSION = (
    "SET default_transaction_read_only = on",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'iso_8601'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET statement_timeout = 0",
)


def connect(settings: Settings) -> Connection:
    """A read-only session in which every value is PostgreSQL's own text.

    Raises AccessDenied, Transient.
    """
    is_local = settings.postgres_host in _LOOPBACK or settings.postgres_host.startswith("/")
    parameters: dict[str, Any] = {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        "dbname": settings.postgres_db,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
        "sslmode": settings.postgres_sslmode or ("prefer" if is_local else "verify-full"),
        "sslrootcert": settings.postgres_sslrootcert,
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "rowferry-proof",
        "client_encoding": "UTF8",
    }
    where = f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_db}"
    try:
        connection: Connection = psycopg2.connect(
            **{k: v for k, v in parameters.items() if v is not None}
        )
    except psycopg2.OperationalError as error:
        raise meaning_of(error, where) from error
    register_type(new_type(tuple(string_types), "RAW", lambda text, _cursor: text), connection)
    with connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)
    connection.commit()
    return connection


def meaning_of(error: psycopg2.Error, where: str) -> RowferryError:
    """What an error of the driver means to the proof; only its first line is told."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    is_refused = isinstance(error, errors.InsufficientPrivilege | errors.InvalidPassword)
    if is_refused or "authentication failed" in said or "no pg_hba.conf entry" in said:
        return AccessDenied(
            Code.PG_AUTH, said, where=where, advice="see POSTGRES_USER and POSTGRES_PASSWORD"
        )
    return Transient(Code.PG_CONN, said, where=where, advice="see POSTGRES_HOST and POSTGRES_PORT")
