"""The Snowflake emulator (fakesnow) as a part: the real connector talks to it over HTTP."""

import json
import sys
import urllib.request

from rowferry.stack.folder import StackFolder
from rowferry.stack.loopback import ask
from rowferry.stack.ports import HOST
from rowferry.stack.processes import Launch

USER = "ROWFERRY"
ACCOUNT = "local"
DATABASE, SCHEMA, WAREHOUSE, ROLE = "BUYONLINE", "PUBLIC", "LOCAL_WAREHOUSE", "SYSADMIN"
STAGE = "product_ingestion_stage"
PREFIX = f"@{STAGE}/kafka_ingestion"


class Snowflake:
    """The emulator. State: the folder `snowflake`, staged files and databases."""

    name = "snowflake"

    def __init__(self, stack: StackFolder) -> None:
        self._stack = stack
        self._folder = stack.path / "snowflake"

    def prepare(self) -> None:
        """Nothing is fetched: it came with the Python packages."""

    def launch(self) -> Launch:
        """The server's command; its password is in a file, not among the arguments."""
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "server.json"
        configuration.touch(mode=0o600)
        configuration.write_text(
            json.dumps(
                {
                    "folder": str(self._folder),
                    "port": self._stack.port("snowflake"),
                    "user": USER,
                    "password": self._stack.password("snowflake"),
                    "database": DATABASE,
                    "schema": SCHEMA,
                    "stage": STAGE,
                    "role": ROLE,
                    "warehouse": WAREHOUSE,
                }
            )
        )
        module = "rowferry.stack.snowflake_server"
        words = (sys.executable, "-P", "-m", module, str(configuration))
        environ = {"TMPDIR": str(temporary)}
        return Launch(words, self._folder, self._stack.path / "logs" / "snowflake.log", environ)

    def is_ready(self) -> bool:
        """Whether our user may log in."""
        data = {
            "LOGIN_NAME": USER,
            "PASSWORD": self._stack.password("snowflake"),
            "SESSION_PARAMETERS": {},
        }
        port = self._stack.known_port("snowflake")
        request = urllib.request.Request(
            f"http://{HOST}:{port}/session/v1/login-request",
            data=json.dumps({"data": data}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with ask(request) as answer:
                return bool(json.load(answer)["success"])
        except OSError:
            return False

    def settings(self) -> dict[str, str]:
        """SNOWFLAKE_*, and the stage."""
        return {
            "SNOWFLAKE_ACCOUNT": ACCOUNT,
            "SNOWFLAKE_USER": USER,
            "SNOWFLAKE_PASSWORD": self._stack.password("snowflake"),
            "SNOWFLAKE_WAREHOUSE": WAREHOUSE,
            "SNOWFLAKE_DATABASE": DATABASE,
            "SNOWFLAKE_SCHEMA": SCHEMA,
            "SNOWFLAKE_ROLE": ROLE,
            "SNOWFLAKE_HOST": HOST,
            "SNOWFLAKE_PORT": str(self._stack.known_port("snowflake")),
            "SNOWFLAKE_PROTOCOL": "http",
            "ROWFERRY_STAGE": PREFIX,
        }
