"""The registry's answers, and which addresses are never asked."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rowferry import registry
from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, DataAtRisk, RowferryError, Transient
from rowferry.model import SchemaId
from rowferry.registry import Registry, difference, fingerprint

OLD = {"type": "record", "name": "P", "fields": [{"name": "id", "type": "string"}]}
NEW = {**OLD, "fields": [*OLD["fields"], {"name": "n", "type": "int"}]}


class Stub(ThreadingHTTPServer):
    """Answers what the test says, by method and the end of the path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers: dict[tuple[str, str], tuple[int, object]] = {}
        self.asked: list[str] = []
        self.accepted: list[str | None] = []
        self.headers: dict[str, str] = {}
        self.silent = threading.Event()
        self.drip: bytes | None = None


def octets(content: object) -> bytes:
    """Text as it is, all else as JSON."""
    return (content if isinstance(content, str) else json.dumps(content)).encode()


class Answering(BaseHTTPRequestHandler):
    def answer(self) -> None:
        stub = self.server
        assert isinstance(stub, Stub)
        stub.asked.append(f"{self.command} {self.path}")
        stub.accepted.append(self.headers.get("Accept-Encoding"))
        if stub.silent.is_set():
            threading.Event().wait(2)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        del body
        if stub.drip is not None:
            self.trickle(stub.drip)
            return
        matching = [
            a for (m, end), a in stub.answers.items() if m == self.command and end in self.path
        ]
        status, content = matching[0] if matching else (404, {"error_code": 40401})
        payload = content if isinstance(content, bytes) else octets(content)
        self.send_response(status)
        for name, value in stub.headers.items():
            self.send_header(name, value)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        with suppress(OSError):  # who asked need not take all of it
            self.wfile.write(payload)

    def trickle(self, payload: bytes) -> None:
        """Two seconds' worth of an answer, a piece at a time."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        with suppress(OSError):
            for first in range(0, len(payload), len(payload) // 40 + 1):
                self.wfile.write(payload[first : first + len(payload) // 40 + 1])
                threading.Event().wait(0.05)

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815 - the names that the server looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def asking(stub: Stub) -> Iterator[Registry]:
    made = Registry(settings(f"http://127.0.0.1:{stub.server_port}"))
    yield made
    made.close()


def settings(url: str, **more: Any) -> Settings:
    return Settings.model_validate(
        {"schema_server": url, "schema_username": "u", "schema_password": "canary", **more}
    )


@pytest.mark.parametrize(
    ("status", "content", "meant", "code"),
    [
        (401, {}, AccessDenied, Code.SR_AUTH),
        (403, {"error_code": 40301}, AccessDenied, Code.SR_AUTH),
        (500, {"error_code": 50001}, Transient, Code.SR_DOWN),
        (503, "down", Transient, Code.SR_DOWN),
        (429, {}, Transient, Code.SR_DOWN),
        (422, {"error_code": 42201, "message": "bad"}, ConfigError, Code.CONFIG),
        (404, "<html>", ConfigError, Code.CONFIG),
        (302, "", ConfigError, Code.CONFIG),
        (200, "<html>", ConfigError, Code.CONFIG),
    ],
)
def test_an_answer_has_one_meaning(
    stub: Stub,
    asking: Registry,
    status: int,
    content: object,
    meant: type[RowferryError],
    code: Code,
) -> None:
    stub.answers["POST", "/subjects/a-value"] = (status, content)
    with pytest.raises(RowferryError) as raised:
        asking.register("a-value", OLD)
    assert (type(raised.value), raised.value.code) == (meant, code)
    assert "canary" not in str(raised.value)
    assert not any("elsewhere" in path for path in stub.asked)


def test_a_registered_schema_is_found_without_the_right_to_register(
    stub: Stub, asking: Registry
) -> None:
    found = {"subject": "a-value", "id": 7, "version": 1, "schema": json.dumps(OLD)}
    stub.answers["POST", "/subjects/a-value"] = (200, found)
    stub.answers["POST", "/versions"] = (403, {})
    assert asking.register("a-value", OLD) == 7


def test_an_incompatible_schema_stops_us_with_the_difference(stub: Stub, asking: Registry) -> None:
    latest = {"subject": "a-value", "id": 7, "version": 1, "schema": json.dumps(OLD)}
    stub.answers["POST", "/versions"] = (409, {"error_code": 409, "message": "incompatible"})
    stub.answers["GET", "/versions/latest"] = (200, latest)
    with pytest.raises(DataAtRisk, match="column n is new, and has no default") as raised:
        asking.register("a-value", NEW)
    assert raised.value.code is Code.SR_INCOMPATIBLE


def test_a_schema_once_seen_is_known_while_the_registry_is_down(
    stub: Stub, asking: Registry
) -> None:
    stub.answers["GET", "/schemas/ids/7"] = (200, {"schema": json.dumps(OLD)})
    assert json.loads(asking.by_id(SchemaId(7)) or "") == OLD
    stub.answers["GET", "/schemas/ids/7"] = (503, {})
    assert json.loads(asking.by_id(SchemaId(7)) or "") == OLD


def test_an_id_that_was_never_given_is_none_and_asked_for_again(
    stub: Stub, asking: Registry
) -> None:
    stub.answers["GET", "/schemas/ids/8"] = (404, {"error_code": 40403})
    assert asking.by_id(SchemaId(8)) is None
    stub.answers["GET", "/schemas/ids/8"] = (200, {"schema": json.dumps(OLD)})
    assert asking.by_id(SchemaId(8)) is not None


def test_a_registry_that_never_answers_is_given_up(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry.SECONDS == 5
    monkeypatch.setattr(registry, "SECONDS", 0.2)
    stub.silent.set()
    asking = Registry(settings(f"http://127.0.0.1:{stub.server_port}"))
    with pytest.raises(Transient) as raised:
        asking.latest("a")
    asking.close()
    assert raised.value.code is Code.SR_DOWN


def test_an_answer_that_trickles_is_given_up(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SECONDS", 0.5)
    stub.drip = octets({"schema": json.dumps(OLD)})
    asking = Registry(settings(f"http://127.0.0.1:{stub.server_port}"))
    with pytest.raises(Transient, match=r"took too long|timed out") as raised:
        asking.by_id(SchemaId(7))
    asking.close()
    assert raised.value.code is Code.SR_DOWN


@pytest.mark.parametrize("schema_id", [1 << 31, 0xFF00FF00, (1 << 32) - 1, -1])
def test_an_id_that_cannot_be_asked_for_was_never_given(
    stub: Stub, asking: Registry, schema_id: int
) -> None:
    stub.answers["GET", "/schemas/ids/"] = (404, {"error_code": 404, "message": "HTTP 404"})
    assert asking.by_id(SchemaId(schema_id)) is None
    assert stub.asked == []


@pytest.mark.parametrize(
    ("kind", "why"), [("text/html", "over 2000000 bytes"), ("application/json", None)]
)
def test_an_answer_that_is_too_long_is_no_schema(
    stub: Stub, asking: Registry, kind: str, why: str | None
) -> None:
    long = octets({"schema": json.dumps(OLD)}) + b" " * 2_000_000
    stub.answers["GET", "/schemas/ids/7"] = (200, long)
    stub.headers["Content-Type"] = kind
    if why is None:  # the API's own: as one whose text is too long
        assert asking.by_id(SchemaId(7)) is None
        return
    with pytest.raises(ConfigError, match=why):
        asking.by_id(SchemaId(7))


def test_compression_is_not_asked_for_and_never_undone(stub: Stub, asking: Registry) -> None:
    bomb = gzip.compress(octets({"schema": json.dumps(OLD)}) + b" " * 10_000_000)
    stub.headers["Content-Encoding"] = "gzip"
    stub.answers["GET", "/schemas/ids/7"] = (200, bomb)
    with pytest.raises(ConfigError, match="is compressed"):
        asking.by_id(SchemaId(7))
    assert stub.accepted == ["identity"]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(b"down", mtime=0)),
        ("gzip", b"broken"),
        ("identity", b" " * 2_500_000),
    ],
    ids=["compressed", "broken", "long"],
)
def test_of_an_error_the_status_counts_whatever_its_body(
    stub: Stub, asking: Registry, encoding: str, content: bytes
) -> None:
    stub.headers["Content-Encoding"] = encoding
    stub.answers["GET", "/schemas/ids/7"] = (503, content)
    with pytest.raises(Transient) as raised:
        asking.by_id(SchemaId(7))
    assert raised.value.code is Code.SR_DOWN


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "5",
        [],
        {"schema": 5},
        {"schema": ["string"]},
        {"schema": {"type": "string"}},
        {"schema": '"string"', "references": ["x"]},
        {"schema": '"string"', "references": [{"name": "x", "subject": {"a": 1}, "version": "1"}]},
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("asked", ["by_id", "latest", "versions", "register"])
def test_an_answer_of_another_shape_is_not_of_the_api(
    stub: Stub, asking: Registry, content: object, asked: str
) -> None:
    stub.answers["GET", "/schemas/ids/7"] = (200, content)
    stub.answers["GET", "/versions/latest"] = (200, content)
    stub.answers["GET", "/versions/1"] = (200, content)
    stub.answers["GET", "/versions"] = (200, [1])
    stub.answers["POST", "/versions"] = (200, content)
    asks: dict[str, Callable[[], object]] = {
        "by_id": lambda: asking.by_id(SchemaId(7)),
        "latest": lambda: asking.latest("a"),
        "versions": lambda: asking.versions("a-value"),
        "register": lambda: asking.register("a-value", OLD),
    }
    with pytest.raises(ConfigError, match=r"not of its API|no usable id"):
        asks[asked]()


@pytest.mark.parametrize("numbers", ["", "null", 5, [1, "x"], [[]]])
def test_versions_that_are_no_numbers_are_not_of_the_api(
    stub: Stub, asking: Registry, numbers: object
) -> None:
    stub.answers["GET", "/versions"] = (200, numbers)
    with pytest.raises(ConfigError):
        asking.versions("a-value")


@pytest.mark.parametrize("found", [None, "7", [7], 1 << 31])
def test_an_id_that_is_none_is_refused(stub: Stub, asking: Registry, found: object) -> None:
    stub.answers["POST", "/versions"] = (200, {"id": found})
    with pytest.raises(ConfigError):
        asking.register("a-value", OLD)


@pytest.mark.parametrize(
    "newest", ['"string"', '["null", "int"]', '{"type": "record", "fields": [5]}', "no JSON", "5"]
)
def test_a_newest_version_that_is_no_record_is_what_does_not_fit(
    stub: Stub, asking: Registry, newest: str
) -> None:
    stub.answers["POST", "/compatibility"] = (200, {"is_compatible": False})
    stub.answers["POST", "/versions"] = (409, {"error_code": 409})
    stub.answers["GET", "/config"] = (200, {"compatibilityLevel": "BACKWARD"})
    stub.answers["GET", "/versions/latest"] = (200, {"schema": newest})
    with pytest.raises(DataAtRisk, match="the newest version is no record") as raised:
        asking.register("a-value", OLD)
    assert raised.value.code is Code.SR_INCOMPATIBLE
    assert asking.differences("a-value", OLD) == ["the newest version is no record"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_registry_on_this_machine_is_asked_without_the_proxy(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    # GIVEN a proxy that nobody is
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    # WHEN
    stub.answers["GET", "/subjects/a-value/versions"] = (404, {"error_code": 40401})
    asking = Registry(settings(f"http://{host}:{stub.server_port}"))
    # THEN
    assert asking.versions("a-value") == []
    asking.close()
    assert len(stub.asked) == 1


def test_a_registry_elsewhere_is_asked_by_the_proxy(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a proxy, which is asked to connect
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{stub.server_port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    # WHEN
    asking = Registry(settings("https://example.com"), resolve=lambda _host: ["93.184.216.34"])
    with pytest.raises(Transient):
        asking.versions("a-value")
    asking.close()
    # THEN
    assert stub.asked == ["CONNECT example.com:443"]


@pytest.mark.parametrize(
    ("url", "address", "why"),
    [
        ("mock://x", "127.0.0.1", "not a URL"),
        ("file:///etc/passwd", "127.0.0.1", "not a URL"),
        ("https://user:secret@example", "93.184.216.34", "credentials belong"),
        ("https://metadata.internal", "169.254.169.254", "link-local"),
        ("https://six", "fe80::1", "link-local"),
        ("https://any", "0.0.0.0", "link-local"),
        ("http://example", "93.184.216.34", "this machine only"),
        ("https://example,http://example", "10.0.0.1", "this machine only"),
        ("", "127.0.0.1", "not set"),
    ],
)
def test_an_address_that_is_no_place_for_a_registry_is_refused(
    url: str, address: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        Registry(settings(url), resolve=lambda _host: [address])
    assert "secret" not in str(raised.value)


def test_an_unknown_host_is_tried_again() -> None:
    def unknown(_host: str) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Transient):
        Registry(settings("https://nowhere.example"), resolve=unknown)


def test_a_fingerprint_is_of_the_meaning_not_of_the_spaces() -> None:
    assert fingerprint(json.dumps(OLD, indent=3)) == fingerprint(OLD)
    assert fingerprint(NEW) != fingerprint(OLD)


def test_a_difference_names_what_changed() -> None:
    other = {
        "name": "Q",
        "fields": [
            {"name": "n", "type": "long"},
            {"name": "m", "type": ["null", "int"], "default": None},
        ],
    }
    assert difference(NEW, other) == [
        "record P is now Q",
        "column id is gone",
        'column n was "int" and is "long"',
        "column m is new",
    ]
