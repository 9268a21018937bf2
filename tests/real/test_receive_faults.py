"""Faults of Snowflake and its storage while the receiver runs: the required outcome of each,
exact coverage afterwards, and no secret in anything that was said.
"""

import time
from collections.abc import Iterator

import pytest

from fix_receive import Ferry, wait_until
from fix_snowflake import MakeSnowflake
from harbour import ForeignLogging, Harbour, Receiving, end_of_background_threads
from rowferry.errors import AccessDenied, Code, DataAtRisk
from rowferry.flow.receive.topics import Topics
from rowferry.flow.stage.names import file_name
from rowferry.model import Offset, Partition, Range
from strict_snowflake import Cloud, Encryption

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_retries")]

ROWS = range(300)
FILES = 60  # records in one
FIRST = f"/p00000/{0:020d}-"  # of the files of partition 0


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.S3


@pytest.fixture
def harbour(
    ferry: Ferry,
    make_snowflake: MakeSnowflake,
    cloud: Cloud,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Harbour]:
    logging = ForeignLogging()
    ferry.create(partitions=2)
    ferry.produce(ROWS, partitions=2)
    yield Harbour(ferry, make_snowflake(cloud=cloud, encryption=Encryption.SSE), capfd)
    end_of_background_threads()
    logging.restore()


@pytest.mark.parametrize(("status", "times"), [(429, 6), (500, 6), (503, 6), (507, 2), (413, 2)])
def test_a_storage_that_refuses_is_tried_again_and_the_group_is_kept(
    harbour: Harbour, status: int, times: int
) -> None:
    # GIVEN more refusals than the connector itself repeats
    harbour.fake.faults.next("refuse", times=times, status=status, matching=FIRST)
    # WHEN
    harbour.once(max_records=FILES)
    # THEN
    assert harbour.fake.faults.played == ["refuse"] * times
    harbour.check()
    assert "stage.retry" in harbour.said
    assert not harbour.was_left()
    assert {file.uploads for file in harbour.fake.files().values()} == {1}


@pytest.mark.parametrize("cloud", Cloud)
def test_storage_keys_that_are_over_are_lent_anew(harbour: Harbour) -> None:
    # GIVEN keys that end under an upload, and one that is refused outright
    harbour.fake.faults.next("expired_credentials")
    harbour.fake.faults.next("refuse", status=403)
    # WHEN
    harbour.once(max_records=FILES)
    # THEN
    assert harbour.fake.faults.pending == []
    harbour.check()
    assert not harbour.was_left()


@pytest.mark.parametrize("fault", ["session_expired", "master_expired", "unavailable"])
def test_a_session_that_is_over_is_opened_again(harbour: Harbour, fault: str) -> None:
    # unavailable: the login answers 503, as in maintenance
    harbour.fake.faults.next(fault, times=2)
    harbour.once(max_records=FILES)
    assert harbour.fake.faults.played == [fault] * 2
    harbour.check()
    assert not harbour.was_left()


def test_a_user_who_is_disabled_stops_the_receiver_and_nothing_is_committed(
    harbour: Harbour,
) -> None:
    # GIVEN a receiver that has staged all there is
    with Receiving(harbour, max_records=FILES, max_age_seconds=0.2) as receiving:
        wait_until(lambda: sum(at for at, _ in harbour.ferry.committed().values()) >= len(ROWS))
        before, logins = harbour.ferry.committed(), len(harbour.fake.logins)
        # WHEN its user is disabled, and more comes
        harbour.fake.user.disabled = True
        harbour.fake.sessions.expire(master=True)
        harbour.ferry.produce(range(300, 400), partitions=2)
        # THEN it stops, and the position has not moved; one login was tried, by whatever thread
        refused = receiving.wait()
    assert isinstance(refused, AccessDenied)
    assert refused.code is Code.SF_AUTH
    assert [at for at, _ in harbour.ferry.committed().values()] == [at for at, _ in before.values()]
    assert len(harbour.fake.logins) - logins == 1
    # AND the next start goes on, with a new password within the minute
    harbour.fake.user.disabled, harbour.fake.user.password = False, "canary-password-2"
    harbour.once(max_records=FILES)
    harbour.check()


