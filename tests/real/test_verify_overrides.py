"""The proof knows what the settings make of a column, and still sees each change behind it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fix_stack import Database
from rowferry.config import Settings
from rowferry.proof.verify import verify
from rowferry.sources import load_settings

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE people (
    id text PRIMARY KEY, name text, mail text, iban char(24), secret text, note varchar(40),
    price numeric(10,2), cost money, small real, paid money, total numeric, fee numeric(8,3),
    big bigint, active boolean, seen timestamptz NOT NULL, local timestamp, host inet, tags text[],
    ratios numeric(6,2)[], doc jsonb, spare numeric(5,1), kept text, js json,
    updated_timestamp timestamptz NOT NULL DEFAULT now()
)
"""
ROW = """
INSERT INTO people VALUES
(%s, 'Ada', 'ada@example.com', 'DE89370400440532013000', 'x', 'a note', 9.99, 7.25, 0.1, 12.5,
 1.5, 2.125, 9007199254740993, true, '2026-11-24 15:04:05.123999+00', '1969-12-31 23:59:59.9999',
 '10.0.0.1', '{a,NULL}', '{1.50,NULL}', '{"a": [1, 2.50]}', 1.5, 'in',
 E'{"b" : 1.50,\n"a":[], "b":null}')
"""
ODD_ROWS = """
INSERT INTO people VALUES
('odd', 'Äöü😀x', 'ü@example.com', 'short', NULL, NULL, -0.01, -7, 1e-40, -3, 1234567890.1234,
 0, -1, false, 'infinity', '-infinity', '10.0.0.0/8', '{}', '{NaN,1}', 'null', 'NaN', 'in', 'null'),
('empty', '', '', '', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0044-03-15 BC', NULL,
 NULL, NULL, NULL, NULL, NULL, 'in', NULL),
('left out', '', '', '', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, now(), NULL, NULL,
 NULL, NULL, NULL, NULL, 'out', NULL)
"""
COLUMNS = """
[table."public.people"]
filter = "kept = 'in'"

[table."public.people".columns]
id = { mask = "hmac", rename = "person" }
name = { truncate = 2 }
mail = { mask = "hmac" }
iban = { truncate = 23 }
secret = { drop = true }
note = { rename = "remark" }
price = { as = "double" }
cost = { as = "double" }
small = { as = "double" }
paid = { as = "string" }
total = { as = "decimal(20,4)" }
fee = { as = "string" }
big = { as = "double" }
active = { as = "string" }
seen = { as = "timestamp-millis", required = true }
local = { as = "timestamp-millis" }
host = { mask = "hmac" }
doc = { as = "string" }
"""
# The least that changes what is carried of a cell.
CHANGES = {
    "name": "'Bda'",
    "mail": "'ada@example.org'",
    "iban": "'DE89370400440532013001'",
    "note": "'a note '",
    "price": "9.98",
    "cost": "7.26",
    "small": "0.10000001",
    "paid": "12.51",
    "total": "1.5001",
    "fee": "2.126",
    "big": "9007199254740995",
    "active": "false",
    "seen": "'2026-11-24 15:04:05.124+00'",
    "local": "'1969-12-31 23:59:59.998'",
    "host": "'10.0.0.2'",
    "tags": "'{a,\"NULL\"}'",
    "ratios": "'{1.51,NULL}'",
    "doc": """'{"a": [1, 2.5]}'""",
    "spare": "1.6",
    "js": """'{"b" : 1.5, "a":[], "b":null}'""",
}
# What the forms leave out, all of it in one row.
UNSEEN = """
UPDATE people SET name = 'Adam', secret = 'y', seen = '2026-11-24 15:04:05.123000+00',
    big = 9007199254740992 WHERE id = 'unseen'
"""
ROWS = len(CHANGES) + 4
FORMS: dict[str, dict[str, object]] = {
    "null": {"numeric_special": "null", "mask_key": "a key", "json_values": "nested"},
    "text": {
        "numeric_special": "string",
        "arrays": "text",
        "decimals": "string",
        "mask_key": "another",
    },
}


@pytest.fixture(params=sorted(FORMS))
def carried(
    request: pytest.FixtureRequest,
    database: Database,
    stack_environ: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> Settings:
    """A table whose columns are carried in every form of their own, sent and staged."""
    form = FORMS[request.param]
    database.execute(TABLE)
    for key in (*CHANGES, "unseen", "key"):
        database.execute(ROW, (key,))
    database.execute(ODD_ROWS)
    (tmp_path / "rowferry.toml").write_text(COLUMNS)
    environ = stack_environ(tables="public.people", **form)
    ended = subprocess.run(
        [sys.executable, "-m", "rowferry", "run", "--once"],
        cwd=tmp_path,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return load_settings(environ=environ, folder=tmp_path).settings


def test_columns_in_forms_of_their_own_are_proved_and_each_change_is_seen(
    carried: Settings, database: Database
) -> None:
    # THEN what was sent and staged is complete, also what is masked
    found = verify(carried)
    assert found.findings == ()
    assert (found.rows, found.records, found.lines) == (ROWS, ROWS, ROWS)
    # WHEN in each row one column is changed behind the product's back
    database.execute(UNSEEN)
    for column, value in CHANGES.items():
        database.execute(f"UPDATE people SET {column} = {value} WHERE id = '{column}'")
    database.execute("UPDATE people SET id = 'other' WHERE id = 'key'")
    # THEN each of them is seen, and nothing of what the forms leave out
    found = verify(carried, grace_seconds=0)
    assert (found.changed, found.missing) == (len(CHANGES), 1)
    # AND with another key for the hashed one, no row is to be found
    other = carried.model_copy(update={"mask_key": carried.postgres_password})
    assert verify(other, grace_seconds=0).missing == ROWS
