"""Receiving onto a Snowflake stage: the emulator, and the strict fake with its faults."""

import signal
from typing import Any

import pytest

from fix_receive import Ferry, wait_until
from fix_snowflake import connect
from fix_stack import SnowflakeServer
from rowferry.flow.stage.snowflake import SnowflakeStage
from strict_snowflake import StrictSnowflake

pytestmark = pytest.mark.real


def fetch_files(ferry: Ferry, **fields: Any) -> dict[str, bytes]:
    """Bring the stage's files into the folder that the check looks at."""
    stage = SnowflakeStage(ferry.settings(**fields))
    found = {}
    try:
        for file in stage.list(""):
            path = ferry.stage / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stage.read(file.name))
            found[file.name] = path.read_bytes()
    finally:
        stage.close()
    return found


def test_the_emulator_gets_each_record_once(ferry: Ferry, fakesnow: SnowflakeServer) -> None:
    # GIVEN a receiver that is killed between upload and commit
    fields = fakesnow.fields(f"kafka/{ferry.topic}")
    own: dict[str, Any] = {**fields, "max_records": 200, "group_protocol": "classic"}
    ferry.create(partitions=2)
    ferry.produce(range(700), partitions=2)
    killed = ferry.start("--once", failpoints="receive.put=kill@2", **own)
    assert killed.wait(60) == -signal.SIGKILL, ferry.log()
    before = fetch_files(ferry, **fields)
    assert before

    # WHEN
    ferry.once(**own)

    # THEN
    assert fetch_files(ferry, **fields).items() >= before.items()
    ferry.check()


def test_receive_loads_too_where_it_is_set_and_ends_with_its_loader(
    ferry: Ferry, strict_snowflake: StrictSnowflake
) -> None:
    # GIVEN a receiver with LOAD set
    place = {name.lower(): value for name, value in strict_snowflake.settings.items()}
    own = {"load_table": "products", "load_seconds": 0.2, "log_format": "json"}
    fields: dict[str, Any] = {**place, **own, "stage": "@product_ingestion_stage/ferry"}
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2)
    count = "SELECT count(*), count(DISTINCT product_id) FROM products"

    def loaded() -> list[tuple[Any, ...]]:
        with connect(strict_snowflake) as connection, connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(count).fetchall()]

    # WHEN it runs once THEN what was in the topic is staged, then loaded
    once = ferry.start("--once", "--load", "append", **fields)
    assert once.wait(60) == 0, ferry.log()
    assert loaded() == [(100, 100)]

    # WHEN it runs on THEN what comes is, too; the loader's end ends it, and is told
    running = ferry.start(load="append", **fields)
    ferry.produce(range(100, 150), partitions=2)
    wait_until(lambda: loaded() == [(150, 150)])
    strict_snowflake.faults.next("query_failed", code="003001", matching="COPY INTO")
    ferry.produce(range(150, 200), partitions=2)
    assert running.wait(40) == 3, ferry.log()
    assert "E_SF_AUTH" in ferry.log()
    fetch_files(ferry, **fields)
    ferry.check()


@pytest.mark.parametrize("fault", ["lost_object", "lost_reply", "master_expired", "refuse"])
def test_what_the_stage_answers_wrongly_is_uploaded_again_and_once(
    ferry: Ferry,
    strict_snowflake: StrictSnowflake,
    fault: str,
) -> None:
    # GIVEN a stage that has a fault in the middle
    place = {name.lower(): value for name, value in strict_snowflake.settings.items()}
    fields: dict[str, Any] = {**place, "stage": "@product_ingestion_stage/ferry"}
    ferry.create(partitions=2)
    ferry.produce(range(300), partitions=2)
    strict_snowflake.faults.next(fault, times=2)

    # WHEN
    ferry.once(**fields, max_records=60)

    # THEN
    assert strict_snowflake.faults.played == [fault] * 2
    fetch_files(ferry, **fields)
    ferry.check()
    if fault != "lost_reply":  # the connector itself repeats a request whose answer is lost
        assert {file.uploads for file in strict_snowflake.files().values()} == {1}
