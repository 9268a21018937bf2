"""Removing files: only what is loaded, committed, and too old for an upload to bring it back."""

import json

import pytest

from fix_load import Quay
from fix_receive import wait_until

pytestmark = pytest.mark.real

UPLOADS_END_SECONDS = 120 + 61  # PUT_SECONDS, and what two clocks may differ


def test_only_files_that_are_loaded_and_old_are_removed(quay: Quay) -> None:
    # GIVEN two partitions, one more file than is committed, and a file of another's
    quay.create(partitions=2)
    quay.stage({"id": 1})
    quay.stage({"id": 2}, partition=1)
    quay.stage({"id": 3})
    quay.stage({"id": 4})
    quay.fake.place("ferry/other.json.gz", b"x")
    quay.commit(p0=2, p1=1)
    # WHEN they are young THEN they are loaded, and stay
    loaded = quay.load(purge=True)
    assert (loaded.files, loaded.removed, len(quay.fake.files())) == (3, 0, 5)
    # WHEN no upload can be under way any more THEN the loaded ones are removed, and no other
    quay.fake.clock.advance(seconds=UPLOADS_END_SECONDS)
    assert quay.load(purge=True).removed == 3
    left = [name.rpartition("/")[2] for name in quay.fake.files()]
    assert [name[:20] for name in left] == ["other.json.gz", f"{2:020d}"]
    # AND what is staged later is loaded as if they were there
    quay.commit()
    assert quay.load(purge=True).rows == 1
    assert quay.query("SELECT count(*), count(DISTINCT id) FROM products") == [(4, 4)]


def test_the_printed_sql_makes_all_that_the_loader_needs(quay: Quay) -> None:
    # GIVEN the SQL that is printed, without a look at Snowflake
    quay.create()
    printed = quay.start("--print-ddl", "--json", load="upsert", snowflake_role="loader")
    assert printed.wait(30) == 0, quay.log()
    sql = json.loads(quay.log())["sql"]
    assert quay.fake.logins == []
    for part in ("CREATE STAGE", "CREATE FILE FORMAT", "MERGE INTO", "GRANT READ ON STAGE"):
        assert part in sql
    # WHEN its definitions are run
    for statement in sql.split(";\n"):
        lines = [line for line in statement.splitlines() if not line.startswith("--")]
        if any(lines) and not lines[-1].startswith("GRANT"):
            quay.query("\n".join(lines))
    assert quay.query("SELECT count(*) FROM rowferry_ledger") == [(0,)]
    # THEN the loader works with what is there
    quay.stage({"id": 1, "name": "a"})
    quay.commit()
    quay.load(load="upsert")
    assert quay.query("SELECT id, name FROM products") == [(1, "a")]


def test_load_runs_until_it_is_stopped(quay: Quay) -> None:
    quay.create()
    process = quay.start()
    for number in range(2):
        quay.stage({"id": number})
        quay.commit()
        wait_until(lambda: quay.log().count("load.loaded") > number, 20)  # noqa: B023
    process.terminate()
    assert process.wait(20) == 0, quay.log()
    assert quay.query("SELECT count(*) FROM products") == [(2,)]
