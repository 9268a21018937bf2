"""Uploads share their room: so many bytes are on their way at once, and no more."""

import gc
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from rowferry.flow.stage.contract import Stage
from rowferry.run import uploads
from rowferry.run.uploads import Uploads


class Gate:
    """A stage whose puts wait until they are let through."""

    def __init__(self) -> None:
        self.under_way = 0
        self.seen: set[int] = set()
        self.names: list[str] = []
        self.opened, self.two_are_there = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def put(self, name: str, spooled: Path) -> None:
        with self._lock:
            self.under_way += spooled.stat().st_size
            self.seen.add(self.under_way)
            if self.under_way == 80:
                self.two_are_there.set()
        self.opened.wait(20)
        with self._lock:
            self.under_way -= spooled.stat().st_size
            self.names.append(name)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.gz" for number in range(6)]
    for path in paths:
        path.write_bytes(b"x" * 40)
    paths[3].write_bytes(b"x" * 500)  # more than there is room for
    return paths


def test_only_so_many_bytes_are_on_their_way_and_a_larger_file_goes_alone(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN room for two of six files, four threads
    monkeypatch.setattr(uploads, "_MOST_BYTES", 100)
    gate = Gate()
    pool = Uploads(cast("Stage", gate), threads=4)
    tasks = [pool.put(path.name, partial(Path, path), lambda: None) for path in files[:2]]
    assert gate.two_are_there.wait(10)
    tasks += [pool.put(path.name, partial(Path, path), lambda: None) for path in files[2:]]
    # WHEN one that waits is not wanted any more, and then all may go
    tasks[2].cancel()
    assert not tasks[0].wait(0.2)
    gate.opened.set()
    # THEN all others have gone, within the room
    assert all(task.wait(10) for task in tasks)
    pool.close(5)
    assert sorted(gate.names) == ["0.gz", "1.gz", "3.gz", "4.gz", "5.gz"]
    assert gate.seen == {40, 80, 500}
    assert not [task.error for task in tasks if task.error]


def test_what_a_task_held_is_free_when_it_has_ended(tmp_path: Path) -> None:
    """Collections are rare: a file that waits for one would be held with all of its buffers."""
    # GIVEN an upload of something that can be seen to go
    (tmp_path / "0.gz").write_bytes(b"x")

    class Whole:
        def __call__(self) -> Path:
            return tmp_path / "0.gz"

    gate = Gate()
    gate.opened.set()
    pool = Uploads(cast("Stage", gate), threads=1)
    whole = Whole()
    seen = weakref.ref(whole)
    gc.disable()
    try:
        # WHEN it has ended, though the task is still known
        task = pool.put("0.gz", whole, lambda: None)
        del whole
        assert task.wait(10)
        pool.close(5)
        # THEN nobody holds what was uploaded
        assert seen() is None
    finally:
        gc.enable()
