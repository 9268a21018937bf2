"""The schema registry: Apicurio, which speaks Confluent's REST API, with basic authentication."""

import base64
import urllib.request
from pathlib import Path

from rowferry.stack import java
from rowferry.stack.downloads import fetch, read_lock, unpacked
from rowferry.stack.folder import StackFolder
from rowferry.stack.loopback import ask
from rowferry.stack.ports import HOST
from rowferry.stack.processes import Launch

USER = "rowferry"
BASE_PATH = "/apis/ccompat/v7"
FLAGS = (*java.QUICK_START, "-Xmx256m")


class Registry:
    """The registry. State: an H2 database in the folder `registry`."""

    name = "registry"

    def __init__(self, stack: StackFolder, cache: Path, training: Path | None = None) -> None:
        self._stack, self._cache, self._training = stack, cache, training
        self._folder = stack.path / "registry"
        self._home = Path()

    @property
    def program(self) -> java.Program:
        """The registry as a Java program."""
        flags = (*FLAGS, *java.temporary(self._folder))
        return java.Program((), flags, ("-jar", str(self._home / "quarkus-run.jar")))

    def prepare(self) -> None:
        """Fetch and unpack the application."""
        [archive] = fetch(read_lock("registry"), self._cache, "Apicurio Registry")
        self._home = unpacked(archive)

    def launch(self) -> Launch:
        """The registry's command."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        aot = java.aot_flags(self.program, self._cache, self._training)
        properties = (f"-D{name}={value}" for name, value in self._properties().items())
        words = java.command(self.program, self._folder / "registry.args", [], (*aot, *properties))
        return Launch(words, self._folder, self._stack.path / "logs" / "registry.log")

    def is_ready(self) -> bool:
        """Whether our user may list the subjects."""
        password = self._stack.password("registry")
        basic = base64.b64encode(f"{USER}:{password}".encode()).decode()
        url = f"{self._url()}/subjects"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {basic}"})  # noqa: S310 - http on loopback
        try:
            with ask(request) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
        except OSError:
            return False

    def settings(self) -> dict[str, str]:
        """SCHEMA_*."""
        return {
            "SCHEMA_SERVER": self._url(),
            "SCHEMA_USERNAME": USER,
            "SCHEMA_PASSWORD": self._stack.password("registry"),
        }

    def _url(self) -> str:
        return f"http://{HOST}:{self._stack.known_port('registry')}{BASE_PATH}"

    def _properties(self) -> dict[str, str]:
        database = self._folder / "database"
        return {
            "quarkus.http.host": HOST,
            "quarkus.http.port": str(self._stack.port("registry")),
            "quarkus.management.host": HOST,
            "quarkus.management.port": str(self._stack.port("registry_management")),
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{database};DB_CLOSE_ON_EXIT=FALSE",
            "apicurio.rules.global.compatibility": "BACKWARD",
            "quarkus.http.auth.basic": "true",
            "apicurio.authn.enabled": "true",
            "quarkus.security.users.embedded.enabled": "true",
            "quarkus.security.users.embedded.plain-text": "true",
            f"quarkus.security.users.embedded.users.{USER}": self._stack.password("registry"),
            f"quarkus.security.users.embedded.roles.{USER}": "sr-admin",
        }
