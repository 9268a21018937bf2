"""Apache Kafka: one KRaft node with SASL/SCRAM, from pinned jars."""

import base64
import subprocess
import uuid
from pathlib import Path
from typing import Any, ClassVar

from rowferry.errors import Code, LocalResource
from rowferry.stack import java
from rowferry.stack.downloads import fetch, read_lock
from rowferry.stack.folder import StackFolder
from rowferry.stack.ports import HOST, is_open
from rowferry.stack.processes import Launch

USER = "rowferry"
MECHANISM = "SCRAM-SHA-256"
FLAGS = (*java.QUICK_START, "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
PROPERTIES = f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:{{controller}}
listeners=CLIENT://{HOST}:{{client}},CONTROLLER://{HOST}:{{controller}}
advertised.listeners=CLIENT://{HOST}:{{client}}
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
sasl.enabled.mechanisms={MECHANISM}
sasl.mechanism.inter.broker.protocol={MECHANISM}
listener.name.client.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required \
username="{USER}" password="{{password}}";
log.dirs={{data}}
auto.create.topics.enable=false
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=10
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=10
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.session.timeout.ms=6000
group.consumer.heartbeat.interval.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"""


class Kafka:
    """The broker. State: the folder `kafka`; formatted once, with the user's SCRAM credential."""

    name = "kafka"
    flags: ClassVar[tuple[str, ...]] = FLAGS  # benches prefer throughput to a quick start

    def __init__(self, stack: StackFolder, cache: Path, training: Path | None = None) -> None:
        self._stack, self._cache, self._training = stack, cache, training
        self._folder = stack.path / "kafka"
        self._jars: tuple[Path, ...] = ()

    @property
    def program(self) -> java.Program:
        """The broker as a Java program."""
        return java.Program(
            self._jars, (*self.flags, *java.temporary(self._folder)), ("kafka.Kafka",)
        )

    def prepare(self) -> None:
        """Fetch the jars."""
        self._jars = tuple(fetch(read_lock("kafka"), self._cache, "Apache Kafka"))

    def launch(self) -> Launch:
        """The broker's command; formats its storage at the first start."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        properties = self._write_properties()
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(properties)
        aot = java.aot_flags(self.program, self._cache, self._training)
        words = java.command(self.program, self._folder / "broker.args", [str(properties)], aot)
        return Launch(words, self._folder, self._stack.path / "logs" / "kafka.log")

    def is_ready(self) -> bool:
        """Whether the broker answers our user's request for its topics."""
        if not is_open(self._stack.known_port("kafka")):
            return False
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        configuration: dict[str, Any] = self.client_configuration()
        configuration |= {"error_cb": _quiet, "log_level": 0}
        try:
            metadata = AdminClient(configuration).list_topics(timeout=2)
        except KafkaException:
            return False
        return bool(metadata.brokers)

    def settings(self) -> dict[str, str]:
        """KAFKA_*."""
        return {
            "KAFKA_SERVER": f"{HOST}:{self._stack.known_port('kafka')}",
            "KAFKA_USERNAME": USER,
            "KAFKA_PASSWORD": self._stack.password("kafka"),
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": MECHANISM,
        }

    def client_configuration(self) -> dict[str, Any]:
        """The same as librdkafka properties."""
        return {
            "bootstrap.servers": f"{HOST}:{self._stack.known_port('kafka')}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": MECHANISM,
            "sasl.username": USER,
            "sasl.password": self._stack.password("kafka"),
        }

    def _write_properties(self) -> Path:
        path = self._folder / "server.properties"
        path.touch(mode=0o600)
        path.write_text(
            PROPERTIES.format(
                client=self._stack.port("kafka"),
                controller=self._stack.port("kafka_controller"),
                password=self._stack.password("kafka"),
                data=self._folder / "data",
            )
        )
        return path

    def _format(self, properties: Path) -> None:
        tool = java.Program(self._jars, FLAGS, ("kafka.tools.StorageTool",))
        cluster = "-"
        while cluster.startswith("-"):  # which the tool would take for an option
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        scram = f"{MECHANISM}=[name={USER},password={self._stack.password('kafka')}]"
        arguments = ["format", "-t", cluster, "-c", str(properties), "--add-scram", scram]
        words = java.command(tool, self._folder / "format.args", arguments)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            what = f"Kafka's storage could not be formatted: {done.stderr.strip()[-300:]}"
            raise LocalResource(Code.LOCAL_RESOURCE, what, where=str(self._folder))


def _quiet(_error: object) -> None:
    """While the broker starts, its refusals are no news."""
