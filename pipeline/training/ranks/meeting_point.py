"""The one port of a training's launcher: ranks that know its secret meet there, and learn when it is gone.

Horovod's own server listens on every interface and lets anybody write. Its client, in every rank, sends
plain HTTP: `METHOD http://ADDR:PORT/scope/key`, ADDR as the environment has it. Behind ADDR's own slash there
is room for a secret, with which every request then begins: `/SECRET:PORT/scope/key`.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

ADDRESS = "HOROVOD_GLOO_RENDEZVOUS_ADDR"
PORT = "HOROVOD_GLOO_RENDEZVOUS_PORT"
LAUNCHER = "launcher"
"""Asked for by a rank: the answer comes when the launcher ends."""

REQUEST_S = 3
CONNECT_S = 60.0


@contextmanager
def meeting_point(address: str) -> Iterator[dict[str, str]]:
    """Serve a meeting point at an IPv4 address of this machine; gives the environment that leads ranks to it.

    The environment holds the secret. When the context ends all connections are cut.
    """
    with _Server(address) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.environment
        finally:
            server.over.set()
            server.shutdown()


def connection_to_launcher(environment: Mapping[str, str]) -> socket.socket:
    """A connection to the meeting point that `environment` leads to; it is cut when its process is gone."""
    where, _, secret = environment[ADDRESS].partition("/")
    host, _, port = where.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=CONNECT_S)
    connection.sendall(f"GET /{secret}:{port}/{LAUNCHER} HTTP/1.0\r\n\r\n".encode())
    connection.settimeout(None)
    return connection


class _Server(socketserver.ThreadingTCPServer):
    """Values by scope and key. They stay to the end: they are few, and each is written once."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), _Request)
        port = self.server_address[1]
        secret = secrets.token_urlsafe(32)
        self.environment = {ADDRESS: f"{address}:{port}/{secret}", PORT: str(port)}
        self.first_part = f"{secret}:{port}"
        self.values: dict[str, bytes] = {}
        self.over = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever breaks off in the middle is told by nobody."""


class _Request(BaseHTTPRequestHandler):
    """One request of a rank, or of a stranger, who is refused before anything of his is read or kept."""

    server: _Server
    timeout = REQUEST_S

    def do_GET(self) -> None:
        path = self._path()
        if path == LAUNCHER:
            self.server.over.wait()
        elif path is not None:
            value = self.server.values.get(path)
            self._answer(HTTPStatus.NOT_FOUND if value is None else HTTPStatus.OK, value or b"")

    def do_PUT(self) -> None:
        path = self._path()
        if path is not None:
            self.server.values[path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(HTTPStatus.OK)

    def do_DELETE(self) -> None:
        """So a rank says that it has met the others of a scope."""
        if self._path() is not None:
            self._answer(HTTPStatus.OK)

    def _path(self) -> str | None:
        """What is asked for, if the secret came with it; None, and the client is told, if not."""
        _, _, path = self.path.partition("/")
        first, _, rest = path.partition("/")
        if hmac.compare_digest(first.encode(), self.server.first_part.encode()):
            return rest
        self._answer(HTTPStatus.FORBIDDEN)
        return None

    def _answer(self, status: HTTPStatus, value: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(value)))
        self.end_headers()
        self.wfile.write(value)

    def log_message(self, format: str, *args: Any) -> None:
        """Ranks ask a hundred times a second."""