def test_a_black_hole_under_an_upload_ends_at_its_deadline_while_others_go_on(
    harbour: Harbour,
) -> None:
    # GIVEN the first upload in a black hole
    harbour.fake.faults.next("black_hole", after_bytes=100, matching=FIRST)
    began = time.monotonic()
    with Receiving(harbour, max_records=FILES, put_seconds=3):
        # THEN the other partition is staged, and its position moves, before the deadline
        wait_until(lambda: harbour.ferry.committed()[1][0] > 100)
        assert time.monotonic() - began < 3
        assert harbour.ferry.committed()[0][0] <= 0
        # AND after it the upload is done again, in a session of its own
        wait_until(lambda: harbour.ferry.committed()[0][0] > 100)
    assert "did not answer within 3 s" in harbour.said
    assert not harbour.was_left()
    harbour.check()


@pytest.mark.parametrize(
    ("fault", "times"), [("lost_reply", 10), ("lost_object", 3), ("truncate", 11)]
)
def test_what_the_storage_says_is_not_believed_but_seen(
    harbour: Harbour, fault: str, times: int
) -> None:
    # GIVEN a success that is not told, one that is told and is none, an upload cut off
    options = {"after_bytes": 100} if fault == "truncate" else {}
    harbour.fake.faults.next(fault, times=times, matching=FIRST, **options)
    # WHEN
    harbour.once(max_records=FILES)
    # THEN
    assert harbour.fake.faults.pending == []
    harbour.check()
    assert not harbour.was_left()


def test_other_contents_under_a_name_of_ours_are_left_and_told(harbour: Harbour) -> None:
    # GIVEN an upload that does not come through
    topic = Topics(harbour.settings()).ids([harbour.ferry.topic])[harbour.ferry.topic]
    name = file_name(Range(topic, Partition(1), Offset(0), Offset(60), 60))
    harbour.fake.faults.next("lost_object", times=100, matching="/p00001/")
    with Receiving(harbour, max_records=FILES) as receiving:
        harbour.wait_for("PUT answered")
        # WHEN somebody else puts another file there
        harbour.fake.place(f"ferry/{name}", b"canary: another's")
        # THEN it is told, and stays
        told = receiving.wait()
    assert isinstance(told, DataAtRisk)
    assert (told.code, told.where) == (Code.STAGE_CONFLICT, name)
    assert harbour.fake.files()[f"ferry/{name}"].contents == b"canary: another's"
    assert harbour.ferry.committed()[1][0] <= 0


def test_a_stage_that_is_dropped_stops_the_receiver_and_so_does_a_lost_privilege(
    harbour: Harbour,
) -> None:
    # GIVEN a role that may not write any more
    held = harbour.fake.stage().grants
    held["LOADER"] = {"READ"}
    with pytest.raises(AccessDenied) as denied:
        harbour.once(max_records=FILES)
    assert "GRANT" in denied.value.advice
    held["LOADER"] = {"READ", "WRITE", "OWNERSHIP"}
    # WHEN the stage goes under an upload THEN that is told
    harbour.fake.faults.next("drop_stage")
    with pytest.raises(DataAtRisk) as gone:
        harbour.once(max_records=FILES)
    assert gone.value.code is Code.STAGE_GONE
    # WHEN it is there again, before anything was committed THEN all is staged
    harbour.fake.create_stage("product_ingestion_stage", Encryption.SSE)
    harbour.once(max_records=FILES)
    harbour.check()


def test_files_that_the_loader_removed_are_not_staged_again(harbour: Harbour) -> None:
    harbour.once(max_records=FILES)
    first = harbour.check()
    for name in [*harbour.fake.files()]:
        del harbour.fake.stage().files[name]
    harbour.ferry.produce(range(300, 400), partitions=2)
    harbour.once(max_records=FILES)
    assert len(harbour.fake.files()) < len(first)
    harbour.check()  # with those that were there before
