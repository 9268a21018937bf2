"""The commands on real parts: the path from a row to a proven file, and every bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fix_stack import Database, KafkaBroker

pytestmark = pytest.mark.real

TABLE = """
    CREATE TABLE products (
        product_id text PRIMARY KEY, name text NOT NULL, category text NOT NULL,
        price numeric(10,2) NOT NULL, updated_timestamp timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ON products (updated_timestamp);
    INSERT INTO products
    SELECT 'p' || n, 'name ' || n, 'c', n / 100.0 FROM generate_series(1, 30) n
"""
HOSTILE = 'public.a"; DROP TABLE products; --'
Ended = subprocess.CompletedProcess[str]


class Shell:
    """Runs commands in a folder, with the settings of a pipeline of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder, self.environ = folder, environ

    def environment(self, changes: dict[str, str]) -> dict[str, str]:
        foreign = ("ROWFERRY_", "POSTGRES_", "KAFKA_", "SCHEMA_", "SNOWFLAKE_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        return {**inherited, **self.environ, **changes}

    def run(self, *arguments: str, **changes: str) -> Ended:
        return subprocess.run(
            [sys.executable, "-m", "rowferry", *arguments],
            cwd=self.folder,
            env=self.environment(changes),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "rowferry", *arguments],
            cwd=self.folder,
            env=self.environment({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def data(self, *arguments: str) -> Any:
        ended = self.run(*arguments, "--json")
        assert ended.stdout.count("\n") == 1, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture
def shell(
    stack_environ: Callable[..., dict[str, str]], database: Database, tmp_path: Path
) -> Shell:
    database.execute(TABLE)
    return Shell(tmp_path, stack_environ(tables="public.products"))


def test_a_row_goes_from_the_table_to_a_proven_file(shell: Shell, database: Database) -> None:
    # GIVEN settings that check finds fit
    checked = shell.data("check")
    assert checked["ok"]
    levels = {finding["name"]: finding["level"] for finding in checked["findings"]}
    assert levels["table public.products"] == "ok"
    assert levels["table public.products column updated_timestamp"] == "ok"
    assert levels["stage"] == "ok"
    # WHEN all is sent and staged
    ended = shell.run("run", "--once")
    assert ended.returncode == 0, ended.stderr
    # THEN the proof holds, and status shows no lag
    found = shell.data("verify")
    assert found["complete"]
    assert (found["rows"], found["records"], found["lines"]) == (30, 30, 30)
    told = shell.data("status")
    assert told["lag_records"] == 0
    assert sum(p["committed"] > 0 for p in told["partitions"]) == found["files"]
    staged = [p["last_file"] for p in told["partitions"] if p["committed"] > 0]
    assert all(name.endswith(".json.gz") for name in staged)
    # WHEN a row changes and only send runs
    database.execute("UPDATE products SET price = 7, updated_timestamp = now()")
    assert not shell.data("verify", "--grace-seconds", "0")["complete"]
    assert shell.run("send", "--once").returncode == 0
    # THEN it waits for receive, and is not missing
    assert shell.data("status")["lag_records"] > 0
    found = shell.data("verify")
    assert (found["complete"], found["pending"], found["repeated"]) == (True, 30, 0)


def test_a_removed_file_fails_the_proof_with_exit_code_4(shell: Shell) -> None:
    assert shell.run("run", "--once").returncode == 0
    staged = sorted((shell.folder / "stage").rglob("*.json.gz"))
    staged[0].unlink()
    ended = shell.run("verify", "--json")
    assert ended.returncode == 4
    found = json.loads(ended.stdout)
    assert (found["complete"], found["gaps"]) == (False, 1)
    assert shell.run("verify", "--names-only").returncode == 4


def test_run_stops_both_children_on_sigterm_and_leaves_nothing_behind(shell: Shell) -> None:
    # GIVEN both loops at work
    running = shell.start("run")
    deadline = time.monotonic() + 60
    while not list((shell.folder / "stage").rglob("*.json.gz")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    assert len(children) == 2
    # WHEN
    running.send_signal(signal.SIGTERM)
    _, log = running.communicate(timeout=60)
    # THEN
    assert running.returncode == 0, log
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert shell.data("verify")["complete"]


def test_run_ends_with_the_exit_code_of_the_child_that_failed(shell: Shell) -> None:
    ended = shell.run("run", POSTGRES_PASSWORD="wrong")
    assert ended.returncode == 3
    assert "E_PG_AUTH" in ended.stderr


@pytest.mark.parametrize(
    ("command", "changes", "code", "symbol"),
    [
        ("send", {"POSTGRES_PASSWORD": "wrong"}, 3, "E_PG_AUTH"),
        ("send", {"KAFKA_PASSWORD": "wrong"}, 3, "E_KAFKA_AUTH"),
        ("send", {"SCHEMA_PASSWORD": "wrong"}, 3, "E_SR_AUTH"),
        ("receive", {"KAFKA_PASSWORD": "wrong"}, 3, "E_KAFKA_AUTH"),
        ("verify", {"KAFKA_PASSWORD": "wrong"}, 3, "E_KAFKA_AUTH"),
        ("status", {"KAFKA_PASSWORD": "wrong"}, 3, "E_KAFKA_AUTH"),
        ("send", {"POSTGRES_DB": "no_such_database"}, 2, "E_CONFIG"),
        ("send", {"ROWFERRY_TABLES": "public.gone"}, 2, "E_TABLE_GONE"),
        ("send", {"ROWFERRY_TABLES": HOSTILE}, 2, "E_CONFIG"),
        ("send", {"ROWFERRY_TABLES": HOSTILE, "ROWFERRY_TOPIC": "hostile"}, 2, "E_TABLE_GONE"),
        ("send", {"ROWFERRY_TABLES": "public.keyless"}, 2, "E_TABLE_UNFIT"),
        ("send", {"ROWFERRY_TIMESTAMP_COLUMN": "none"}, 2, "E_TABLE_UNFIT"),
        ("send", {"ROWFERRY_UNKNOWN": "1"}, 2, "E_CONFIG"),
        ("send", {"POSTGRES_PORT": "1", "ROWFERRY_CONNECT_SECONDS": "1"}, 6, "E_PG_CONN"),
        ("send", {"KAFKA_SERVER": "127.0.0.1:1", "ROWFERRY_CONNECT_SECONDS": "1"}, 6, "E_KAFKA"),
        ("receive", {"KAFKA_SERVER": "127.0.0.1:1", "ROWFERRY_CONNECT_SECONDS": "1"}, 6, "E_"),
        ("schema", {"ROWFERRY_TABLES": "public.gone"}, 2, "E_TABLE_GONE"),
        ("plan", {"ROWFERRY_TABLES": "public.keyless"}, 2, "E_TABLE_UNFIT"),
    ],
)
def test_bad_input_is_one_clear_line_and_the_documented_exit_code(
    shell: Shell,
    database: Database,
    command: str,
    changes: dict[str, str],
    code: int,
    symbol: str,
) -> None:
    database.execute("CREATE TABLE keyless (updated_timestamp timestamptz)")
    ended = shell.run(command, **changes)
    told = [line for line in ended.stderr.splitlines() if line.startswith("E_")]
    assert ended.returncode == code, ended.stderr
    assert len(told) == 1
    assert told[0].startswith(symbol)
    assert "Traceback" not in ended.stderr
    assert "wrong" not in ended.stderr
    assert database.query("SELECT count(*) FROM products") == [(30,)]


def test_check_names_each_problem_with_its_repair(shell: Shell, database: Database) -> None:
    # GIVEN a table without key and index, a missing one, and a superuser's login
    database.execute("CREATE TABLE keyless (updated_timestamp timestamptz)")
    ended = shell.run("check", "--json", ROWFERRY_TABLES="products,keyless,gone")
    # THEN
    assert ended.returncode == 2
    findings = json.loads(ended.stdout)["findings"]
    by_level = {f["name"]: (f["level"], f["repair"]) for f in findings if f["level"] != "ok"}
    assert by_level["table public.keyless"][1].startswith("ALTER TABLE public.keyless ADD PRIMARY")
    assert by_level["table public.keyless column updated_timestamp"] == (
        "warning",
        'CREATE INDEX CONCURRENTLY ON "public"."keyless" ("updated_timestamp")',
    )
    assert by_level["table public.gone"][0] == "problem"


def test_check_warns_of_texts_that_change_with_a_search_path_that_is_not_the_roles_own(
    shell: Shell, database: Database
) -> None:
    # GIVEN names of objects, whose schema is written where the path does not find them
    database.execute(
        "ALTER TABLE products ADD kind regtype, ADD near regclass[], ADD owner regrole;"
        "CREATE DOMAIN way AS regproc; ALTER TABLE products ADD way way"
    )
    name = "table public.products search_path"
    # WHEN the path is anybody's, THEN that is said, with the columns and the repair
    found = {finding["name"]: finding for finding in shell.data("check")["findings"]}
    assert found[name]["level"] == "warning"
    assert "kind, near, way " in found[name]["text"]
    # AND done
    role = shell.environ["POSTGRES_USER"]
    assert found[name]["repair"].startswith(f"ALTER ROLE {role} SET search_path = pg_catalog")
    database.execute(f"ALTER ROLE {role} IN DATABASE {database.name} SET search_path = pg_catalog")
    assert name not in {finding["name"] for finding in shell.data("check")["findings"]}


def test_plan_and_schema_change_nothing(shell: Shell, kafka: KafkaBroker) -> None:
    planned = shell.data("plan")
    [table] = planned["tables"]
    assert (table["table"], table["mode"], table["topic_now"]) == (
        "public.products",
        "incremental",
        None,
    )
    assert "xmin" in table["query"]
    assert any("products" in step for step in table["explained"])
    assert planned["files_per_day_at_most"] > 0
    assert (table["traffic"]["rows_last_day"], len(planned["costs"])) == (30, 3)
    assert "fresh after" in shell.run("plan").stdout
    schemas = shell.data("schema")["public.products"]
    assert schemas["value"]["fields"][0]["name"] == "product_id"
    assert schemas["key"] == "text"
    admin = kafka.admin()
    assert schemas["topic"] not in admin.list_topics(timeout=10).topics


def test_init_writes_a_private_dotenv_once_and_creates_topics_when_told(
    shell: Shell, kafka: KafkaBroker
) -> None:
    # WHEN
    ended = shell.run("init", "--yes")
    # THEN
    assert ended.returncode == 0, ended.stderr
    path = shell.folder / ".env"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "POSTGRES_USER=" in path.read_text()
    assert 'GRANT SELECT ON "public"."products"' in ended.stdout
    topic = f"{shell.environ['POSTGRES_DB']}_products_updates"
    admin = kafka.admin()
    assert topic in admin.list_topics(timeout=10).topics
    # WHEN it is there already
    path.write_text("ROWFERRY_GROUP=mine\n")
    again = shell.run("init")
    # THEN
    assert path.read_text() == "ROWFERRY_GROUP=mine\n"
    assert "left as it is" in again.stderr
