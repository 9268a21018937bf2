"""A server that cannot prove who it is gets neither credentials nor rows."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, Transient
from rowferry.flow.publish.topics import Topics
from rowferry.registry import Registry

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class TlsServer:
    """Shakes hands, notes what it is told, and answers as a registry without schemas might."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.told: list[bytes] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._socket.accept()
                self._shake(connection)

    def _shake(self, connection: socket.socket) -> None:
        connection.settimeout(2)
        with connection, self._context.wrap_socket(connection, server_side=True) as shaken:
            self.told.append(shaken.recv(65536))
            if self.told[-1].startswith(b"GET"):
                shaken.sendall(ANSWER)

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(params=["unknown CA", "another name"])
def impostor(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[TlsServer]:
    is_stranger = request.param == "unknown CA"
    issuer = trustme.CA() if is_stranger else authority
    server = TlsServer(issuer.issue_cert("127.0.0.1" if is_stranger else "elsewhere.example"))
    yield server
    server.close()


@pytest.fixture
def honest(authority: trustme.CA) -> Iterator[TlsServer]:
    server = TlsServer(authority.issue_cert("127.0.0.1"))
    yield server
    server.close()


def registry_at(server: TlsServer, root: str) -> Registry:
    settings = {
        "schema_server": f"https://127.0.0.1:{server.port}",
        "schema_username": "u",
        "schema_password": "canary",
        "schema_ssl_ca": root,
    }
    return Registry(Settings.model_validate(settings))


def topics_at(server: TlsServer, root: str) -> Topics:
    settings = {
        "kafka_server": f"127.0.0.1:{server.port}",
        "kafka_username": "u",
        "kafka_password": "canary",
        "kafka_ssl_ca": root,
        "connect_seconds": 2,
    }
    return Topics(Settings.model_validate(settings))


def test_a_registry_that_is_an_impostor_gets_no_password(impostor: TlsServer, root: str) -> None:
    asking = registry_at(impostor, root)
    with pytest.raises(AccessDenied, match="SCHEMA_SSL_CA") as raised:
        asking.latest("products")
    asking.close()
    assert raised.value.code is Code.SR_AUTH
    assert impostor.told == []


def test_a_registry_that_proves_itself_is_asked(honest: TlsServer, root: str) -> None:
    asking = registry_at(honest, root)
    assert asking.latest("products") is None
    asking.close()
    assert b"authorization: basic" in honest.told[0].lower()


def test_a_broker_that_is_an_impostor_gets_no_password(impostor: TlsServer, root: str) -> None:
    with pytest.raises(AccessDenied, match="KAFKA_SSL_CA") as raised:
        topics_at(impostor, root).describe(["products"])
    assert raised.value.code is Code.KAFKA_AUTH
    assert impostor.told == []


def test_a_broker_that_proves_itself_is_spoken_to(honest: TlsServer, root: str) -> None:
    with pytest.raises(Transient):  # for it does not speak Kafka
        topics_at(honest, root).describe(["products"])
    assert honest.told
    assert not any(b"canary" in told for told in honest.told)
