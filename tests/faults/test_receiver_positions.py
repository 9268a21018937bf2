"""Positions, topics and stages that do not belong together: exit 4, named, and nothing reset."""

from typing import Any

import pytest
from confluent_kafka import TopicPartition

from fix_receive import Ferry, wait_until

pytestmark = pytest.mark.real


def refused(ferry: Ferry, code: str, exit_code: int = 4, **overrides: Any) -> str:
    """The receiver ends with the exit code and says so in one line."""
    before = {file.name: file.data for file in ferry.files()}
    process = ferry.start("--once", **overrides)
    assert process.wait(60) == exit_code, ferry.log()
    assert {file.name: file.data for file in ferry.files()} == before
    line = ferry.log().splitlines()[-1]
    assert line.startswith(code), line
    assert "Traceback" not in ferry.log()
    return line


def forget_group(ferry: Ferry) -> None:
    admin = ferry.kafka.admin()  # held until the answer is here
    [future] = admin.delete_consumer_groups([ferry.group]).values()
    future.result(10)


def test_a_group_without_a_position_is_refused_where_files_are(ferry: Ferry) -> None:
    # GIVEN staged files, and a group whose offsets have expired
    ferry.create(partitions=2)
    ferry.produce(range(200), partitions=2)
    ferry.once()
    forget_group(ferry)
    ferry.produce(range(200, 300), partitions=2)

    # THEN it says up to where, and that the stage can prove the position
    line = refused(ferry, "E_NO_COMMIT_BUT_FILES")
    assert "RESUME_FROM_STAGE" in line

    # WHEN it may take the position from the stage
    ferry.once(resume_from_stage=True)
    ferry.check()


def test_another_group_on_the_same_prefix_is_refused(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce(range(100))
    ferry.once()
    refused(ferry, "E_NO_COMMIT_BUT_FILES", group=f"{ferry.group}-other")


def test_an_offset_reset_by_hand_is_refused(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce(range(100))
    ferry.once()
    ferry.commit(0, 7, "")
    refused(ferry, "E_REGISTER_UNREADABLE")
    ferry.once(resume_from_stage=True)
    ferry.check()


def test_records_that_retention_took_are_named_and_nothing_is_reset(ferry: Ferry) -> None:
    # GIVEN a position that the log no longer holds
    ferry.create()
    ferry.produce(range(100))
    ferry.once()
    position = ferry.committed()[0][0]
    ferry.produce(range(100, 200))
    admin = ferry.kafka.admin()
    place = TopicPartition(ferry.topic, 0, position + 50)
    for future in admin.delete_records([place]).values():
        future.result(10)

    # THEN
    line = refused(ferry, "E_OFFSET_RESET")
    assert f"[{position}, {position + 50}) are lost" in line
    assert ferry.committed()[0][0] == position


def recreate(ferry: Ferry) -> None:
    admin = ferry.kafka.admin()  # held until the answer is here
    [future] = admin.delete_topics([ferry.topic], operation_timeout=10).values()
    future.result(10)
    ferry.create()


def test_a_topic_that_was_created_again_is_refused_until_a_person_accepts_it(ferry: Ferry) -> None:
    # GIVEN a topic that was deleted and created while nobody looked, with more records than before
    ferry.create()
    ferry.produce(range(100))
    ferry.once()
    first = ferry.files()
    recreate(ferry)
    ferry.produce(range(1000, 1300))

    # THEN
    refused(ferry, "E_TOPIC_RECREATED")

    # WHEN it is accepted, its records go to a folder of their own
    ferry.once(accept_recreated=True)
    folders = {file.name.split("/")[1] for file in ferry.files()}
    assert len(folders) == 2
    kept = {file.name: file.data for file in first}
    assert {file.name: file.data for file in ferry.files()}.items() >= kept.items()
    assert sum(file.rows for file in ferry.files()) == 400


def test_a_topic_that_is_not_there_is_told_after_connect_seconds(ferry: Ferry) -> None:
    line = refused(ferry, "E_TOPIC_GONE", exit_code=2, connect_seconds=1)
    assert ferry.topic in line


def test_files_that_another_writer_placed_in_the_way_are_refused(ferry: Ferry) -> None:
    # GIVEN another content under the name that the receiver has decided
    ferry.create()
    ferry.produce(range(100))
    ferry.once(max_records=50)
    second = ferry.files()[1]
    path = ferry.stage / second.name
    topic_id = second.name.split("/")[1]
    register = ferry.committed()[0][1]
    path.write_bytes(ferry.files()[0].data)
    ferry.commit(0, second.start, f"{register}{second.end - second.start}.{second.rows}")
    assert topic_id in register

    # THEN
    refused(ferry, "E_STAGE_CONFLICT")


def test_a_topic_that_is_deleted_under_way_is_told_and_what_was_staged_stays(ferry: Ferry) -> None:
    # GIVEN a receiver at work
    ferry.create()
    ferry.produce(range(100))
    receiver = ferry.start(connect_seconds=2)
    wait_until(ferry.files, what="a file")
    before = {file.name: file.data for file in ferry.files()}

    # WHEN the topic goes for good
    admin = ferry.kafka.admin()
    admin.delete_topics([ferry.topic], operation_timeout=10)[ferry.topic].result(10)

    # THEN
    assert receiver.wait(60) == 4, ferry.log()
    assert "E_TOPIC_GONE" in ferry.log().splitlines()[-1]
    assert {file.name: file.data for file in ferry.files()} == before
