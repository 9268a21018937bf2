"""Commits whose fate is unknown, partitions that are not ours, assignments that fail."""

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from fix_receive import Ferry, wait_until
from rowferry.flow.receive import consumer
from rowferry.flow.receive.client import consumer_properties
from rowferry.flow.receive.consumer import GroupMembership
from rowferry.flow.receive.contract import MembershipOver, Owned
from rowferry.flow.receive.register import Register
from rowferry.model import Offset, TopicId
from rowferry.run.receiver import run_receiver
from rowferry.stop import Stop

pytestmark = pytest.mark.real

TIMED_OUT = KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))


class OddConsumer(Consumer):
    """A consumer whose next commits have another fate; sees what is staged when it is made."""

    fates: ClassVar[list[str]] = []
    stage: ClassVar[Path]
    staged: ClassVar[list[int]] = []

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        OddConsumer.staged.append(len(list(OddConsumer.stage.rglob("*.json.gz"))))

    def commit(self, *arguments: Any, **more: Any) -> Any:
        fate = OddConsumer.fates.pop(0) if OddConsumer.fates else "clean"
        if fate in ("clean", "slow", "applied"):
            answer = super().commit(*arguments, **more)
        if fate == "slow":
            time.sleep(consumer.CLEAN_COMMIT_SECONDS + 0.1)
        elif fate != "clean":
            raise TIMED_OUT
        return answer


@pytest.fixture
def odd(ferry: Ferry, monkeypatch: pytest.MonkeyPatch) -> type[OddConsumer]:
    OddConsumer.fates.clear()
    OddConsumer.staged.clear()
    OddConsumer.stage = ferry.stage
    monkeypatch.setattr(consumer, "Consumer", OddConsumer)
    return OddConsumer


@pytest.mark.parametrize("fate", ["slow", "lost", "applied"])
def test_after_an_unclean_commit_nothing_of_it_is_staged_and_the_membership_is_new(
    ferry: Ferry, odd: type[OddConsumer], fate: str
) -> None:
    # GIVEN the first plan is not committed cleanly, nor the next
    ferry.create()
    ferry.produce(range(300), per=100)
    odd.fates[:] = [fate, fate]

    # WHEN
    received = run_receiver(ferry.settings(max_records=40), Stop(), once=True)

    # THEN nothing was staged before the next membership began
    assert odd.fates == []
    assert odd.staged[:2] == [0, 0]
    assert len(odd.staged) >= 3

    # THEN every record is there once
    assert sum(file.rows for file in ferry.check()) == 300
    assert received.rows <= 300, "what an unclean commit completed is counted by nobody"


def test_a_commit_of_a_partition_that_is_not_owned_does_not_leave_the_process(
    ferry: Ferry,
) -> None:
    # GIVEN a live member, and a register in a partition that is none of its business
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2)
    ferry.once()
    before = ferry.committed()
    membership, owned = joined(ferry)
    try:
        mine = owned[0]
        stranger = Owned(mine.topic, mine.partition, mine.start, mine.metadata)

        # WHEN
        register = Register(mine.topic.short_id, "f", Offset(0))
        with pytest.raises(MembershipOver, match="no longer owned"):
            membership.commit(stranger, register).result()

        # THEN nothing has changed, and nothing more is committed in this membership
        with pytest.raises(MembershipOver):
            membership.commit(mine, register).result()
    finally:
        membership.close()
    assert ferry.committed() == before


def joined(ferry: Ferry) -> tuple[GroupMembership, list[Owned]]:
    membership = GroupMembership(
        consumer_properties(ferry.settings(), "classic"),
        {ferry.topic: TopicId(ferry.topic, "AbC-_123")},
        from_end=False,
        held=False,
        on_revoke=lambda _: None,
        on_lost=lambda _: None,
    )
    owned: list[Owned] = []

    def have_come() -> bool:
        owned.extend(membership.poll(10, 0.1).arrived)
        return len(owned) == 2

    wait_until(have_come, what="both partitions")
    return membership, owned


