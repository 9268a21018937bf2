"""Every setting once: its name, type, default, unit, meaning, and whether it is a secret.

Help, `.env.example`, the reference page and `rowferry config` are generated from here;
sources.py fills it. The environment name of a field is its upper-case form, with the prefix
`ROWFERRY_` where it is not one of postgres_, kafka_, schema_ and snowflake_.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from rowferry.config_snowflake import Login
from rowferry.config_tables import ColumnSettings, Mode, TableSettings
from rowferry.declared import Delivery, Names, TableNames, Unreadables, setting
from rowferry.kafka_passed import is_secret_property

__all__ = [
    "ColumnSettings",
    "Delivery",
    "Mode",
    "Settings",
    "TableSettings",
    "Unreadables",
    "environment_name",
    "is_secret",
    "sections",
]
FOREIGN_PREFIXES = ("postgres_", "kafka_", "schema_", "snowflake_")


class Settings(BaseModel):
    """The effective settings; frozen, and safe to print: secrets mask themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # --- PostgreSQL
    postgres_user: str = setting("", "Role that reads the tables; SELECT is enough")
    postgres_db: str = setting("", "Database to read from")
    postgres_password: SecretStr = setting(SecretStr(""), "Password of POSTGRES_USER")
    postgres_host: str = setting("localhost", "Host of the PostgreSQL server")
    postgres_port: int = setting(5432, "Port of the PostgreSQL server", ge=1, le=65535)
    postgres_sslmode: (
        Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None
    ) = setting(None, "TLS mode; unset: verify-full, but prefer on loopback")
    postgres_sslrootcert: str | None = setting(None, "File of the CA that signed the server")

    # --- Kafka
    kafka_server: str = setting("", "Bootstrap servers, host:port, comma-separated")
    kafka_username: str | None = setting(None, "SASL user; unset: no SASL")
    kafka_password: SecretStr | None = setting(None, "Password of KAFKA_USERNAME")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = (
        setting(None, "Transport; unset: SASL_SSL with a user, PLAINTEXT on loopback without one")
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "PLAIN", "SASL mechanism"
    )
    kafka_ssl_ca: str | None = setting(None, "File of the CA that signed the brokers")

    # --- Schema registry
    schema_server: str = setting(
        "", "URL of the Confluent Schema Registry API; http:// on loopback only"
    )
    schema_username: str | None = setting(None, "User, or API key, of the registry")
    schema_password: SecretStr | None = setting(None, "Password, or API secret, of the registry")
    schema_ssl_ca: str | None = setting(None, "File of the CA that signed the registry")

    # --- Snowflake
    snowflake_account: str | None = setting(None, "Account identifier")
    snowflake_user: str | None = setting(None, "User that writes to the stage")
    snowflake_password: SecretStr | None = setting(None, "Password or programmatic access token")
    snowflake_warehouse: str | None = setting(None, "Warehouse for loading; staging needs none")
    snowflake_database: str | None = setting(None, "Database of the stage")
    snowflake_schema: str | None = setting(None, "Schema of the stage")
    snowflake_role: str | None = setting(None, "Role with READ and WRITE on the stage")
    snowflake_authenticator: Login | None = setting(None, "Kind of login; unset: by what is given")
    snowflake_private_key_file: str | None = setting(None, "PKCS#8 private key, mode 600")
    snowflake_private_key_passphrase: SecretStr | None = setting(None, "Passphrase of the key")
    snowflake_token_file: str | None = setting(None, "File with an access token, mode 600")
    snowflake_oauth_client_id: str | None = setting(None, "Client id, for client credentials")
    snowflake_oauth_client_secret: SecretStr | None = setting(None, "Secret of the client id")
    snowflake_oauth_token_request_url: str | None = setting(
        None, "Where client credentials are exchanged; unset: at the account itself"
    )
    snowflake_oauth_scope: str | None = setting(None, "Scope; unset: session:role:SNOWFLAKE_ROLE")
    snowflake_workload_identity_provider: Literal["AWS", "AZURE", "GCP", "OIDC"] | None = setting(
        None, "Who vouches for this workload; OIDC: by the token in SNOWFLAKE_TOKEN_FILE"
    )
    snowflake_workload_identity_entra_resource: str | None = setting(None, "Entra resource (AZURE)")
    snowflake_workload_identity_impersonation_path: Names = setting(
        (), "Identities to take one after the other, comma-separated"
    )
    snowflake_host: str | None = setting(None, "Host, where it does not follow from the account")
    snowflake_port: int | None = setting(None, "Port, where it is not 443", ge=1, le=65535)
    snowflake_protocol: Literal["https", "http"] = setting("https", "http only on loopback")

    # --- What is carried
    pipeline: str | None = setting(None, "Name of the pipeline; unset: the database's name")
    tables: TableNames = setting(
        (), "Tables to capture, schema.table, comma-separated; no schema: public"
    )
    mode: Mode = setting(
        Mode.INCREMENTAL,
        "How tables are read; full: whole, every FULL_EVERY_SECONDS; log: not in this version",
    )
    timestamp_column: str = setting("updated_timestamp", "Column set by each insert and update")
    timestamp_zone: str | None = setting(None, "Zone of a `timestamp` column; unset: any")
    filter: str | None = setting(None, "WHERE clause that rows must meet")
    topic: str = setting("{table}_updates", "Topic of a table; {schema} and {table} are filled in")
    subject: str = setting("{topic}-value", "Registry subject of a topic's values")
    record_name: str | None = setting(None, "Avro record name; unset: from the table's name")
    namespace: str = setting("rowferry.{schema}", "Avro namespace; {schema} {table} are filled in")
    key_format: Literal["auto", "text", "avro"] = setting(
        "auto", "Message key; auto: UTF-8 text of a text column, else Avro; text: see docs/types.md"
    )
    on_unreadable: Unreadables = setting(
        Unreadables.STOP, "What the receiver does with a record that cannot be read"
    )
    numeric_special: Literal["stop", "null", "string"] = setting(
        "stop", "NaN and ±Infinity in a numeric(p,s); string: all such columns are text"
    )
    arrays: Literal["stop", "text"] = setting(
        "stop", "Arrays of another depth or lower bound than declared; text: all arrays are text"
    )
    mask_key: SecretStr | None = setting(None, "Key of columns that are masked with hmac")
    mask_key_file: str | None = setting(None, "File with the key of masked columns, mode 600")

    # --- Capture
    poll_seconds: float = setting(0.1, "Longest time between polls", unit="s", ge=0.01, le=3600)
    full_every_seconds: float = setting(3600, "Time between full scans", unit="s", ge=1)
    epsilon_seconds: float = setting(5.0, "Allowance for descheduled backends", unit="s", ge=0)
    clock_skew_seconds: float = setting(
        0.0, "Allowance for timestamps set by applications' clocks", unit="s", ge=0
    )
    slice_rows: int = setting(200_000, "Most rows in a Kafka transaction", ge=1)
    slice_bytes: int = setting(16_000_000, "Most bytes in a Kafka transaction", unit="B", ge=1)
    load_chunk_rows: int = setting(100_000, "Rows in a chunk of the initial load", ge=1)

    # --- Publish
    topic_partitions: int = setting(4, "Partitions of a topic that is created", ge=1)
    topic_replication: int | None = setting(None, "Replicas of a topic; unset: the broker's", ge=1)
    topic_retention_hours: float = setting(168, "Retention of a topic that is created", unit="h")
    progress_topic: str = setting("_rowferry_progress", "Compacted topic that keeps the position")
    transaction_seconds: float = setting(60, "Kafka transaction timeout", unit="s", ge=10, le=900)

    # --- Receive
    topics: Names = setting((), "Topics to receive; unset: those of TABLES")
    unwrap: Literal["debezium"] | None = setting(
        None, "Envelopes whose rows are received; unset: envelopes are rows as they are"
    )
    group: str = setting("rowferry-stage", "Consumer group")
    delivery: Delivery = setting(Delivery.STREAMING, "Small fresh files, or large cheap ones")
    max_records: int = setting(1_000_000, "Records in a file at most", ge=1)
    max_bytes: int = setting(100_000_000, "Compressed bytes in a file at most", unit="B", ge=1000)
    max_age_seconds: float | None = setting(
        None, "Age of a file at most; unset: 0.4 streaming, 60 batch", unit="s", gt=0
    )
    group_protocol: Literal["auto", "classic", "consumer"] = setting(
        "auto", "Group protocol; auto: consumer (KIP-848) where the broker has it"
    )
    session_seconds: float = setting(
        45, "Session timeout, classic protocol", unit="s", ge=1, le=300
    )
    resume_from_stage: bool = setting(
        False, "Take the position from the stage's file names; count the rows of decided files anew"
    )
    accept_recreated: bool = setting(
        False, "Stage a topic that was created again into a folder of its own"
    )
    start_from: Literal["beginning", "end"] = setting("beginning", "Where a new group starts")

    # --- Stage
    stage: str | None = setting(None, "@stage/prefix, or file:/folder")
    metadata: Names = setting(
        ("_op", "_partition", "_offset", "_timestamp"),
        "Metadata fields of a line; also _schema_id, _key, _topic; field=name renames",
    )
    decimals: Literal["number", "string"] = setting(
        "number", "Decimals of up to 38 digits in a line; longer ones are strings"
    )
    json_values: Literal["string", "nested"] = setting(
        "string", "json and jsonb in a line: strings of their text, or nested values"
    )
    gzip_level: int = setting(1, "ISA-L compression level", ge=0, le=3)
    upload_threads: int = setting(4, "Uploads in flight", ge=1, le=64)
    put_seconds: float = setting(120, "Deadline of one upload", unit="s", gt=0)
    spool_dir: str | None = setting(None, "Folder for open files; unset: the system's temporary")
    spool_bytes: int = setting(
        1_000_000_000,
        "Most bytes waiting for upload, but for a file decided before; less on a small disk",
        unit="B",
        ge=1,
    )
    dead_letter: str = setting("{topic}_dead_letter", "Topic of what cannot be read")

    # --- Load
    load: Literal["off", "append", "upsert"] = setting(
        "off", "Into tables: every version of a row, or the latest"
    )
    load_table: str = setting(
        "{table}", "Target, also database.schema.table; {schema} {table} {topic} are filled in"
    )
    load_columns: Literal["typed", "variant"] = setting(
        "typed", "Columns of the target: one for each of the row's, or the row as one VARIANT"
    )
    load_key: Names = setting((), "Columns that identify a row, for upsert; unset: the schema's")
    load_ledger: str = setting("ROWFERRY_LEDGER", "Table that says what is loaded")
    load_seconds: float = setting(10, "Pause between two looks for files", unit="s", gt=0)
    load_deadline_seconds: float = setting(1800, "Deadline of one statement", unit="s", ge=1)

    # --- Running
    workers: int = setting(
        1, "Processes that receive; that send, each with tables of its own", ge=1, le=64
    )
    connect_seconds: float = setting(30, "How long a first connection is tried", unit="s", ge=0)
    drain_seconds: float = setting(30, "How long an orderly stop may take", unit="s", gt=0)
    log_format: Literal["auto", "json", "console"] = setting("auto", "Shape of log lines")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least level logged")
    metrics_port: int | None = setting(
        None, "Port of send's /metrics; +100: receive's, +200: load's; unset: none", ge=1, le=65_000
    )
    metrics_host: str = setting("127.0.0.1", "Address of the metrics; 0.0.0.0: any")

    # --- Only in rowferry.toml
    table: dict[str, TableSettings] = setting({}, "Settings of single tables")
    kafka: dict[str, str | bool | int] = setting({}, "librdkafka properties, passed through")

    def of(self, qualified: str) -> TableSettings:
        """The settings of one table, `schema.table`; all unset where it has none."""
        return self.table.get(qualified, TableSettings())

    def secret_values(self) -> Iterator[str]:
        """What must never be shown, whatever text it turns up in."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
        for name, value in self.kafka.items():
            if is_secret_property(name):
                yield str(value)

    def topic_of(self, qualified: str) -> str:
        """The topic of a table, `schema.table`."""
        schema, _, name = qualified.partition(".")
        return (self.of(qualified).topic or self.topic).format(schema=schema, table=name)

    @property
    def received_topics(self) -> tuple[str, ...]:
        """The topics that a receiver reads: TOPICS, or those of TABLES."""
        return self.topics or tuple(self.topic_of(table) for table in self.tables)

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name in keys and transactional ids."""
        return self.pipeline or self.postgres_db

    @property
    def age_seconds(self) -> float:
        """The age at which a file is closed."""
        fallback = 0.4 if self.delivery is Delivery.STREAMING else 60.0
        return self.max_age_seconds or fallback


# Where each section of the help and the reference begins; it ends where the next one does.
SECTIONS = {
    "postgres_user": "PostgreSQL",
    "kafka_server": "Kafka",
    "schema_server": "Schema registry",
    "snowflake_account": "Snowflake",
    "pipeline": "What is carried",
    "poll_seconds": "Capture",
    "topic_partitions": "Publish",
    "topics": "Receive",
    "stage": "Stage",
    "load": "Load",
    "workers": "Running",
    "table": "Only in rowferry.toml",
}


def sections() -> dict[str, list[str]]:
    """The fields of each section, in the order in which they are declared."""
    grouped: dict[str, list[str]] = {}
    for name in Settings.model_fields:
        title = SECTIONS.get(name) or next(reversed(grouped))
        grouped.setdefault(title, []).append(name)
    return grouped


def is_secret(field: str) -> bool:
    """Whether the value of a setting must never be shown."""
    return "SecretStr" in str(Settings.model_fields[field].annotation)


def environment_name(field: str) -> str:
    """The environment variable of a field: POSTGRES_USER, ROWFERRY_TABLES."""
    if field.startswith(FOREIGN_PREFIXES):
        return field.upper()
    return f"ROWFERRY_{field.upper()}"
