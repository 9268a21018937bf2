"""Taking a partition up, keeping what is staged, trying again: the parts by themselves."""

import errno
import gzip
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from properties.receive_world import FakeDecoder
from refusing_disk import refusing
from rowferry.errors import Code, DataAtRisk, NoSpace, Transient
from rowferry.flow.receive.batches import Reason, Triggers
from rowferry.flow.receive.contract import Fetched, MembershipOver, Owned
from rowferry.flow.receive.decode import Decoder
from rowferry.flow.receive.register import Boundary, Register
from rowferry.flow.stage.directory import DirectoryStage
from rowferry.flow.stage.lines import line_format
from rowferry.flow.stage.names import file_name
from rowferry.model import Offset, Partition, Range, RawRecords, TopicId
from rowferry.run.lane import FileMaking, Lane
from rowferry.run.spool import Spool
from rowferry.run.steps import Flying
from rowferry.run.takeover import Entry, FirstPutCheck, Taken
from rowferry.run.uploads import Task, Uploads, raise_failure

TOPIC = TopicId("orders", "AbC-_123")
FORMAT = line_format(("_offset",))
MakeEntry = Callable[..., Entry]


def boundary(start: int, end: int, rows: int | None = None) -> Boundary:
    return Boundary(Offset(start), Offset(end), end - start if rows is None else rows)


def owned(start: int = 0, metadata: str | None = None) -> Owned:
    return Owned(TOPIC, Partition(0), Offset(start), metadata)


def never() -> None:
    raise AssertionError


@pytest.fixture
def stage(tmp_path: Path) -> DirectoryStage:
    return DirectoryStage(tmp_path / "stage")


@pytest.fixture
def entry(stage: DirectoryStage) -> MakeEntry:
    def make(**options: Any) -> Entry:
        return Entry(stage, FORMAT.fingerprint, lambda *_: Offset(3), **options)

    return make


def put(stage: DirectoryStage, tmp_path: Path, file: Boundary, topic: TopicId = TOPIC) -> None:
    spooled = tmp_path / "spooled.gz"
    lines = b"".join(b'{"n":%d}\n' % n for n in range(file.rows))
    spooled.write_bytes(gzip.compress(lines))
    stage.put(file_name(Range(topic, Partition(0), file.start, file.end, file.rows)), spooled)


def test_a_first_start_on_an_empty_stage_begins_where_the_log_does(entry: MakeEntry) -> None:
    taken = entry().take_up(owned(7))
    assert taken == Taken(Register(TOPIC.short_id, FORMAT.fingerprint, Offset(7)), frozenset())
    assert entry(from_end=True).take_up(owned(7)).to_commit, "or a crash would skip records"


def test_a_register_of_another_creation_is_refused_or_begun_anew(entry: MakeEntry) -> None:
    other = owned(50, "rf1|t=OTHER-ID|f=1|b=")
    with pytest.raises(DataAtRisk) as refused:
        entry().take_up(other)
    assert refused.value.code is Code.TOPIC_RECREATED
    accepted = entry(accept_recreated=True).take_up(other)
    assert accepted.register.position == 3, "what was committed is an offset of the old log"
    assert accepted.to_commit


def test_files_of_another_creation_are_found_without_a_register(
    entry: MakeEntry, stage: DirectoryStage, tmp_path: Path
) -> None:
    put(stage, tmp_path, boundary(0, 5), TopicId("orders", "OTHER-ID"))
    with pytest.raises(DataAtRisk) as refused:
        entry().take_up(owned())
    assert refused.value.code is Code.TOPIC_RECREATED


def test_a_gap_in_the_names_proves_no_position(
    entry: MakeEntry, stage: DirectoryStage, tmp_path: Path
) -> None:
    put(stage, tmp_path, boundary(0, 5))
    put(stage, tmp_path, boundary(6, 9))
    with pytest.raises(DataAtRisk) as refused:
        entry(resume_from_stage=True).take_up(owned())
    assert refused.value.code is Code.INCOMPLETE


def test_before_the_first_upload_the_stage_is_looked_at_again(
    entry: MakeEntry, stage: DirectoryStage, tmp_path: Path
) -> None:
    # GIVEN a file that landed after the partition was taken up
    put(stage, tmp_path, boundary(0, 5))
    # THEN the same one is no obstacle, another one is
    FirstPutCheck(entry(), owned())(boundary(0, 5))
    with pytest.raises(DataAtRisk) as refused:
        FirstPutCheck(entry(), owned())(boundary(0, 7))
    assert refused.value.code is Code.PREFIX_OWNED


# --- A lane that goes on where another ended


@pytest.fixture
def lane(tmp_path: Path, entry: MakeEntry) -> Callable[..., Lane]:
    numbers = iter(range(1000))

    def make(planned: list[Boundary], staged: list[Boundary], wrote: str = "") -> Lane:
        making = FileMaking(
            cast("Decoder", FakeDecoder()),
            FORMAT,
            Triggers(1000, 10**9, 1e9),
            1,
            lambda: tmp_path / f"{next(numbers)}.gz",
            None,
        )
        register = Register(TOPIC.short_id, wrote or FORMAT.fingerprint, Offset(0), tuple(planned))
        place = owned(0, register.metadata)
        taken = Taken(register, frozenset(staged))
        return Lane(place, taken, FirstPutCheck(entry(), place), making)

    return make


def fetched(lane: Lane, *offsets: int, behind: int = 0) -> Fetched:
    raw = RawRecords(
        TOPIC.topic,
        Partition(0),
        [b"k"] * len(offsets),
        [b"%d" % offset for offset in offsets],
        pa.array(offsets, pa.int64()),
        pa.array([0] * len(offsets), pa.int64()),
        Offset(behind or offsets[-1] + 1),
    )
    return Fetched(lane.owned, raw, lambda _: ())


