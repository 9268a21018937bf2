"""What each compatibility level of a subject allows a table: told beforehand, and kept."""

import json
from collections.abc import Callable

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from fix_cli import Rowferry
from fix_stack import Database, RegistryServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

LEVELS = (
    *("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD"),
    *("FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"),
)
BACKWARD, FORWARD = {"BACKWARD", "BACKWARD_TRANSITIVE"}, {"FORWARD", "FORWARD_TRANSITIVE"}
TABLE = """
CREATE TABLE {0} (id int PRIMARY KEY, a int, n int NOT NULL, w bigint NOT NULL, m mood,
                  d numeric(10,2), updated timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON {0} (updated);
INSERT INTO {0} VALUES (1, 1, 1, 1, 'sad', 1);
"""
# A first change that every level allows, a second one, and the levels that allow that.
CHANGES: dict[str, tuple[str, str, set[str]]] = {
    "harmless": (
        "ADD b text",
        "DROP a, DROP b, ADD c int NOT NULL DEFAULT 7, ADD e text, ALTER d TYPE numeric(12,2)",
        set(LEVELS),
    ),
    "renamed": ("RENAME a TO b", "ADD c date", set(LEVELS)),
    "required_gone": ("ADD b text", "DROP n", {"NONE", *BACKWARD}),
    "required_new": ("ADD b text", "ADD c bigint NOT NULL GENERATED ALWAYS AS IDENTITY", FORWARD),
    "wider": ("ADD b text", "ALTER n TYPE bigint", {"NONE", *BACKWARD}),
    "narrower": ("ADD b text", "ALTER w TYPE int", {"NONE", *FORWARD}),
    "nullable": ("ADD b text", "ALTER n DROP NOT NULL", {"NONE", *BACKWARD}),
    "not_nullable": ("ADD b text", "ALTER a SET NOT NULL", {"NONE", *FORWARD}),
    "another_type": ("ADD b text", "ALTER n TYPE text", {"NONE"}),
    "back_as_another": ("DROP a", "ADD a text", {"NONE", "BACKWARD", "FORWARD", "FULL"}),
}
# The other levels are told apart by one change each.
PAIRS = [(change, level) for level in ("BACKWARD", "FORWARD", "FULL") for change in CHANGES]
PAIRS += [("back_as_another", f"{level}_TRANSITIVE") for level in ("BACKWARD", "FORWARD", "FULL")]
PAIRS += [("harmless", "FULL_TRANSITIVE"), ("another_type", "NONE")]
ALL = {f"{change}_{level}".lower(): (change, level) for change, level in PAIRS}
ALLOWED = {
    f"public.{table}"
    for table, (change, level) in ALL.items()
    if level in CHANGES[change][2] | {"NONE"}
}
STOPPING = ("another_type_full", "back_as_another_full_transitive")


def change(database: Database, step: int) -> None:
    """The tables' next change, and a row that shows it."""
    statements = [
        f"ALTER TABLE {table} {CHANGES[name][step]}; UPDATE {table} SET updated = now();"
        for table, (name, _) in ALL.items()
    ]
    database.execute("".join(statements))


def test_each_level_allows_what_it_says_and_plan_tells_it_beforehand(
    rowferry: Rowferry,
    database: Database,
    registry: RegistryServer,
    stack_environ: Callable[..., dict[str, str]],
) -> None:
    # GIVEN tables that flow, a change and a level each
    environ = stack_environ(
        tables=",".join(f"public.{table}" for table in ALL),
        timestamp_column="updated",
        topic_partitions=1,
        key_format="text",
    )
    database.execute("CREATE TYPE mood AS ENUM ('sad');" + "".join(map(TABLE.format, ALL)))
    started = rowferry.run(environ, "send", "--once")
    assert started.code == 0, started.stderr
    with SchemaRegistryClient(registry.configuration) as subjects:
        for table, (_, level) in ALL.items():
            subjects.set_compatibility(f"{database.name}_{table}_updates-value", level)
    # WHEN all change as every level allows, THEN all go on; a new label is no change
    change(database, 0)
    database.execute("ALTER TYPE mood ADD VALUE 'glad'")
    went_on = rowferry.run(environ, "send", "--once")
    assert went_on.code == 0, went_on.stderr
    # WHEN they change as some levels forbid
    change(database, 1)
    # THEN plan tells which of them would stop
    planned = json.loads(rowferry.run(environ, "plan", "--json").stdout)["tables"]
    assert {each["table"] for each in planned if each["changes"] is None} == ALLOWED
    assert all(each["changes"] for each in planned if each["table"] not in ALLOWED)
    with SchemaRegistryClient(registry.configuration) as subjects:
        for each in planned:
            wanted = Schema(json.dumps(each["schema"]), "AVRO")
            assert is_taken(subjects, f"{each['topic']}-value", wanted) is (
                each["table"] in ALLOWED
            )
    # AND these stop, the others go on
    forbidden = {f"public.{table}" for table in STOPPING}
    assert not forbidden & ALLOWED
    environ["ROWFERRY_TABLES"] = ",".join(sorted(forbidden | ALLOWED))
    sent = rowferry.run(environ, "send", "--once")
    assert sent.code == 4, sent.stderr
    events = [json.loads(line) for line in sent.stderr.splitlines() if line.startswith("{")]
    assert {e["table"] for e in events if e["event"] == "table.stopped"} == forbidden
    rows = [event["rows"] for event in events if event["event"] == "rows.sent"]
    assert {table for counts in rows for table in counts} == ALLOWED


def is_taken(subjects: SchemaRegistryClient, subject: str, schema: Schema) -> bool:
    try:
        subjects.register_schema(subject, schema)
    except SchemaRegistryError as error:
        assert error.http_status_code == 409  # noqa: PT017
        return False
    return True
