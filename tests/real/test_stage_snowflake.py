"""A Snowflake stage keeps the contract: on the emulator, and on the fake that is strict."""

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fix_snowflake import MakeSnowflake
from fix_stack import SnowflakeServer
from memory import most_memory
from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, DataAtRisk, NoSpace, RowferryError, Transient
from rowferry.flow.stage.snowflake import SnowflakeStage
from rowferry.model import StagedFile
from strict_snowflake import Cloud, Encryption, StrictSnowflake

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_retries")]

FOLDER = "orders.v1/AbC-_123/p00000/"
NAME = f"{FOLDER}{0:020d}-{3:020d}-3.json.gz"
NEXT = f"{FOLDER}{3:020d}-{5:020d}-2.json.gz"

Spool = Callable[..., Path]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    folder = tmp_path / "spool"
    folder.mkdir()

    def make(lines: bytes = b'{"a":1}\n' * 3, level: int = 6) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.gz"
        path.write_bytes(gzip.compress(lines, level, mtime=0))
        return path

    return make


def stage_on(fake: StrictSnowflake, **overrides: Any) -> SnowflakeStage:
    fields = {name.lower(): value for name, value in fake.settings.items()}
    own = {"stage": "@product_ingestion_stage/some/prefix", "put_seconds": 20}
    return SnowflakeStage(Settings.model_validate({**fields, **own, **overrides}))


@pytest.mark.parametrize("encryption", Encryption)
@pytest.mark.parametrize("cloud", Cloud)
def test_a_file_is_put_once_listed_read_and_removed(
    make_snowflake: MakeSnowflake, spool: Spool, cloud: Cloud, encryption: Encryption
) -> None:
    fake = make_snowflake(cloud=cloud, encryption=encryption)
    stage = stage_on(fake)
    path = spool()
    try:
        stage.put(NAME, path)
        stage.put(NAME, path)
        stage.put(NEXT, spool(b"{}\n{}\n"))
        assert [file.name for file in stage.list(FOLDER)] == [NAME, NEXT]
        assert [file.name for file in stage.list(f"{FOLDER}{3:020d}-")] == [NEXT]
        assert list(stage.list("nothing/")) == []
        assert gzip.decompress(stage.read(NAME)) == b'{"a":1}\n' * 3
        stage.remove(NAME)
        stage.remove(NAME)
        assert [file.name for file in stage.list(FOLDER)] == [NEXT]
        with pytest.raises(FileNotFoundError):
            stage.read(NAME)
    finally:
        stage.close()
    assert set(fake.files()) == {f"some/prefix/{NEXT}"}


def test_a_limit_of_the_account_for_answers_hides_no_file(
    strict_snowflake: StrictSnowflake, spool: Spool
) -> None:
    strict_snowflake.account.parameters["ROWS_PER_RESULTSET"] = "1"
    stage = stage_on(strict_snowflake)
    try:
        stage.put(NAME, spool())
        stage.put(NEXT, spool(b"{}\n{}\n"))
        assert [file.name for file in stage.list(FOLDER)] == [NAME, NEXT]
    finally:
        stage.close()


def test_the_same_lines_compressed_otherwise_are_the_same_file(
    strict_snowflake: StrictSnowflake, spool: Spool
) -> None:
    stage = stage_on(strict_snowflake)
    lines = b'{"a":1,"b":"some text that repeats"}\n' * 400
    try:
        stage.put(NAME, spool(lines, 1))
        before = strict_snowflake.files()
        stage.put(NAME, spool(lines, 9))
    finally:
        stage.close()
    assert strict_snowflake.files() == before


def test_a_large_file_that_is_there_in_another_compression_is_compared_in_little_memory(
    strict_snowflake: StrictSnowflake, spool: Spool
) -> None:
    # GIVEN a staged file of many lines
    stage = stage_on(strict_snowflake)
    lines = b'{"a":1,"b":"some text that repeats"}\n' * 1_000_000
    try:
        stage.put(NAME, spool(lines, 1))
        before = strict_snowflake.files()
        # WHEN they come again, compressed otherwise
        again = spool(lines, 6)
        with most_memory() as most:
            stage.put(NAME, again)
    finally:
        stage.close()
    # THEN they are found equal, and were never in memory as a whole
    assert most() < 10_000_000 < len(lines)
    assert strict_snowflake.files() == before


