"""Real parts for every test, started once a session and only when a test asks for them.

    postgres       PostgresServer: .dsn (superuser), .new_database() → Database
    database       Database, fresh for this test: .dsn (superuser), .execute(sql), .query(sql),
                   .reader_dsn / .reader / .reader_password: a role with SELECT and nothing more
                   (on every table that the superuser makes, also later), .environ: its POSTGRES_*
    kafka          KafkaBroker: .bootstrap, .username, .password, .configuration (librdkafka's),
                   .create_topic(name, partitions=4, **config), .delete_topic(name), .admin(),
                   .environ: its KAFKA_*
    registry       RegistryServer: .url, .username, .password, .configuration, .environ: SCHEMA_*
    fakesnow       SnowflakeServer: .environ (SNOWFLAKE_* and ROWFERRY_STAGE), .connect() → the real
                   connector's connection (close it), .stage, the name that LIST @… takes
    stack_environ  a function: stack_environ(**overrides) → environment of a pipeline of its own
                   (database, topics, group, progress topic; the stage is a folder in tmp_path).
                   Keywords are field names: stack_environ(tables="public.products", max_records=2)
                   A stage of the emulator: stack_environ(**fakesnow.fields("some/prefix"))
    stack_settings the same as Settings: stack_settings(**overrides)

Parts live in folders of the system's temporary one, die with pytest even after kill -9, and do
not sync to disk.
"""

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg2 import sql

from rowferry.config import Settings, environment_name
from rowferry.errors import ConfigError
from rowferry.sources import load_settings
from rowferry.stack.kafka import Kafka
from rowferry.stack.local import LocalStack
from rowferry.stack.postgres import Postgres
from rowferry.stack.snowflake import STAGE

Environ = dict[str, str]


def new_tag() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True)
class Database:
    name: str
    dsn: str
    reader: str
    reader_password: str
    reader_dsn: str
    environ: Environ

    def execute(self, statement: str, parameters: tuple[Any, ...] | None = None) -> None:
        """Run as superuser, each call in a connection and a transaction of its own."""
        connection = psycopg2.connect(self.dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters)
        finally:
            connection.close()

    def query(
        self, statement: str, parameters: tuple[Any, ...] | None = None
    ) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall()
        finally:
            connection.close()


@dataclass(frozen=True)
class PostgresServer:
    dsn: str
    environ: Environ  # of the stack's own user, who may create tables and roles
    _part: Postgres = field(repr=False)

    def dsn_of(self, database: str) -> str:
        return self._part.superuser_dsn(database)

    def new_database(self) -> Database:
        tag = new_tag()
        reader, password = f"reader_{tag}", uuid.uuid4().hex
        self._run(f"CREATE DATABASE {tag}", "postgres")
        self._run(f"CREATE ROLE {reader} LOGIN PASSWORD '{password}'", "postgres")
        self._run(f"GRANT USAGE ON SCHEMA public TO {reader}", tag)
        self._run(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader}", tag)
        mine = {"POSTGRES_DB": tag, "POSTGRES_USER": reader, "POSTGRES_PASSWORD": password}
        environ = {**self.environ, **mine}
        reader_dsn = (
            f"host={environ['POSTGRES_HOST']} port={environ['POSTGRES_PORT']} "
            f"user={reader} password={password} dbname={tag}"
        )
        return Database(tag, self.dsn_of(tag), reader, password, reader_dsn, environ)

    def drop_database(self, database: Database) -> None:
        """Drop it with its slots, prepared transactions, sessions and reader."""
        for (gid,) in database.query(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        ):
            self._run(f"ROLLBACK PREPARED '{gid}'", database.name)
        ending = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{database.name}' AND pid <> pg_backend_pid()"
        )
        self._run(ending, "postgres")
        slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
        self._run(f"{slots} WHERE database = '{database.name}'", "postgres")
        self._run(f"DROP DATABASE {database.name} WITH (FORCE)", "postgres")
        self._run(f"DROP ROLE {database.reader}", "postgres")

    def _run(self, statement: str, database: str) -> None:
        connection = psycopg2.connect(self.dsn_of(database))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement))
        finally:
            connection.close()


