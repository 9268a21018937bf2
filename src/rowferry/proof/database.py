"""The proof's own session in PostgreSQL: it reads, and only reads, all of it as text."""

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, not a module
from psycopg2.extensions import new_type, register_type, string_types

from rowferry.config import Settings
from rowferry.flow.capture.postgres import opened, place_of, translated, unlimited
from rowferry.types import TEXT_SETTINGS

_SESSION = {
    **TEXT_SETTINGS,
    "default_transaction_read_only": "on",
}


def connect(settings: Settings) -> Connection:
    """A read-only session in which every value is PostgreSQL's own text.

    Raises AccessDenied, ConfigError, Transient.
    """
    connection = opened(settings)
    register_type(new_type(tuple(string_types), "RAW", lambda text, _cursor: text), connection)
    with translated(place_of(settings)), connection.cursor() as cursor:
        for name, value in {**_SESSION, **unlimited(connection.server_version)}.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        connection.commit()
    return connection