def test_a_staged_file_stands_where_the_log_was_compacted(lane: Callable[..., Lane]) -> None:
    planned = boundary(0, 5)
    compacted = lane([planned], [planned])
    compacted.add(fetched(compacted, 1, 4), 0.0)
    [closed] = compacted.closed
    assert (closed.boundary, closed.file, closed.reason) == (planned, None, Reason.PLANNED)
    assert compacted.next_step().register == compacted.register


def test_a_file_that_cannot_be_built_again_and_is_not_staged_is_refused(
    lane: Callable[..., Lane],
) -> None:
    compacted = lane([boundary(0, 5)], [])
    with pytest.raises(DataAtRisk, match="compacted"):
        compacted.add(fetched(compacted, 1, 4), 0.0)


def test_a_file_in_another_format_stands_and_the_register_keeps_the_format_until_it_is_done(
    lane: Callable[..., Lane],
) -> None:
    # GIVEN two files decided in another format, the first of them staged
    planned = [boundary(0, 2), boundary(2, 4)]
    older = lane(planned, planned[:1], wrote="older123")
    older.add(fetched(older, 0, 1, 2, 3, 4), 0.0)

    # THEN the staged one is kept, the other is built now
    first, second = older.closed
    assert first.file is None
    assert second.file is not None
    assert older.next_step().register.format == "older123"


def test_records_that_come_again_end_the_membership(lane: Callable[..., Lane]) -> None:
    fresh = lane([], [])
    fresh.add(fetched(fresh, 0, 1, 2), 0.0)
    with pytest.raises(MembershipOver):
        fresh.add(fetched(fresh, 2, 3), 0.0)


def test_a_dropped_lane_leaves_no_file_but_those_under_way_until_they_have_ended(
    lane: Callable[..., Lane], tmp_path: Path
) -> None:
    # GIVEN a file that is staged, one that is being uploaded, one that waits for its upload
    dropped = lane([boundary(0, 2), boundary(2, 4), boundary(4, 6)], [])
    dropped.add(fetched(dropped, *range(6)), 0.0)
    begun, may_end = threading.Event(), threading.Event()

    def upload() -> None:
        begun.set()
        may_end.wait(20)

    tasks = [Task(lambda: None, "staged"), Task(upload, "under way"), Task(never, "waiting")]
    tasks[0].run()
    worker = threading.Thread(target=tasks[1].run)
    worker.start()
    assert begun.wait(10)
    files = [closed.file for closed in dropped.closed]
    dropped.flying += [Flying(dropped.closed.popleft(), task) for task in tasks]
    # WHEN
    dropped.discard()
    # THEN
    assert files[1] is not None
    assert list(tmp_path.glob("*.gz")) == [files[1].path]
    may_end.set()
    worker.join(10)
    assert list(tmp_path.glob("*.gz")) == []
    tasks[2].run()
    assert tasks[2].error is None


def test_a_full_disk_ends_the_membership_as_what_came_is_spooled_in_part(
    lane: Callable[..., Lane], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a disk without space
    full = lane([boundary(0, 2)], [])
    monkeypatch.setattr(os, "open", refusing(tmp_path, errno.ENOSPC))
    # THEN the records are not taken again into the same files
    with pytest.raises(NoSpace):
        full.add(fetched(full, 0, 1, 2), 0.0)
    full.discard()


# --- Uploads and the spool


class FlakyStage(DirectoryStage):
    failures = 2

    def put(self, name: str, spooled: Path) -> None:
        if self.failures:
            self.failures -= 1
            raise Transient(Code.STAGE_DOWN, "not now")
        super().put(name, spooled)


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    uploads = Uploads(FlakyStage(tmp_path / "flaky"), 2)
    yield uploads
    uploads.close(5)


def test_an_upload_is_tried_again_until_the_file_is_there(uploads: Uploads, tmp_path: Path) -> None:
    spooled = tmp_path / "0.gz"
    spooled.write_bytes(gzip.compress(b"{}\n"))
    task = uploads.put("a/b.json.gz", lambda: spooled, lambda: None)
    assert task.wait(10)
    assert task.error is None
    assert task.tries == 3
    assert uploads.stage.read("a/b.json.gz") == spooled.read_bytes()


def test_an_upload_that_needs_a_person_is_not_repeated(uploads: Uploads, tmp_path: Path) -> None:
    spooled = tmp_path / "0.gz"
    spooled.write_bytes(b"")

    def refuse() -> None:
        raise DataAtRisk(Code.PREFIX_OWNED, "another's")

    task = uploads.put("a/b.json.gz", lambda: spooled, refuse)
    assert task.wait(10)
    assert isinstance(task.error, DataAtRisk)
    assert task.tries == 1


def test_a_file_that_there_was_no_space_for_is_not_waited_for(uploads: Uploads) -> None:
    """Only another membership builds it again."""

    def whole() -> Path:
        raise NoSpace(Code.LOCAL_RESOURCE, "full")

    task = uploads.put("a/b.json.gz", whole, lambda: None)
    assert task.wait(10)
    assert task.tries == 1
    with pytest.raises(NoSpace):
        raise_failure(task)


def test_the_spool_is_private_and_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    with Spool(str(tmp_path)) as dead:
        pass
    dead.folder.mkdir()
    (dead.folder / "owner.lock").touch()
    (dead.folder / "0.gz").write_bytes(b"left")
    with Spool(str(tmp_path)) as spool, Spool(str(tmp_path)) as other:
        assert not dead.folder.exists()
        assert spool.folder.exists()
        assert other.folder != spool.folder
        assert spool.folder.stat().st_mode & 0o777 == 0o700
        assert spool.new_path() != spool.new_path()
    assert list(tmp_path.iterdir()) == []
