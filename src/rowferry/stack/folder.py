"""The stack's folder: its lock, and what a later start must know (ports, passwords, processes)."""

import contextlib
import fcntl
import json
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rowferry.errors import Code, ConfigError
from rowferry.stack.ports import free_port, is_free
from rowferry.stack.processes import Identity, is_alive

PASSWORD_BYTES = 18


class StackFolder:
    """A folder that holds one stack; its data is traversable, its record for the owner only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.absolute()
        self._record_path = self.path / "stack.json"
        self._mutex = threading.Lock()
        self._record = self._read()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder; raises ConfigError where another process does."""
        if not self.path.exists():
            self.path.mkdir(parents=True)
            self.path.chmod(0o711)  # PostgreSQL's user, where we are root, passes through
        with (self.path / "stack.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                what = "another rowferry process uses this folder for its local stack"
                advice = "stop it, or choose another folder"
                raise ConfigError(Code.CONFIG, what, where=str(self.path), advice=advice) from error
            self._record = self._read()
            yield

    def port(self, name: str) -> int:
        """The port of this name: the one it had, while nobody else took it, else a free one."""
        with self._mutex:
            known = self._section("ports")
            taken = {port for other, port in known.items() if other != name}
            port: int | None = known.get(name)
            while port is None or port in taken or not is_free(port):
                port = free_port()
            known[name] = port
            self._write()
            return port

    def known_port(self, name: str) -> int:
        """The port of this name as it was last given."""
        with self._mutex:
            port: int = self._section("ports")[name]
            return port

    def password(self, name: str) -> str:
        """The password of this name, made at the first call."""
        with self._mutex:
            known = self._section("passwords")
            if name not in known:
                known[name] = secrets.token_urlsafe(PASSWORD_BYTES)
                self._write()
            password: str = known[name]
            return password

    def remember(self, name: str, identity: Identity) -> None:
        """Record a process before it is waited for."""
        with self._mutex:
            self._section("processes")[name] = {"pid": identity.pid, "started": identity.started}
            self._write()

    def forget_processes(self) -> None:
        """Record that nothing runs."""
        with self._mutex:
            self._record["processes"] = {}
            self._write()

    def processes(self) -> dict[str, Identity]:
        """The recorded processes that still run, by part."""
        with self._mutex:
            known = self._section("processes")
            found = {name: Identity(p["pid"], p["started"]) for name, p in known.items()}
        return {name: identity for name, identity in found.items() if is_alive(identity)}

    def has_recorded(self, name: str) -> bool:
        """Whether this process was started, be it alive or not, and not yet stopped."""
        with self._mutex:
            return name in self._section("processes")

    def _section(self, name: str) -> dict[str, Any]:
        return self._record.setdefault(name, {})

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._record_path.exists():
            return {}
        try:
            record: dict[str, dict[str, Any]] = json.loads(self._record_path.read_text())
        except ValueError as error:
            what = "the record of this local stack is unreadable"
            advice = "end what still runs in it, remove the folder and start again"
            raise ConfigError(
                Code.CONFIG, what, where=str(self._record_path), advice=advice
            ) from error
        return record

    def _write(self) -> None:
        """Replace the record whole: it is never half written."""
        half = self._record_path.with_suffix(".half")
        with os.fdopen(os.open(half, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            json.dump(self._record, file)
        half.replace(self._record_path)
