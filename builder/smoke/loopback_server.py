"""A small HTTP server on 127.0.0.1 that runs for a ``with`` block."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

S = TypeVar("S", bound="LoopbackServer")


class LoopbackHandler(BaseHTTPRequestHandler):
    """Responds with bytes or JSON, and writes no log."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send head and body in one packet, so that Nagle's algorithm does not delay the body
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        """Return the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a complete response."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def respond_json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Send JSON."""
        self.respond(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Write nothing."""


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that closed its connection early, as a killed function does."""


class LoopbackServer:
    """Serves ``handler`` on a free port of 127.0.0.1. ``attributes`` are what its methods find on ``self``."""

    def __init__(self, handler: type[LoopbackHandler], **attributes: object) -> None:
        self._http = _QuietServer(("127.0.0.1", 0), type(handler.__name__, (handler,), attributes))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self: S) -> S:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
