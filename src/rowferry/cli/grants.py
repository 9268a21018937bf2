"""The SQL and the ACLs that the three systems' owners run once; printed, never run by us."""

from collections.abc import Iterator

from rowferry.cli.init_snowflake import snowflake_sql
from rowferry.config import Mode, Settings, Unreadables

DEFAULT_USER = "rowferry"
DEFAULT_TABLE = "public.products"


def postgres_sql(settings: Settings) -> str:
    """A role that may read the tables and nothing else, and the indexes that polls use."""
    user = _quoted(settings.postgres_user or DEFAULT_USER)
    tables = settings.tables or (DEFAULT_TABLE,)
    lines = [
        "-- PostgreSQL, as the tables' owner:",
        f"CREATE ROLE {user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '…';",
        f"GRANT CONNECT ON DATABASE {_quoted(settings.postgres_db or 'app')} TO {user};",
    ]
    schemas = dict.fromkeys(table.partition(".")[0] for table in tables)
    lines += [f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {user};" for schema in schemas]
    for table in tables:
        schema, _, name = table.partition(".")
        place = f"{_quoted(schema)}.{_quoted(name)}"
        lines.append(f"GRANT SELECT ON {place} TO {user};")
        own = settings.of(table)
        if (own.mode or settings.mode) is Mode.INCREMENTAL:
            column = _quoted(own.timestamp_column or settings.timestamp_column)
            lines.append(f"CREATE INDEX CONCURRENTLY ON {place} ({column});")
    lines.append(f"ALTER ROLE {user} SET default_transaction_read_only = on;")
    lines.append(f"GRANT pg_read_all_stats TO {user};  -- optional: tighter windows")
    return "\n".join(lines)


def kafka_acls(settings: Settings) -> str:
    """The operations that the Kafka user needs; topics may also be created by an administrator."""
    topics = settings.received_topics or ("products_updates",)
    pipeline = settings.pipeline_name or "app"
    lines = ["-- Kafka, for KAFKA_USERNAME:"]
    lines += [f"--   topic {topic}: Write, Read, Describe, DescribeConfigs" for topic in topics]
    lines += [
        f"--   topic {settings.progress_topic}: Write, Read, Describe, DescribeConfigs",
        f"--   transactional id rowferry.{pipeline}.* (prefix): Write, Describe",
        f"--   group {settings.group}: Read, Describe",
        "--   cluster: Create, where send is to create the topics",
    ]
    if settings.on_unreadable is Unreadables.DEAD_LETTER:
        letters = dict.fromkeys(settings.dead_letter.format(topic=topic) for topic in topics)
        lines += [f"--   topic {letter}: Write, Describe" for letter in letters]
    return "\n".join(lines)


def all_of(settings: Settings) -> Iterator[str]:
    """The systems that the settings use, or all of them where nothing says otherwise."""
    yield postgres_sql(settings)
    yield kafka_acls(settings)
    if not (settings.stage or "@").startswith("file:"):
        yield snowflake_sql(settings)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
