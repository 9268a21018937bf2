"""Names, bytes and a folder as a stage."""

import errno
import gzip
import os
import random
from pathlib import Path

import pytest

from memory import most_memory
from refusing_disk import refusing
from rowferry.errors import Code, DataAtRisk, LocalResource, NoSpace
from rowferry.flow.stage.directory import DirectoryStage
from rowferry.flow.stage.files import BLOCK_BYTES, OpenFile
from rowferry.flow.stage.names import (
    FileName,
    encode_topic,
    file_name,
    parse_name,
    partition_prefix,
    position_prefix,
)
from rowferry.model import Offset, Partition, Range, StagedFile, TopicId

TOPIC = TopicId("orders", "AbC-_123")
NAME = "orders/AbC-_123/p00007/00000000000000000012-00000000000000000040-27.json.gz"


def test_a_name_is_a_function_of_the_range_and_says_it() -> None:
    covered = Range(TOPIC, Partition(7), Offset(12), Offset(40), 27)
    assert file_name(covered) == NAME
    assert parse_name(NAME) == FileName(
        "orders", "AbC-_123", Partition(7), Offset(12), Offset(40), 27
    )
    assert NAME.startswith(partition_prefix(TOPIC, Partition(7)))
    assert NAME.startswith(position_prefix(TOPIC, Partition(7), Offset(12)))
    assert not NAME.startswith(position_prefix(TOPIC, Partition(7), Offset(1)))


def test_what_is_not_ours_has_no_meaning() -> None:
    for name in ("", "orders/x.json", NAME + ".tmp", "/" + NAME, NAME.replace("p00007", "p7")):
        assert parse_name(name) is None
    digits = "1" * 5000  # more than int() takes
    assert parse_name(NAME.replace("p00007", f"p{digits}")) is None
    assert parse_name(NAME.replace(".json", f"{digits}.json")) is None


@pytest.mark.parametrize(
    ("topic", "folder"),
    [("orders.v1_a-b", "orders.v1_a-b"), ("..", "~2E."), ("a+b", "a~2Bb"), ("a~2Bb", "a~7E2Bb")],
)
def test_topics_have_folders_that_stay_apart(topic: str, folder: str) -> None:
    assert encode_topic(topic) == folder


def test_a_long_topic_has_a_folder_that_fits_and_is_its_own() -> None:
    folders = {encode_topic("é" * 120 + end) for end in "abc"}
    assert len(folders) == 3
    assert max(len(folder) for folder in folders) <= 200


def build(path: Path, pieces: list[bytes]) -> bytes:
    file = OpenFile(path, 1)
    for piece in pieces:
        file.add(piece)
    data = file.finish().read_bytes()
    path.unlink()
    return data


def test_equal_lines_give_equal_bytes_however_they_came(tmp_path: Path) -> None:
    # GIVEN lines of more than two blocks
    draw = random.Random(7)
    lines = b"".join(b'{"n":%d}\n' % draw.randrange(10**12) for _ in range(150_000))
    assert len(lines) > 2 * BLOCK_BYTES
    path = tmp_path / "0.gz"
    whole = build(path, [lines])

    # WHEN they come in pieces
    for most in (97_003, BLOCK_BYTES, 3 * BLOCK_BYTES):
        pieces, at = [], 0
        while at < len(lines):
            size = draw.randint(1, most)
            pieces.append(lines[at : at + size])
            at += size
        # THEN
        assert build(path, pieces) == whole
    assert gzip.decompress(whole) == lines
    assert whole[4:8] == bytes(4), "no time in the header"


def test_an_empty_file_is_valid_gzip(tmp_path: Path) -> None:
    assert gzip.decompress(build(tmp_path / "0.gz", [])) == b""


def test_files_are_private_and_leave_nothing_when_dropped(tmp_path: Path) -> None:
    file = OpenFile(tmp_path / "0.gz", 1)
    file.add(os.urandom(2 * BLOCK_BYTES))
    assert (tmp_path / "0.gz").stat().st_mode & 0o777 == 0o600
    assert file.size > BLOCK_BYTES
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_is_on_disk_while_it_grows(tmp_path: Path) -> None:
    # GIVEN lines that cannot be compressed
    file = OpenFile(tmp_path / "0.gz", 1)
    lines = random.Random(1).randbytes(1_000_000)
    # WHEN a file of them grows
    for _ in range(32):
        file.add(lines)
    # THEN hardly more than the last MiB of it is in memory
    assert file.size > 30_000_000
    assert (tmp_path / "0.gz").stat().st_size > file.size - 2_000_000
    file.discard()


