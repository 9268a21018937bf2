"""Downloads are whole and right, or they are not there."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rowferry.errors import Transient
from rowferry.stack import downloads
from rowferry.stack.downloads import Artefact, cache_folder, fetch, parse_line, read_lock

CONTENT = bytes(range(256)) * 4000


@dataclass
class Repository:
    """A Maven repository with one file; each answer is cut after `cut` bytes, while cuts last."""

    content: bytes = CONTENT
    cuts: int = 0
    ranges: list[str | None] = field(default_factory=list)


class Answerer(BaseHTTPRequestHandler):
    def __init__(self, repository: Repository, *arguments: object) -> None:
        self.repository = repository
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.repository.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = self.repository.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.repository.cuts:
            self.repository.cuts -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serving(repository: Repository) -> Iterator[dict[str, str]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Answerer, repository)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield {"here": f"http://127.0.0.1:{server.server_port}"}
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0)


@pytest.fixture
def artefact() -> Artefact:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return Artefact("org.example", "thing", "1.0", "jar", "", sha256, len(CONTENT))


def test_a_file_is_fetched_once(tmp_path: Path, artefact: Artefact) -> None:
    repository = Repository()
    with serving(repository) as repositories:
        for _ in range(2):
            [path] = fetch([artefact], tmp_path, "Thing", repositories)
    assert path.read_bytes() == CONTENT
    assert path.name == "thing-1.0.jar"
    assert len(repository.ranges) == 1


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path, artefact: Artefact) -> None:
    repository = Repository(cuts=2)
    with serving(repository) as repositories:
        [path] = fetch([artefact], tmp_path, "Thing", repositories)
    assert path.read_bytes() == CONTENT
    starts = [int((asked or "").removeprefix("bytes=").rstrip("-")) for asked in repository.ranges]
    assert starts[0] == 0 < starts[1] < starts[2]


def test_a_file_with_another_sum_is_never_kept(tmp_path: Path, artefact: Artefact) -> None:
    repository = Repository(content=CONTENT[:-1] + b"!")
    with (
        serving(repository) as repositories,
        pytest.raises(Transient, match="its sha256 is not that of the lock"),
    ):
        fetch([artefact], tmp_path, "Thing", repositories)
    assert [path for path in (tmp_path / "artefacts").rglob("*") if path.is_file()] == []


def test_a_repository_that_does_not_answer_is_a_clear_error(
    tmp_path: Path, artefact: Artefact
) -> None:
    with pytest.raises(Transient, match=r"thing-1\.0\.jar could not be fetched.*call again"):
        fetch([artefact], tmp_path, "Thing", {"nowhere": "http://127.0.0.1:9"})


def test_the_locks_pin_every_artefact() -> None:
    kafka, [registry] = read_lock("kafka"), read_lock("registry")
    assert len(kafka) == 46
    assert registry.file_name == "apicurio-registry-app-3.3.3-all.tar.gz"
    for artefact in (*kafka, registry):
        assert len(bytes.fromhex(artefact.sha256)) == 32
        assert artefact.size > 0
    assert len({artefact.sha256 for artefact in kafka}) == 46


def test_a_line_of_a_lock_names_packaging_and_classifier() -> None:
    assert parse_line("g:a:1 sha256:00 bytes:5") == Artefact("g", "a", "1", "jar", "", "00", 5)
    line = "g:a:1:tar.gz:all sha256:00 bytes:5"
    assert parse_line(line) == Artefact("g", "a", "1", "tar.gz", "all", "00", 5)


def test_the_cache_folder_can_be_chosen() -> None:
    assert cache_folder({"ROWFERRY_CACHE": "/somewhere"}) == Path("/somewhere")
    assert cache_folder({"XDG_CACHE_HOME": "/caches"}).name == "rowferry"
