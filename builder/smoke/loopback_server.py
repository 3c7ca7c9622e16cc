"""A small HTTP server on this machine alone, for as long as a ``with`` block."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeVar

S = TypeVar("S", bound="Server")


class Handler(BaseHTTPRequestHandler):
    """Answers with bytes or JSON, and keeps quiet."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece: head and body apart would wait for each other's acknowledgement
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Send JSON."""
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle, as a killed function does, is nobody's concern."""


class Server:
    """Serves ``handler`` on a free port of 127.0.0.1."""

    def __init__(self, handler: type[Handler]) -> None:
        self._http = _Quiet(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self: S) -> S:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