def test_other_lines_under_the_same_name_are_refused_and_nothing_is_overwritten(
    strict_snowflake: StrictSnowflake, spool: Spool
) -> None:
    stage = stage_on(strict_snowflake)
    try:
        stage.put(NAME, spool())
        before = strict_snowflake.files()
        with pytest.raises(DataAtRisk) as refused:
            stage.put(NAME, spool(b'{"other":"and longer than before"}\n' * 20))
        assert refused.value.code is Code.STAGE_CONFLICT
    finally:
        stage.close()
    assert strict_snowflake.files() == before


@pytest.mark.parametrize("fault", ["lost_object", "truncate"])
def test_success_without_a_file_is_not_success(
    strict_snowflake: StrictSnowflake, spool: Spool, fault: str
) -> None:
    stage = stage_on(strict_snowflake)
    options = {"after_bytes": 10} if fault == "truncate" else {}
    try:
        strict_snowflake.faults.next(fault, times=20, **options)
        with pytest.raises(Transient):
            stage.put(NAME, spool())
        strict_snowflake.faults.clear()
        stage.put(NAME, spool())
        assert len(list(stage.list(NAME))) == 1
    finally:
        stage.close()


@pytest.mark.parametrize("fault", ["session_expired", "master_expired", "lost_reply"])
def test_an_expired_session_or_a_lost_answer_is_nobodys_business(
    strict_snowflake: StrictSnowflake, spool: Spool, fault: str
) -> None:
    stage = stage_on(strict_snowflake)
    try:
        assert list(stage.list(FOLDER)) == []
        strict_snowflake.faults.next(fault, times=1)
        stage.put(NAME, spool())
        assert len(list(stage.list(NAME))) == 1
    finally:
        stage.close()
    assert strict_snowflake.faults.played == [fault]


def test_a_black_hole_ends_at_the_deadline_and_the_next_try_has_a_session_of_its_own(
    strict_snowflake: StrictSnowflake, spool: Spool
) -> None:
    stage = stage_on(strict_snowflake, put_seconds=3)
    try:
        assert list(stage.list(FOLDER)) == []
        strict_snowflake.faults.next("black_hole", times=1, after_bytes=10)
        with pytest.raises(Transient, match="within 3 s"):
            stage.put(NAME, spool())
        strict_snowflake.faults.clear()
        stage.put(NAME, spool())
    finally:
        stage.close()


def test_a_full_disk_here_is_not_the_stages_fault_and_the_session_stays(
    strict_snowflake: StrictSnowflake, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a session, and then no space for the link that PUT takes
    fake = strict_snowflake
    stage, path = stage_on(fake), spool()
    stage.put(NAME, path)

    def make_folder(**_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent))

    # WHEN
    with monkeypatch.context() as full:
        full.setattr("rowferry.flow.stage.snowflake.tempfile.mkdtemp", make_folder)
        with pytest.raises(NoSpace) as refused:
            stage.put(NEXT, path)
    # THEN
    assert refused.value.code is Code.LOCAL_RESOURCE
    assert str(path.parent) in str(refused.value)
    stage.put(NEXT, path)
    stage.close()
    assert len(fake.logins) == 1


def test_a_wrong_password_needs_a_person_and_shows_no_secret(
    strict_snowflake: StrictSnowflake, spool: Spool
) -> None:
    stage = stage_on(strict_snowflake, snowflake_password="canary-secret-7731")
    with pytest.raises(AccessDenied) as refused:
        stage.put(NAME, spool())
    assert refused.value.code is Code.SF_AUTH
    assert_no_secret(refused.value)


def test_a_missing_stage_needs_a_person(strict_snowflake: StrictSnowflake, spool: Spool) -> None:
    stage = stage_on(strict_snowflake, stage="@no_such_stage/x")
    try:
        with pytest.raises(DataAtRisk) as refused:
            stage.put(NAME, spool())
        assert refused.value.code is Code.STAGE_GONE
    finally:
        stage.close()


def assert_no_secret(error: RowferryError) -> None:
    cause: BaseException | None = error
    while cause is not None:
        assert "canary-secret" not in f"{cause} {cause!r}"
        cause = cause.__cause__


def test_the_emulator_takes_it_too(fakesnow: SnowflakeServer, spool: Spool) -> None:
    fields = fakesnow.fields("kafka/prefix")
    stage = SnowflakeStage(Settings.model_validate(fields))
    path = spool()
    try:
        stage.put(NAME, path)
        stage.put(NAME, path)
        assert list(stage.list(FOLDER)) == [StagedFile(NAME, path.stat().st_size)]
        assert stage.read(NAME) == path.read_bytes()
        stage.remove(NAME)
        assert list(stage.list(FOLDER)) == []
        with pytest.raises(FileNotFoundError):
            stage.read(NAME)
    finally:
        stage.close()
