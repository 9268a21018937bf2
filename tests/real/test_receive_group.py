"""Several receivers, receivers that come back from the dead, and orderly stops."""

import random
import signal
import time
from functools import partial
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, OFFSET_INVALID, TopicPartition

from fix_receive import Ferry, wait_until
from rowferry.flow.receive.topics import Topics

pytestmark = pytest.mark.real

PROTOCOLS = ("classic", "consumer")


@pytest.mark.parametrize(
    "boundary", ["receive.poll", "receive.plan", "receive.put", "receive.done"]
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_frozen_past_its_session_does_no_harm_when_it_wakes(
    ferry: Ferry, boundary: str, protocol: str
) -> None:
    # GIVEN a receiver that freezes at a boundary, and another that takes its partitions over
    ferry.quick_sessions()
    ferry.create(partitions=2)
    ferry.produce(range(600), partitions=2, per=100)
    own: dict[str, Any] = {"group_protocol": protocol, "max_records": 90}
    zombie = ferry.start(failpoints=f"{boundary}=stop@2", **own)
    wait_until(lambda: is_stopped(zombie.pid), what="the failpoint")
    ferry.once(**own)
    staged = {file.name: file.data for file in ferry.check()}
    positions = ferry.committed()

    # WHEN the frozen one goes on
    zombie.send_signal(signal.SIGCONT)
    ferry.produce(range(600, 800), partitions=2)
    wait_until(lambda: sum(file.rows for file in ferry.files()) >= 800, what="the new records")
    zombie.send_signal(signal.SIGTERM)

    # THEN it has changed no file and no position, and joined the group again
    assert zombie.wait(40) == 0, ferry.log(0)
    now = {file.name: file.data for file in ferry.check()}
    assert now.items() >= staged.items()
    for partition, (position, _) in ferry.committed().items():
        assert position >= positions[partition][0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_receivers_that_join_and_leave_share_the_partitions_exactly(
    ferry: Ferry, protocol: str
) -> None:
    # GIVEN a receiver at work
    ferry.quick_sessions()
    ferry.create(partitions=4)
    own: dict[str, Any] = {"group_protocol": protocol, "max_records": 50}
    first = ferry.start(**own)
    ferry.produce(range(400), partitions=4, per=40)

    # WHEN a second joins, the first leaves, a third joins and is killed
    second = ferry.start(**own)
    ferry.produce(range(400, 800), partitions=4, per=40)
    wait_until(partial(is_logged, ferry, 0, "partition.taken"), what="the first")
    wait_until(partial(is_logged, ferry, 1, "partition.taken"), what="the second")
    first.send_signal(signal.SIGTERM)
    third = ferry.start(**own)
    ferry.produce(range(800, 1200), partitions=4, per=40)
    assert first.wait(40) == 0, ferry.log(0)
    third.kill()
    third.wait(10)
    ferry.produce(range(1200, 1400), partitions=4, per=40)
    wait_until(lambda: sum(file.rows for file in ferry.files()) >= 1400, 60, "all records")
    second.send_signal(signal.SIGTERM)

    # THEN none is missing and none is there twice
    assert second.wait(40) == 0, ferry.log(1)
    ferry.check()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sigterm_stages_and_commits_what_was_received_and_ends_with_0(
    ferry: Ferry, protocol: str
) -> None:
    ferry.quick_sessions()
    ferry.create(partitions=2)
    produced = 0
    for turn in range(4):
        # GIVEN a receiver whose files would stay open for long
        receiver = ferry.start(delivery="batch", max_age_seconds=3600, group_protocol=protocol)
        ferry.produce(range(produced, produced + 300), partitions=2)
        produced += 300
        log = len(ferry.processes) - 1
        wait_until(partial(is_logged, ferry, log, "partition.taken"), what="the partitions")
        time.sleep(random.uniform(0, 1) if turn < 3 else 2)

        # WHEN
        receiver.send_signal(signal.SIGTERM)

        # THEN all that is staged is committed, and nothing is decided and not done
        assert receiver.wait(30) == 0, ferry.log(log)
        ends = dict.fromkeys(range(2), 0)
        ends.update({file.partition: file.end for file in ferry.check(complete=False)})
        for partition, (position, register) in ferry.committed().items():
            assert max(position, 0) == ends[partition]
            assert position < 0 or register.endswith("|b=")
    ferry.check(complete=True)


def make_empty(ferry: Ferry, how: str) -> None:
    """A topic of two partitions whose logs have an end and no record."""
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2, abort=how == "aborted")
    if how == "expired":
        admin = ferry.kafka.admin()  # held until the answer is here
        places = [TopicPartition(ferry.topic, p, OFFSET_END) for p in range(2)]
        for future in admin.delete_records(places).values():
            future.result(10)


@pytest.mark.parametrize("how", ["expired", "aborted"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_once_ends_beside_a_member_that_has_nothing_to_stage_and_never_committed(
    ferry: Ferry, how: str, protocol: str
) -> None:
    # GIVEN a receiver that owns partitions of which nothing is left
    ferry.quick_sessions()
    make_empty(ferry, how)
    other = ferry.start(group_protocol=protocol)
    wait_until(lambda: ferry.log(0).count("partition.taken") == 2, what="its partitions")

    # WHEN another one receives what there is
    ferry.once(group_protocol=protocol)

    # THEN it has ended, and nobody has staged or committed anything
    assert other.poll() is None
    assert ferry.files() == []
    assert {position for position, _ in ferry.committed().values()} == {OFFSET_INVALID}


def test_of_partitions_without_a_position_those_with_records_are_unfinished(ferry: Ferry) -> None:
    # GIVEN partitions that nobody committed for: a record in one, none any more in the other
    make_empty(ferry, "expired")
    ferry.produce_raw([(b"k", b"v")])
    topics = Topics(ferry.settings())
    ends = topics.ends([ferry.topic])
    assert set(ends) == {(ferry.topic, 0), (ferry.topic, 1)}
    assert min(ends.values()) > 0

    # WHEN, THEN
    wait_until(lambda: topics.unfinished(ferry.group, ends) == {(ferry.topic, 0)})


def is_logged(ferry: Ferry, log: int, event: str) -> bool:
    return event in ferry.log(log)


def is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] == "T"