def test_an_assignment_that_fails_delivers_nothing_and_is_begun_anew(
    ferry: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN positions that cannot be read when the partitions come
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2)
    original = GroupMembership._starting_points
    failures = [TIMED_OUT, ValueError("odd")]

    def starting_points(self: Any, client: Any, partitions: Any) -> Any:
        if failures:
            raise failures.pop()
        return original(self, client, partitions)

    monkeypatch.setattr(GroupMembership, "_starting_points", starting_points)

    # WHEN
    run_receiver(ferry.settings(), Stop(), once=True)

    # THEN
    assert failures == []
    ferry.check()


def test_a_topic_created_again_while_records_wait_is_found_before_they_are_staged(
    ferry: Ferry,
) -> None:
    # GIVEN a receiver with records in an open file
    ferry.create()
    ferry.produce(range(50))
    receiver = ferry.start(delivery="batch", max_age_seconds=4)
    wait_until(lambda: "partition.taken" in ferry.log(), what="the partition")
    time.sleep(1)

    # WHEN the topic goes and comes again
    admin = ferry.kafka.admin()
    admin.delete_topics([ferry.topic], operation_timeout=10)[ferry.topic].result(10)
    ferry.create()
    ferry.produce(range(900, 1400))

    # THEN it stops, and no file mixes the two
    assert receiver.wait(60) == 4, ferry.log()
    assert ferry.files() == []


def test_a_full_spool_pauses_and_loses_nothing(ferry: Ferry) -> None:
    # GIVEN a spool that holds only a few files, and a slow stage
    ferry.create(partitions=2)
    ferry.produce(range(3000), partitions=2, per=1500)

    # WHEN
    ferry.once(max_records=10, spool_bytes=4000, upload_threads=1, failpoints="receive.put=sleep:5")

    # THEN
    ferry.check()


def test_a_stop_while_uploads_hang_ends_at_the_drain_deadline(ferry: Ferry) -> None:
    # GIVEN a receiver whose uploads hang
    ferry.create()
    ferry.produce(range(50))
    receiver = ferry.start(failpoints="receive.put=sleep:60000", drain_seconds=2)
    wait_until(lambda: any(ferry.stage.rglob("*.json.gz")), what="the first file")

    # WHEN
    started = time.monotonic()
    receiver.terminate()

    # THEN it does not wait for them, and a successor goes on
    assert receiver.wait(30) == 6
    assert time.monotonic() - started < 8
    ferry.once()
    ferry.check()


def test_a_request_to_stop_is_heard_at_once(ferry: Ferry) -> None:
    # GIVEN a receiver in a thread
    ferry.create()
    ferry.produce(range(50))
    stop = Stop()
    thread = threading.Thread(target=run_receiver, args=(ferry.settings(), stop))
    thread.start()
    wait_until(ferry.files, what="a file")

    # WHEN it is asked to stop, which a wait hears at once
    stop.request()
    thread.join(20)

    # THEN
    assert not thread.is_alive()
    ferry.check()


def test_once_waits_for_what_a_dead_member_still_owns(ferry: Ferry) -> None:
    # GIVEN a receiver that was killed, whose session the broker believes in for seconds
    ferry.create(partitions=2)
    ferry.produce(range(100), partitions=2)
    dead = ferry.start(group_protocol="classic", session_seconds=5)
    wait_until(ferry.files, what="a file")
    dead.kill()
    dead.wait(10)
    ferry.produce(range(100, 300), partitions=2)

    # WHEN, THEN
    ferry.once(group_protocol="classic", session_seconds=5)
    ferry.check()


def test_once_does_not_end_while_another_member_has_work_left(ferry: Ferry) -> None:
    # GIVEN a member that owns the only partition, and stages slowly
    ferry.create()
    other = ferry.start(max_records=50, failpoints="receive.put=sleep:1500", upload_threads=1)
    wait_until(lambda: "partition.taken" in ferry.log(0), what="the partition")
    ferry.produce(range(200))

    # WHEN
    ferry.once(max_records=50)

    # THEN all is staged, by whomever
    assert sum(file.rows for file in ferry.check()) == 200
    other.terminate()
    assert other.wait(40) == 0
