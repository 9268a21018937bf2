"""The sockets: a threading HTTP server, plain or TLS, on which faults can strike mid-request."""

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from strict_snowflake.faults import Fault, Faults, Kind, Place
from strict_snowflake.http_reply import BlackHole, Reply, Request
from strict_snowflake.storage import split_path

READ_BYTES = 64 * 1024
TRANSPORT_ERRORS = (ConnectionError, ssl.SSLError, TimeoutError, OSError)

Answer = Callable[[Request, Fault | None], Reply | None]


class HangUp(Exception):
    """The connection ends here, without an answer."""


class Listener(ThreadingHTTPServer):
    """Serves one port of 127.0.0.1 from its own thread until close()."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, answer: Answer, faults: Faults, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Wire)
        self.answer, self.faults = answer, faults
        self.closing = threading.Event()
        self._black_hole = threading.Event()
        self.errors: list[BaseException] = []
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="strict-snowflake"
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; a TLS handshake happens in the connection's own thread."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that goes away is no error of the fake's; anything else is."""
        error = sys.exception()
        if error is not None and not isinstance(error, TRANSPORT_ERRORS):
            self.errors.append(error)

    def hold(self) -> None:
        """Wait in the black hole until it is opened."""
        self._black_hole.wait()

    def release(self) -> None:
        """Open the black hole: who waits in it is hung up on; a new one begins."""
        opened, self._black_hole = self._black_hole, threading.Event()
        opened.set()

    def close(self) -> None:
        """Hang up on all, whatever they wait for, and let go of the port."""
        self.closing.set()
        self.release()
        self.shutdown()
        self._thread.join()
        for connection in list(self._open):
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue  # gone already
        self.server_close()


class Wire(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 600
    disable_nagle_algorithm = True  # head and body are two writes: else each answer takes 40 ms

    @property
    def listener(self) -> Listener:
        return cast("Listener", self.server)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        is_storage = split_path(url.path) is not None
        fault = None
        if is_storage:
            fault = self.listener.faults.take(Place.STORAGE, self.command, url.path)
        try:
            body = self._read_body(fault)
            request = Request(
                verb=self.command,
                path=url.path,
                query=dict(parse_qsl(url.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
            reply = self.listener.answer(request, fault)
        except BlackHole as hole:
            self.listener.hold()
            if not self.listener.closing.is_set():
                hole.at_the_end()
            reply = None
        except HangUp:
            reply = None
        if reply is None:
            self.close_connection = True
        else:
            self._send(reply)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _read_body(self, fault: Fault | None) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        if fault and fault.kind in (Kind.BLACK_HOLE, Kind.TRUNCATE):
            self.rfile.read(min(length, fault.options.get("after_bytes", 1024)))
            raise BlackHole if fault.kind is Kind.BLACK_HOLE else HangUp
        rate = fault.options.get("bytes_per_second") if fault and fault.kind is Kind.SLOW else None
        return self._read_slowly(length, rate) if rate else self.rfile.read(length)

    def _read_slowly(self, length: int, bytes_per_second: int) -> bytes:
        body = bytearray()
        started = time.monotonic()
        while len(body) < length and not self.listener.closing.is_set():
            body += self.rfile.read(
                min(READ_BYTES, length - len(body), max(1, bytes_per_second // 20))
            )
            due = started + len(body) / bytes_per_second
            self.listener.closing.wait(max(0.0, due - time.monotonic()))
        return bytes(body)

    def _chunks(self) -> list[bytes]:
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return chunks

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status, reply.reason)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        # A HEAD says how long the object is, and sends nothing of it.
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
