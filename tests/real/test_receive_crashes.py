"""kill -9 at each boundary of the receiver: every record in one file, the same bytes each time."""

import signal
from typing import Any

import pytest

from fix_receive import Ferry

pytestmark = pytest.mark.real

BOUNDARIES = ("receive.poll", "receive.plan", "receive.put", "receive.done")


def kill_at(ferry: Ferry, boundary: str, passing: int, **overrides: Any) -> None:
    process = ferry.start("--once", failpoints=f"{boundary}=kill@{passing}", **overrides)
    assert process.wait(60) == -signal.SIGKILL, ferry.log()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_at_any_boundary_it_stages_each_record_once(ferry: Ferry, boundary: str) -> None:
    # GIVEN more records than a file takes, in two partitions
    ferry.create(partitions=2)
    bounds: dict[str, Any] = {"max_records": 40, "group_protocol": "classic"}

    # WHEN it is killed at the first passing, the second, the third
    staged: dict[str, bytes] = {}
    most = 2 if boundary == "receive.poll" else 3  # two polls may bring and stage all there is
    for passing in (1, 2, 3):
        ferry.produce(range(passing * 500, passing * 500 + 500), partitions=2, per=70)
        kill_at(ferry, boundary, min(passing, most), **bounds)
        now = {file.name: file.data for file in ferry.check(complete=False, gaps=True)}
        assert now.items() >= staged.items(), "a staged file has changed"
        staged = now
    ferry.once(**bounds)

    # THEN
    now = {file.name: file.data for file in ferry.check()}
    assert now.items() >= staged.items(), "a staged file has changed"


@pytest.mark.parametrize("boundary", ["receive.plan", "receive.put"])
def test_a_decided_file_is_built_again_byte_for_byte_whatever_the_triggers_are_now(
    ferry: Ferry, boundary: str
) -> None:
    # GIVEN a receiver that was killed after it decided a file, and, at receive.put, staged it
    ferry.create()
    ferry.produce(range(700), per=90)
    kill_at(ferry, boundary, 1, max_records=300, group_protocol="classic")
    before = {file.name: file.data for file in ferry.files()}
    for name in before:
        (ferry.stage / name).unlink()
    [(position, register)] = ferry.committed().values()
    assert position == 0
    assert register.partition("|b=")[2]

    # WHEN a successor with other triggers goes on
    ferry.once(max_records=33, group_protocol="classic")

    # THEN the decided file has the decided end, and the bytes that it had
    after = {file.name: file.data for file in ferry.check()}
    assert after.items() >= before.items()
    assert any(name.endswith("-300.json.gz") for name in after)


def test_what_the_stage_knows_and_the_group_does_not_is_adopted(ferry: Ferry) -> None:
    # GIVEN a file that is staged, while the register that decided it was set back
    ferry.create()
    ferry.produce(range(500), per=100)
    ferry.once(max_records=200)
    topic_id = ferry.committed()[0][1][6:14]
    ferry.commit(0, 0, f"rf1|t={topic_id}|f=12345678|b=")

    # WHEN
    before = {file.name: file.data for file in ferry.files()}
    ferry.once(max_records=77)

    # THEN nothing was staged anew
    assert {file.name: file.data for file in ferry.check()} == before
