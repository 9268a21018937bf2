"""Tables change while rows flow through running processes: none is lost, none is wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from fix_cli import Process, Rowferry
from fix_stack import Database, RegistryServer
from rowferry.stack import ledger
from rowferry.types import original_name

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

TABLE = """
CREATE TABLE t (id bigint PRIMARY KEY, code bigint NOT NULL UNIQUE,
                v bigint NOT NULL DEFAULT nextval('versions'), note text,
                updated timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON t (updated);
CREATE TRIGGER keep AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep();
"""
# The ledger: each version that was committed, as it was then.
LEDGER = """
CREATE SEQUENCE versions; CREATE SEQUENCE ids;
CREATE TABLE written (v bigint, image jsonb);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO written VALUES (NEW.v, to_jsonb(NEW)); RETURN NULL; END $$;
"""
NEW_ROWS = "INSERT INTO t (id, code{names}) SELECT n, -n{values} FROM (SELECT nextval('ids') n \
FROM generate_series(1, 20)) s"
Change = tuple[str, str, str]  # statements, then the columns of rows that follow, and their values
COMPATIBLE: list[Change] = [
    (f"{NEW_ROWS.format(names='', values='')}; ALTER TABLE t ADD more text", "more", "'m'"),
    ("ALTER TABLE t ADD qty int NOT NULL DEFAULT 7", "", ""),
    ("ALTER TABLE t ALTER qty TYPE bigint", "qty", "5000000000"),
    ("ALTER TABLE t RENAME note TO remark", "remark", "'r'"),
    ("ALTER TABLE t DROP more", "remark", "'s'"),
    ("ALTER TABLE t ALTER remark TYPE varchar(200)", "remark", "'t'"),
    ("ALTER TABLE t ADD price numeric(10,2)", "price", "1.25"),
    ("ALTER TABLE t ALTER price TYPE numeric(14,2)", "price", "123456789012.25"),
    ("ALTER TABLE t ALTER qty DROP NOT NULL", "qty", "NULL"),
    ("CREATE TYPE mood AS ENUM ('sad'); ALTER TABLE t ADD m mood", "m", "'sad'::mood"),
    ("ALTER TYPE mood ADD VALUE 'glad'", "m", "'glad'::mood"),
    ("ALTER TABLE t ADD tags text[]", "tags", "ARRAY['a', NULL]"),
    ("ALTER TABLE t ALTER remark SET DEFAULT 'by default'", "", ""),
    ("CREATE TYPE spot AS (x int); ALTER TABLE t ADD at spot", "at", "ROW(1)::spot"),
    ("ALTER TYPE spot ADD ATTRIBUTE y text", "at", "ROW(1, 'y')::spot"),
]
INCOMPATIBLE: list[Change] = [
    ("UPDATE t SET qty = 1 WHERE qty IS NULL; ALTER TABLE t ALTER qty SET NOT NULL", "qty", "2"),
    ("ALTER TABLE t ALTER qty TYPE text USING 'n' || qty", "qty", "'n2'"),
    ("ALTER TABLE t DROP m; ALTER TABLE t ADD mm double precision", "mm", "0.5"),
    ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)", "", ""),
    (f"DROP TABLE t; {TABLE}", "note", "'anew'"),
]


class Evolving:
    """A pipeline under load, whose table changes."""

    def __init__(self, rowferry: Rowferry, database: Database, environ: dict[str, str]) -> None:
        self.rowferry, self.database, self.environ = rowferry, database, environ
        self.running: dict[str, Process] = {}
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write)

    def start(self) -> None:
        for command in ("send", "receive"):
            self.running[command] = self.rowferry.start(self.environ, command)
        self._writer.start()

    def change(self, change: Change) -> None:
        """Change the table, and add rows that show it."""
        statements, names, values = change
        if statements:
            self.database.execute(statements)
        comma = ", " if names else ""
        rows = NEW_ROWS.format(names=comma + names, values=comma + values)
        self.database.execute(rows)

    def end_load(self) -> None:
        self._stop.set()
        self._writer.join()

    def await_rows(self, table: str, topic_lines: Callable[[], list[dict[str, Any]]]) -> None:
        """Until each row that is there now is staged, in this version or a newer one."""
        deadline = time.monotonic() + 40
        rows = dict(self.database.query(f"SELECT id, v FROM {table}"))
        while True:
            newest: dict[int, int] = {}
            for line in topic_lines():
                newest[line["id"]] = max(line["v"], newest.get(line["id"], 0))
            if all(newest.get(key, 0) >= v for key, v in rows.items()):
                return
            assert time.monotonic() < deadline, self.log("send")
            for process in self.running.values():
                assert process.poll() is None, self.log("send") + self.log("receive")
            time.sleep(0.2)

    def log(self, command: str) -> str:
        return self.rowferry.log_of(self.running[command])

    def _write(self) -> None:
        """Insert and update, a transaction each, whatever happens to the table."""
        connection = psycopg2.connect(self.database.dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._stop.wait(0.005):
                try:
                    cursor.execute(
                        "INSERT INTO t (id, code) SELECT n, -n FROM nextval('ids') n;"
                        "UPDATE t SET v = nextval('versions'), updated = clock_timestamp() "
                        "WHERE id = (SELECT max(id) - (random() * 50)::int FROM t)"
                    )
                except psycopg2.Error:  # the table is gone, or another, for a moment
                    continue
        connection.close()


@pytest.fixture
def subjects(registry: RegistryServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient(registry.configuration) as client:
        yield client


@pytest.fixture
def evolving(
    rowferry: Rowferry, database: Database, stack_environ: Callable[..., dict[str, str]]
) -> Iterator[Evolving]:
    environ = stack_environ(
        tables="public.t",
        timestamp_column="updated",
        session_seconds=6,
        metadata="_op,_partition,_offset,_schema_id",
        postgres_user=database.reader,
        postgres_password=database.reader_password,
    )
    database.execute(LEDGER + TABLE)
    made = Evolving(rowferry, database, environ)
    yield made
    if not made._stop.is_set() and made._writer.is_alive():
        made.end_load()


def lines_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=str) for line in ledger.lines_of_folder(folder)]


def check_lines(
    lines: list[dict[str, Any]], subjects: SchemaRegistryClient, database: Database
) -> set[int]:
    """Each line has its own schema's columns, and the values of a committed version."""
    written: dict[int, list[dict[str, Any]]] = {}
    for v, image in database.query(IMAGES):
        written.setdefault(v, []).append(json.loads(image, parse_float=str))
    ids = {line["_schema_id"] for line in lines}
    columns = {}
    for schema_id in ids:
        schema = json.loads(subjects.get_schema(schema_id).schema_str or "")
        columns[schema_id] = [original_name(field) for field in schema["fields"]]
    for line in lines:
        cells = {name: value for name, value in line.items() if not name.startswith("_")}
        assert list(cells) == columns[line["_schema_id"]]
        assert any(is_version(cells, image) for image in written[line["v"]]), (cells, line["v"])
    return ids


IMAGES = "SELECT v, image::text FROM written"


def is_version(cells: dict[str, Any], image: dict[str, Any]) -> bool:
    """Whether the cells of the columns that both have are the same."""
    common = (cells.keys() & image.keys()) - {"updated"}
    return all(is_of(cells[name], image[name]) for name in common)


def is_of(cell: Any, image: Any) -> bool:
    """Whether a cell is what was written, or what a later change of the table made of it."""
    if isinstance(cell, dict) and isinstance(image, dict):  # a composite may have got fields
        return all(is_of(cell[name], image[name]) for name in cell.keys() & image.keys())
    return cell == image or str(cell).removeprefix("n") == str(image).removeprefix("n")


def test_twenty_changes_under_load_lose_nothing_and_need_no_restart(
    evolving: Evolving, database: Database, subjects: SchemaRegistryClient, tmp_path: Path
) -> None:
    topic = f"{database.name}_t_updates"
    subject, stage = f"{topic}-value", tmp_path / "stage"
    subjects.set_compatibility(subject, "BACKWARD")
    # GIVEN both loops and a writer at work
    evolving.start()
    evolving.await_rows("t", lambda: lines_in(stage))
    # WHEN the table changes, first as the subject's level allows
    for change in COMPATIBLE:
        evolving.change(change)
        evolving.await_rows("t", lambda: lines_in(stage))
    for each in (subject, f"{topic}-key"):
        subjects.set_compatibility(each, "NONE")
    for change in INCOMPATIBLE:
        evolving.change(change)
        evolving.await_rows("t", lambda: lines_in(stage))
    evolving.end_load()
    # THEN the same processes carry all of it
    evolving.await_rows("t", lambda: lines_in(stage))
    for command in ("send", "receive"):
        assert evolving.rowferry.stop(evolving.running[command]) == 0, evolving.log(command)
    assert len(subjects.get_versions(subject)) >= 15
    assert subjects.get_versions(f"{topic}-key") == [1, 2]  # id, code, and id again
    lines = lines_in(stage)
    ids = check_lines(lines, subjects, database)
    assert len(ids) >= 15
    # AND each record is one line, the last one of a key being its row
    places = {(line["_partition"], line["_offset"]) for line in lines}
    assert len(places) == len(lines)
    last = {line["code"]: line for line in sorted(lines, key=lambda line: line["_offset"])}
    for code, v, note in database.query("SELECT code, v, note FROM t"):
        assert (last[code]["v"], last[code]["note"]) == (v, note)
    proof = evolving.rowferry.run(evolving.environ, "verify", "--json")
    assert json.loads(proof.stdout)["complete"], proof.stdout


@pytest.mark.parametrize("level", ["BACKWARD", "FULL_TRANSITIVE"])
def test_a_change_that_the_subject_forbids_stops_that_table_only(
    evolving: Evolving,
    database: Database,
    subjects: SchemaRegistryClient,
    tmp_path: Path,
    level: str,
) -> None:
    # GIVEN two tables that flow
    database.execute(
        "CREATE TABLE u (id int PRIMARY KEY, v bigint NOT NULL, qty int,"
        " updated timestamptz NOT NULL DEFAULT clock_timestamp()); CREATE INDEX ON u (updated);"
        " INSERT INTO u VALUES (1, 1000001, 1)"
    )
    subject, stage = f"{database.name}_u_updates-value", tmp_path / "stage"
    subjects.set_compatibility(subject, level)
    evolving.environ["ROWFERRY_TABLES"] = "public.t,public.u"
    evolving.start()
    evolving.await_rows("u", lambda: lines_in(stage))
    # WHEN one changes as its subject forbids
    database.execute("ALTER TABLE u ALTER qty TYPE text; INSERT INTO u VALUES (2, 1000002, 'two')")
    deadline = time.monotonic() + 30
    while "table.stopped" not in evolving.log("send"):
        assert time.monotonic() < deadline, evolving.log("send")
        time.sleep(0.1)
    # THEN the other goes on, and the difference is told, the way out with it
    evolving.change(("", "note", "'still here'"))
    evolving.end_load()
    evolving.await_rows("t", lambda: lines_in(stage))
    assert evolving.rowferry.stop(evolving.running["send"]) == 4
    said = evolving.log("send")
    assert "E_SR_INCOMPATIBLE" in said
    assert "column qty was" in said
    assert "compatibility to NONE" in said
    # AND plan tells it beforehand
    planned = evolving.rowferry.run(evolving.environ, "plan", "--json")
    changes = {t["table"]: t["changes"] for t in json.loads(planned.stdout)["tables"]}
    assert changes["public.t"] is None
    assert any("column qty was" in change for change in changes["public.u"])
    # WHEN it is allowed, THEN what waited arrives
    subjects.set_compatibility(subject, "NONE")
    evolving.running["send"] = evolving.rowferry.start(evolving.environ, "send")
    evolving.await_rows("u", lambda: lines_in(stage))
    found = {line["v"]: str(line["qty"]) for line in lines_in(stage) if line["v"] > 1_000_000}
    assert found == {1000001: "1", 1000002: "two"}