@dataclass(frozen=True)
class KafkaBroker:
    bootstrap: str
    username: str
    password: str
    configuration: dict[str, str]
    environ: Environ

    def admin(self) -> AdminClient:
        return AdminClient(dict(self.configuration))

    def create_topic(self, name: str, partitions: int = 4, **config: str) -> str:
        """Config's names with `_` for `.`: create_topic("t", 1, cleanup_policy="compact")."""
        named = {key.replace("_", "."): value for key, value in config.items()}
        topic = NewTopic(name, partitions, 1, config=named)
        admin = self.admin()  # held until the answer is here: its end would cancel the request
        admin.create_topics([topic])[name].result(30)
        return name

    def delete_topic(self, name: str) -> None:
        """Delete it, and wait until the broker does not name it any more."""
        admin = self.admin()
        admin.delete_topics([name])[name].result(30)
        deadline = time.monotonic() + 30
        while name in admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline, f"{name} is still there"
            time.sleep(0.02)


@dataclass(frozen=True)
class RegistryServer:
    url: str
    username: str
    password: str
    configuration: dict[str, Any]
    environ: Environ


@dataclass(frozen=True)
class SnowflakeServer:
    environ: Environ
    stage: str = STAGE

    def connect(self, **overrides: Any) -> Any:
        """A connection of the real connector; it is the caller's to close."""
        import snowflake.connector

        fields = ("account", "user", "password", "host", "port", "protocol", "database", "schema")
        given = {name: self.environ[f"SNOWFLAKE_{name.upper()}"] for name in fields}
        return snowflake.connector.connect(**{**given, "login_timeout": 10, **overrides})

    def fields(self, prefix: str) -> dict[str, str]:
        """The settings of a stage, by field name, for stack_environ and stack_settings."""
        own = {name.lower(): v for name, v in self.environ.items() if name.startswith("SNOWFLAKE_")}
        return {**own, "stage": f"@{self.stage}/{prefix}"}


def sweep() -> None:
    """Remove the folders that a killed run left, an hour after its last start."""
    for folder in Path(tempfile.gettempdir()).glob("rowferry-test-*"):
        record = folder / "stack.json"
        if record.exists() and record.stat().st_mtime < time.time() - 3600:
            with suppress(ConfigError):  # one that runs still
                stack = LocalStack(folder)
                stack.end_daemons()
                stack.remove()


def part_alone(name: str) -> Iterator[LocalStack]:
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"rowferry-test-{name}-"))
    folder.chmod(0o711)  # PostgreSQL's user, when we are root, passes through
    stack = LocalStack(folder, (name,))
    try:
        with stack:
            yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    for stack in part_alone("postgres"):
        part = stack.parts["postgres"]
        assert isinstance(part, Postgres)
        yield PostgresServer(part.superuser_dsn(), stack.settings(), part)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    database = postgres.new_database()
    yield database
    postgres.drop_database(database)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    for stack in part_alone("kafka"):
        part = stack.parts["kafka"]
        assert isinstance(part, Kafka)
        environ = stack.settings()
        yield KafkaBroker(
            environ["KAFKA_SERVER"],
            environ["KAFKA_USERNAME"],
            environ["KAFKA_PASSWORD"],
            part.client_configuration(),
            environ,
        )


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistryServer]:
    for stack in part_alone("registry"):
        environ = stack.settings()
        url, username, password = (
            environ[name] for name in ("SCHEMA_SERVER", "SCHEMA_USERNAME", "SCHEMA_PASSWORD")
        )
        configuration = {
            "url": url,
            "basic.auth.user.info": f"{username}:{password}",
            "timeout": 20,  # then the client asks again; without one it waits for ever
        }
        yield RegistryServer(url, username, password, configuration, environ)


@pytest.fixture(scope="session")
def fakesnow() -> Iterator[SnowflakeServer]:
    for stack in part_alone("snowflake"):
        yield SnowflakeServer(stack.settings())


@pytest.fixture
def stack_environ(
    database: Database, kafka: KafkaBroker, registry: RegistryServer, tmp_path: Path
) -> Callable[..., Environ]:
    tag = database.name
    own = {
        "pipeline": tag,
        "topic": f"{tag}_{{table}}_updates",
        "progress_topic": f"_progress_{tag}",
        "group": f"group-{tag}",
        "stage": f"file:{tmp_path / 'stage'}",
    }

    def make(**overrides: object) -> Environ:
        fields = {name: str(value) for name, value in {**own, **overrides}.items()}
        named = {environment_name(name): value for name, value in fields.items()}
        return {**database.environ, **kafka.environ, **registry.environ, **named}

    return make


@pytest.fixture
def stack_settings(
    stack_environ: Callable[..., Environ], tmp_path: Path
) -> Callable[..., Settings]:
    def make(**overrides: object) -> Settings:
        return load_settings(environ=stack_environ(**overrides), folder=tmp_path).settings

    return make
