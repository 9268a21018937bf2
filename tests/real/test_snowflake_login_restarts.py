"""A receiver whose login ends goes on exactly, or stops with 3; restarts do not lock the user."""

from typing import Any

import pytest

from fix_receive import Ferry, wait_until
from rowferry.flow.stage.snowflake import SnowflakeStage
from strict_snowflake import StrictSnowflake
from strict_snowflake.credentials import give_access_token, give_key_pair

pytestmark = pytest.mark.real

REFUSED = 3


def fields_of(fake: StrictSnowflake, proof: dict[str, str]) -> dict[str, Any]:
    named = {k.lower(): v for k, v in fake.settings.items() if k != "SNOWFLAKE_PASSWORD"}
    given = {k.lower(): v for k, v in proof.items()}
    return {**named, **given, "stage": "@product_ingestion_stage/ferry", "max_records": 50}


def check(ferry: Ferry, fields: dict[str, Any]) -> None:
    """Bring the stage's files here; each record is in one of them."""
    stage = SnowflakeStage(ferry.settings(**fields))
    try:
        for file in stage.list(""):
            path = ferry.stage / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stage.read(file.name))
    finally:
        stage.close()
    ferry.check()


def test_a_supervisor_that_restarts_at_once_asks_snowflake_once(
    ferry: Ferry, strict_snowflake: StrictSnowflake
) -> None:
    fake = strict_snowflake
    fields = fields_of(fake, {"SNOWFLAKE_PASSWORD": "canary-wrong"})
    ferry.create(partitions=2)
    ferry.produce(range(120), partitions=2)
    # GIVEN receivers with a wrong password, three at once and two after them
    together = [ferry.start("--once", **fields) for _ in range(3)]
    codes = [process.wait(60) for process in together]
    codes += [ferry.start("--once", **fields).wait(60) for _ in range(2)]
    # THEN all say so with 3, and Snowflake was asked by one of them
    assert codes == [REFUSED] * 5, ferry.log()
    assert [login.error_code for login in fake.logins] == ["390100"]
    logs = [ferry.log(number) for number in range(5)]
    assert all("E_SF_AUTH" in log and "canary" not in log for log in logs)
    # WHEN the password is put right THEN the next start is let in at once, and nothing is lost
    right = {**fields, "snowflake_password": fake.user.password}
    ferry.once(**right)
    assert [login.error_code for login in fake.logins] == ["390100", None]
    check(ferry, right)


def test_four_idle_hours_leave_no_mark(ferry: Ferry, strict_snowflake: StrictSnowflake) -> None:
    fake = strict_snowflake
    fields = fields_of(fake, give_access_token(fake.user, ferry.folder, fake.clock.now()))
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2)
    # GIVEN a receiver that has staged what there is
    running = ferry.start(**fields)
    wait_until(lambda: rows(fake) == 100)
    # WHEN nothing comes for four hours, and then more
    fake.clock.advance(hours=4.1)
    ferry.produce(range(100, 300), partitions=2)
    wait_until(lambda: rows(fake) == 300)
    running.terminate()
    # THEN it has logged in again, and each record is on the stage once
    assert running.wait(30) == 0, ferry.log()
    assert {login.error_code for login in fake.logins} == {None}
    check(ferry, fields)
    assert {file.uploads for file in fake.files().values()} == {1}


def rows(fake: StrictSnowflake) -> int:
    return sum(int(name.split("-")[-1].split(".")[0]) for name in fake.files())


def test_a_retired_key_stops_with_3_and_the_next_one_goes_on_where_it_ended(
    ferry: Ferry, strict_snowflake: StrictSnowflake
) -> None:
    fake = strict_snowflake
    fields = fields_of(fake, give_key_pair(fake.user, ferry.folder))
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2)
    # GIVEN a receiver in the middle of its work
    running = ferry.start(**fields)
    wait_until(lambda: rows(fake) == 100)
    # WHEN its key is taken away, and its session ends
    (ferry.folder / "new").mkdir()
    new = give_key_pair(fake.user, ferry.folder / "new")
    fake.user.rsa_public_key = None
    fake.sessions.expire(master=True)
    ferry.produce(range(100, 200), partitions=2)
    # THEN it stops, says why, and leaves the rest to its successor
    assert running.wait(60) == REFUSED, ferry.log()
    assert "RSA_PUBLIC_KEY" in ferry.log()
    fields = {**fields, **{name.lower(): value for name, value in new.items()}}
    ferry.once(**fields)
    check(ferry, fields)
