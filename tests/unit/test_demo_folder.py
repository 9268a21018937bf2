"""What a demo leaves that was killed goes with the next one, and nothing else does."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rowferry.stack.demo_folder import STACK, demo_folder
from rowferry.stack.folder import StackFolder
from rowferry.stack.processes import identify


def silent(_line: str) -> None:
    pass


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_by_a_killed_demo(temporary: Path) -> StackFolder:
    """With a record, data and a log; nobody has its lock."""
    stack = StackFolder(temporary / "rowferry-demo-left" / STACK)
    with stack.held():
        stack.password("kafka")
    (stack.path / "kafka").mkdir()
    (stack.path / "kafka" / "data").write_text("rows")
    (stack.path.parent / "send.log").touch()
    return stack


def test_a_demos_folder_ends_with_it_however_it_ends(temporary: Path) -> None:
    def interrupted() -> None:
        with demo_folder(silent, keep=False) as folder:
            (folder / "stage").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(temporary.iterdir()) == []


def test_a_further_signal_does_not_keep_the_folder_from_going(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN somebody who presses Ctrl-C again as it goes
    remove = shutil.rmtree

    def disturbed(folder: Any, *words: Any, **named: Any) -> None:
        if temporary in Path(folder).parents:
            os.kill(os.getpid(), signal.SIGINT)
        remove(folder, *words, **named)

    monkeypatch.setattr(shutil, "rmtree", disturbed)
    before = signal.getsignal(signal.SIGINT)
    # WHEN
    with suppress(KeyboardInterrupt), demo_folder(silent, keep=False):
        pass
    # THEN
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) == before


def test_what_a_killed_demo_left_is_removed_by_the_next(temporary: Path) -> None:
    # GIVEN data elsewhere, too, as PostgreSQL's is where its user cannot enter the folder
    stack = left_by_a_killed_demo(temporary)
    (temporary / "elsewhere").mkdir()
    (stack.path / "postgres").symlink_to(temporary / "elsewhere")
    said: list[str] = []
    # WHEN
    with demo_folder(said.append, keep=False) as folder:
        # THEN
        assert list(temporary.iterdir()) == [folder]
    assert said == [f"Removing what an earlier demo left: {stack.path.parent}"]


def test_a_part_that_a_killed_demo_left_is_ended_before(temporary: Path) -> None:
    stack = left_by_a_killed_demo(temporary)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as part:
        identity = identify(part.pid)
        assert identity is not None
        with stack.held():
            stack.remember("kafka", identity)
        with demo_folder(silent, keep=False):
            assert part.wait(10) != 0
    assert not stack.path.exists()


def test_a_demo_that_runs_or_begins_keeps_its_folder(temporary: Path) -> None:
    # GIVEN one that holds its lock, one that has no record yet, and one that was to be kept
    stack = left_by_a_killed_demo(temporary)
    begins = Path(tempfile.mkdtemp(prefix="rowferry-demo-"))
    with demo_folder(silent, keep=True) as kept:
        (kept / "send.log").touch()
    # WHEN
    with stack.held(), demo_folder(silent, keep=False):
        pass
    # THEN
    assert set(temporary.iterdir()) == {stack.path.parent, begins, kept}


def test_a_folder_that_was_half_removed_goes_in_the_end(temporary: Path) -> None:
    # GIVEN a folder without a record, of which nobody makes anything for hours
    half = Path(tempfile.mkdtemp(prefix="rowferry-demo-"))
    (half / "send.log").touch()
    os.utime(half, (0, 0))
    # WHEN
    with demo_folder(silent, keep=False):
        pass
    # THEN
    assert list(temporary.iterdir()) == []


def test_a_link_and_a_file_of_that_name_are_no_folders_of_ours(temporary: Path) -> None:
    stack = left_by_a_killed_demo(temporary)
    mine = stack.path.parent.rename(temporary / "mine")
    (temporary / "rowferry-demo-link").symlink_to(mine)
    (temporary / "rowferry-demo-file").touch()
    with demo_folder(silent, keep=False):
        pass
    assert (mine / "send.log").exists()
    assert (temporary / "rowferry-demo-file").exists()
