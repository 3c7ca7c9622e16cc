"""A proxy in front of an AWS that refuses requests or changes responses, like an account with other limits."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.serving import serving

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/")
_NOT_FORWARDED = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class AwsRequest:
    """A request, described by its signature and first line."""

    region: str
    service: str
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def publishes(self) -> bool:
        """Return whether it is a ``PublishLayerVersion``."""
        return self.method == "POST" and self.path.split("?")[0].endswith("/versions")


@dataclass(frozen=True)
class Refusal:
    """An error response."""

    status: int
    code: str
    message: str

    def encode(self, service: str) -> tuple[bytes, dict[str, str]]:
        """Return body and headers in the protocol of the service."""
        if service == "sts":
            error = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
            return f"<ErrorResponse>{error}</ErrorResponse>".encode(), {"Content-Type": "text/xml"}
        if service == "s3":
            error = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
            return error.encode(), {"Content-Type": "application/xml"}
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": self.code}
        return json.dumps({"__type": self.code, "message": self.message}).encode(), headers


#: Returns a refusal, or the JSON of a response, or None to forward the request.
Refuse = Callable[[AwsRequest], "Refusal | bytes | None"]
Change = Callable[[AwsRequest, bytes], bytes]


def _same(_request: AwsRequest, body: bytes) -> bytes:
    return body


@contextmanager
def front(address: str, refuse: Refuse = lambda _request: None, change: Change = _same) -> Iterator[str]:
    """Run the proxy in front of ``address``; yield its own address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scope = _SCOPE.search(self.headers.get("Authorization", ""))
            region, service = scope.groups() if scope else ("", "")
            request = AwsRequest(region, service, self.command, self.path, body, dict(self.headers.items()))
            own = refuse(request)
            if isinstance(own, Refusal):
                status, (data, headers) = own.status, own.encode(service)
            elif own is not None:
                status, data, headers = 200, own, {"Content-Type": "application/json"}
            else:
                status, data, headers = self._forward(body)
                data = change(request, data)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _forward(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "content-length")}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            data = response.read()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in _NOT_FORWARDED}
            if self.command == "HEAD":  # the length of the object, whose bytes do not follow
                kept["Content-Length"] = response.headers["Content-Length"]
            connection.close()
            return response.status, data, kept

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.handle_request
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as front_address:
        yield front_address
