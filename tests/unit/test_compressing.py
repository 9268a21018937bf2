"""Files are compressed beside the loop, in order; what waits for that is bounded, as are errors."""

import gzip
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowferry.errors import LocalResource
from rowferry.flow.stage.files import OpenFile
from rowferry.run import compressing
from rowferry.run.compressing import BackgroundFile, Compressor

PIECE = memoryview(b'{"n":12345678}\n' * 10_000)  # more than is compressed at once


class SlowFile(OpenFile):
    """A file that takes what it is given when it is let to."""

    let_through = threading.Event()

    def add(self, lines: bytes | memoryview) -> None:
        assert self.let_through.wait(20)
        super().add(lines)


@pytest.fixture
def compressor() -> Iterator[Compressor]:
    SlowFile.let_through.clear()
    compressor = Compressor()
    yield compressor
    SlowFile.let_through.set()
    compressor.close()


def test_a_file_ends_beside_the_loop_and_is_whole_when_it_is_asked_for(
    compressor: Compressor, tmp_path: Path
) -> None:
    # GIVEN two files whose pieces wait for the thread
    files = [BackgroundFile(SlowFile(tmp_path / f"{n}.gz", 1), compressor) for n in range(2)]
    for file in files:
        file.add(lambda: PIECE, PIECE.nbytes)
        file.add(lambda: PIECE[:15], 15)  # small, but not before what came before it
        # WHEN they are finished
        file.finish()
    # THEN nobody has waited, and what waits takes space; then each is whole, all in order
    assert files[0].size == 0
    assert files[0].spooled >= PIECE.nbytes + 15
    SlowFile.let_through.set()
    for file in files:
        assert gzip.decompress(file.whole().read_bytes()) == bytes(PIECE) + bytes(PIECE[:15])
        assert file.spooled == file.size == file.path.stat().st_size


def test_more_waits_only_while_there_is_room(
    compressor: Compressor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN room for three pieces, in two files
    monkeypatch.setattr(compressing, "_MOST_BYTES", 3 * PIECE.nbytes)
    one, other = (BackgroundFile(SlowFile(tmp_path / f"{n}.gz", 1), compressor) for n in range(2))
    for file in (one, one, other):
        file.add(lambda: PIECE, PIECE.nbytes)
    # WHEN a fourth comes
    adding = threading.Thread(target=other.add, args=(lambda: PIECE, PIECE.nbytes))
    adding.start()
    adding.join(0.2)
    # THEN it waits for the thread
    assert adding.is_alive()
    SlowFile.let_through.set()
    adding.join(10)
    other.finish()
    assert gzip.decompress(other.whole().read_bytes()) == bytes(PIECE) * 2


def test_what_the_disk_refuses_is_told_to_whoever_wants_the_file(
    compressor: Compressor, tmp_path: Path
) -> None:
    file = BackgroundFile(SlowFile(tmp_path / "missing" / "0.gz", 1), compressor)
    file.add(lambda: PIECE, PIECE.nbytes)
    file.finish()
    SlowFile.let_through.set()
    with pytest.raises(LocalResource):
        file.whole()


def test_a_file_that_is_thrown_away_leaves_nothing(compressor: Compressor, tmp_path: Path) -> None:
    file = BackgroundFile(SlowFile(tmp_path / "0.gz", 1), compressor)
    for _ in range(100):
        file.add(lambda: PIECE, PIECE.nbytes)
    file.finish()
    SlowFile.let_through.set()
    file.discard()
    assert list(tmp_path.iterdir()) == []