def test_a_full_disk_is_told_as_one() -> None:
    file = OpenFile(Path("/dev/full"), 1)
    with Path("/dev/full").open("wb", buffering=0) as full:
        file._file = full
        with pytest.raises(NoSpace) as refused:
            file.add(os.urandom(2 * BLOCK_BYTES))
    assert refused.value.code is Code.LOCAL_RESOURCE
    assert os.strerror(errno.ENOSPC) in str(refused.value)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EDQUOT, NoSpace), (errno.EIO, LocalResource), (errno.EMFILE, LocalResource)],
)
def test_space_may_come_and_what_else_the_disk_refuses_needs_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    file = OpenFile(tmp_path / "0.gz", 1)
    monkeypatch.setattr(os, "open", refusing(tmp_path, number))
    with pytest.raises(kind) as refused:
        file.finish()
    assert type(refused.value) is kind
    file.discard()


# --- A folder as a stage


@pytest.fixture
def spooled(tmp_path: Path) -> Path:
    path = tmp_path / "spooled"
    path.write_bytes(gzip.compress(b"{}\n", mtime=0))
    return path


def test_a_file_is_put_once_listed_read_and_removed(tmp_path: Path, spooled: Path) -> None:
    stage = DirectoryStage(tmp_path / "stage")
    stage.put(NAME, spooled)
    stage.put(NAME, spooled)
    later = NAME.replace("/00000000000000000012-", "/00000000000000000040-")
    stage.put(later, spooled)
    size = spooled.stat().st_size
    assert list(stage.list("")) == [StagedFile(NAME, size), StagedFile(later, size)]
    position = position_prefix(TOPIC, Partition(7), Offset(12))
    assert [file.name for file in stage.list(position)] == [NAME]
    assert list(stage.list("orders/other/p00007/")) == []
    assert stage.read(NAME) == spooled.read_bytes()
    stage.remove(NAME)
    stage.remove(NAME)
    assert [file.name for file in stage.list("orders/")] == [later]
    with pytest.raises(FileNotFoundError):
        stage.read(NAME)


def test_other_contents_under_a_name_are_refused_and_nothing_is_overwritten(
    tmp_path: Path, spooled: Path
) -> None:
    stage = DirectoryStage(tmp_path / "stage")
    stage.put(NAME, spooled)
    before = stage.read(NAME)
    spooled.write_bytes(gzip.compress(b'{"other":1}\n'))
    with pytest.raises(DataAtRisk) as refused:
        stage.put(NAME, spooled)
    assert refused.value.code is Code.STAGE_CONFLICT
    assert stage.read(NAME) == before
    spooled.write_bytes(gzip.compress(b"{}\n", 9, mtime=5))
    stage.put(NAME, spooled)


def test_a_large_file_that_is_there_in_another_compression_is_compared_in_little_memory(
    tmp_path: Path, spooled: Path
) -> None:
    # GIVEN a staged file of many lines
    stage = DirectoryStage(tmp_path / "stage")
    lines = b'{"a":1,"b":"some text that repeats"}\n' * 1_000_000
    spooled.write_bytes(gzip.compress(lines, 1))
    stage.put(NAME, spooled)
    before = stage.read(NAME)
    # WHEN they come again, compressed otherwise
    spooled.write_bytes(gzip.compress(lines, 6))
    assert spooled.read_bytes() != before
    with most_memory() as most:
        stage.put(NAME, spooled)
    # THEN they are found equal, and were never in memory as a whole
    assert most() < 10_000_000 < len(lines)
    assert stage.read(NAME) == before


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//x", ".hidden", "a/.b", "a\0b"])
def test_no_name_leads_out_of_the_stage(tmp_path: Path, spooled: Path, name: str) -> None:
    stage = DirectoryStage(tmp_path / "stage")
    with pytest.raises(ValueError, match="not a name"):
        stage.put(name, spooled)


def test_no_link_leads_out_of_the_stage(tmp_path: Path, spooled: Path) -> None:
    stage = DirectoryStage(tmp_path / "stage")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "stage" / "orders").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="out of the stage"):
        stage.put("orders/x.json.gz", spooled)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_a_killed_put_left_is_invisible_and_removed_in_time(tmp_path: Path) -> None:
    stage = DirectoryStage(tmp_path / "stage")
    left = tmp_path / "stage" / ".incoming" / "half"
    left.write_bytes(b"half a file")
    assert list(stage.list("")) == []
    DirectoryStage(tmp_path / "stage")
    assert left.exists(), "it may be another receiver's, and under way"
    os.utime(left, (1, 1))
    DirectoryStage(tmp_path / "stage")
    assert not left.exists()
