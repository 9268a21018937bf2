"""Kafka Connect with Debezium's PostgreSQL source or the file sink, set up from pinned jars."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.stand import Stand
from rowferry.stack import java
from rowferry.stack.downloads import Artefact, cache_folder, fetch, parse_line
from rowferry.stack.ports import free_port

LOCKS = Path(__file__).parent
WORKER_FLAGS = (
    "-XX:+UseG1GC",
    "-Xms512m",
    "-Xmx2g",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


def _jars(lock: str) -> list[Path]:
    lines = (LOCKS / f"{lock}.lock.txt").read_text().splitlines()
    artefacts: list[Artefact] = [parse_line(line) for line in lines if line.strip()]
    return fetch(artefacts, cache_folder(), f"Peers: {lock}")


def _linked(folder: Path, jars: list[Path]) -> Path:
    """A plugin's folder: Connect isolates what lies in one."""
    folder.mkdir(parents=True, exist_ok=True)
    for jar in jars:
        link = folder / jar.name
        if not link.exists():
            link.symlink_to(jar)
    return folder


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector's own properties."""

    properties: dict[str, str]


def debezium(stand: Stand, table: str, prefix: str, **more: str) -> Connector:
    """Debezium PostgreSQL, flattened, with pgoutput; its topic is `<prefix>.public.<table>`."""
    e = stand.environ
    own = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": e["POSTGRES_HOST"],
        "database.port": e["POSTGRES_PORT"],
        "database.user": e["POSTGRES_USER"],
        "database.password": e["POSTGRES_PASSWORD"],
        "database.dbname": e["POSTGRES_DB"],
        "topic.prefix": prefix,
        "slot.name": prefix,
        "publication.name": prefix,
        "publication.autocreate.mode": "filtered",
        "slot.drop.on.stop": "true",
        "table.include.list": f"public.{table}",
        "schema.name.adjustment.mode": "avro",
        "transforms": "unwrap",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "heartbeat.interval.ms": "0",
    }
    return Connector(own | more)


def file_sink(topic: str, file: Path) -> Connector:
    """The file sink that ships with Kafka: toString of structs, no JSON, no gzip."""
    own = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "topics": topic,
        "file": str(file),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    }
    return Connector(own)


class Worker:
    """A standalone worker, warm from one connector to the next; asked by its REST interface."""

    def __init__(self, stand: Stand, name: str) -> None:
        folder = stand.folder / name
        folder.mkdir()
        plugins = folder / "plugins"
        _linked(plugins / "debezium", _jars("debezium"))
        _linked(plugins / "converter", _jars("converter"))
        jars = _jars("connect")
        _linked(plugins / "file", [jar for jar in jars if jar.name.startswith("connect-file")])
        classpath = tuple(jar for jar in jars if not jar.name.startswith("connect-file"))
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/connectors"
        properties = _worker_properties(stand, folder, plugins)
        properties["listeners"] = f"http://127.0.0.1:{port}"
        file = _write(folder / "worker.properties", properties)
        main = ("org.apache.kafka.connect.cli.ConnectStandalone",)
        program = java.Program(classpath, WORKER_FLAGS, main)
        words = java.command(program, folder / "worker.args", [str(file)])
        self.process = stand.start(*words)

    def run(self, name: str, connector: Connector, seconds: float = 180) -> None:
        """Start a connector; waits for the worker to answer."""
        config = {"name": name, "tasks.max": "1", **connector.properties}
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._ask("POST", "", {"name": name, "config": config})
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def remove(self, name: str) -> None:
        """Stop a connector and forget it."""
        self._ask("DELETE", f"/{name}", None)

    def _ask(self, method: str, path: str, body: Any) -> None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()


def _worker_properties(stand: Stand, folder: Path, plugins: Path) -> dict[str, str]:
    e = stand.environ
    login = (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="{e["KAFKA_USERNAME"]}" password="{e["KAFKA_PASSWORD"]}";'
    )
    reach = {
        "bootstrap.servers": e["KAFKA_SERVER"],
        "security.protocol": e["KAFKA_SECURITY_PROTOCOL"],
        "sasl.mechanism": e["KAFKA_SASL_MECHANISM"],
        "sasl.jaas.config": login,
    }
    prefixed = {f"{p}.{k}": v for p in ("producer", "consumer", "admin") for k, v in reach.items()}
    tuned = {"producer.compression.type": "lz4", "producer.acks": "all", "producer.linger.ms": "0"}
    return (
        reach
        | prefixed
        | tuned
        | {
            "offset.storage.file.filename": str(folder / "offsets"),
            "offset.flush.interval.ms": "1000",
            "plugin.path": str(plugins),
            "plugin.discovery": "hybrid_warn",
            **_converter(stand, "key"),
            **_converter(stand, "value"),
            "consumer.auto.offset.reset": "earliest",
        }
    )


def _converter(stand: Stand, side: str) -> dict[str, str]:
    """Avro with the registry, framed as Confluent's serializer does."""
    url = stand.environ["SCHEMA_SERVER"].replace("/apis/ccompat/v7", "/apis/registry/v2")
    options = {
        "": "io.apicurio.registry.utils.converter.AvroConverter",
        ".apicurio.registry.url": url,
        ".apicurio.registry.auto-register": "true",
        ".apicurio.registry.find-latest": "true",
        ".apicurio.registry.as-confluent": "true",
        ".apicurio.registry.use-id": "contentId",
        ".apicurio.registry.headers.enabled": "false",
        ".apicurio.auth.username": stand.environ["SCHEMA_USERNAME"],
        ".apicurio.auth.password": stand.environ["SCHEMA_PASSWORD"],
    }
    return {f"{side}.converter{name}": value for name, value in options.items()}


def _write(path: Path, properties: dict[str, str]) -> Path:
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    return path
