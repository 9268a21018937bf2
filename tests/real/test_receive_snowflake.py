"""Receiving onto a Snowflake stage: the emulator, and the strict fake with its faults."""

import signal
from typing import Any

import pytest

from fix_receive import Ferry
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
