"""The stack's servers are asked directly, whatever proxy the environment names."""

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rowferry.stack.loopback import ask, needs_no_proxy, no_proxy


class Answerer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answerer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that nobody is, for everything."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("proxied")
def test_a_server_on_loopback_is_asked_without_the_proxy(url: str) -> None:
    with ask(urllib.request.Request(url)) as answer:
        assert answer.status == 204


@pytest.mark.usefixtures("proxied")
def test_a_proxy_that_would_be_asked_for_loopback_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs_no_proxy()
    for name, value in no_proxy({}).items():
        monkeypatch.setenv(name, value)
    assert not needs_no_proxy()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": ".corp.example"}, ".corp.example,127.0.0.1,localhost"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "a,127.0.0.1,localhost"),
        ({"no_proxy": "", "NO_PROXY": "*"}, "*"),
    ],
)
def test_this_machine_is_added_to_whom_no_proxy_names(environ: dict[str, str], named: str) -> None:
    assert no_proxy(environ) == {"no_proxy": named, "NO_PROXY": named}
