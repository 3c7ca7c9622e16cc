"""Serve the simulation over HTTP on 127.0.0.1, for real boto3 and the AWS CLI (``AWS_ENDPOINT_URL``).

It has Lambda, STS's GetCallerIdentity and what staging needs of S3. The region is that of the signature. Faults are
real: sockets are reset, responses do not arrive."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from publisher.sandbox.server import aws_variables
from scripts.simaws.aws import Broken, SimulatedAws
from scripts.simaws.faults import Fault
from scripts.simaws.limits import AwsError
from scripts.simaws.rest import Request, Rest
from scripts.simaws.sigv4 import Credential, SignedCaller, check_signature
from scripts.simaws.upstream import Upstream

KEY = "AKIASIMULATED"
SECRET = "simulated"  # noqa: S105 - not a real credential


@contextmanager
def serve(
    aws: SimulatedAws,
    *,
    silence: float = 1.5,
    credentials: Mapping[str, Credential] | None = None,
    upstream: Upstream | None = None,
) -> Iterator[str]:
    """Serve until the block ends; yield the address. ``silence``: seconds until a connection without a response is
    closed. ``upstream``: the line that requests come through.
    """
    credentials_by_key = {KEY: Credential(SECRET, aws.account), **(credentials or {})}
    server = _Server(aws, silence, credentials_by_key, upstream or Upstream(aws.clock))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def environment(address: str, region: str = "us-east-1") -> dict[str, str]:
    """Return the environment in which boto3 and the AWS CLI use only the simulation."""
    return {**aws_variables(address, region), "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, aws: SimulatedAws, silence: float, credentials: Mapping[str, Credential], upstream: Upstream
    ) -> None:
        super().__init__(("127.0.0.1", 0), _SimulatedRequests)
        self.upstream = upstream
        self.aws = aws
        self.rest = Rest(aws)
        self.silence = silence
        self.credentials = credentials
        self.over = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed the connection."""


class _SimulatedRequests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None: ...

    def _handle(self) -> None:
        with tempfile.SpooledTemporaryFile(max_size=1 << 20) as body:
            size, digest = self._receive(body)
            try:
                self._respond(body, size, digest)
            except AwsError as error:
                self._refuse(error)
            except Broken as broken:
                self._break(broken.fault)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _handle  # noqa: N815 - names of http.server

    def _receive(self, body: IO[bytes]) -> tuple[int, str]:
        """Read the whole body, so that the connection can be used again; keep only a small one in memory."""
        digest, remaining = hashlib.sha256(), int(self.headers.get("Content-Length") or 0)
        size = remaining
        while remaining > 0 and (piece := self.rfile.read(min(remaining, 1 << 20))):
            self.server.upstream.wait_for_bytes(len(piece))
            body.write(piece)
            digest.update(piece)
            remaining -= len(piece)
        body.seek(0)
        return size, digest.hexdigest()

    def _respond(self, body: IO[bytes], size: int, digest: str) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/content/"):
            self._download(url.path, url.query)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        caller = check_signature(self.command, url.path, url.query, headers, digest, self.server.credentials)
        if caller.service == "sts":
            self._identify(caller, body.read())
            return
        if caller.service == "s3":
            self._stage(caller.region, url, headers, body.read())
            return
        if caller.service != "lambda":
            raise AwsError(404, "UnknownOperationException", f"no {caller.service} here")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(
            self.command, url.path, query, body, size, digest, caller.account, f"http://{headers['host']}"
        )
        self._send(*self.server.rest.respond(caller.region, request))

    def _download(self, path: str, query: str) -> None:
        _, _, region, digest = path.split("/")
        until = float(parse_qs(query).get("until", ["-1"])[0])
        if until < self.server.aws.clock.monotonic():
            raise AwsError(403, "AccessDenied", "Request has expired")
        contents = self.server.aws.contents
        content = self.server.aws.call(region, "Download", lambda _: contents[digest], counted=False)
        self._write(200, content.read(), {"Content-Type": "application/zip"})

    def _stage(self, region: str, url: SplitResult, headers: Mapping[str, str], body: bytes) -> None:
        self.server.aws.call(region, "S3", lambda _: None, counted=False)  # its latency and faults
        response = self.server.rest.buckets.respond(self.command, url.path, url.query, headers, body)
        self._write(200, response.body, response.headers, size=response.size)

    def _identify(self, caller: SignedCaller, body: bytes) -> None:
        action = parse_qs(body.decode()).get("Action", [""])[0]
        if action != "GetCallerIdentity":
            raise AwsError(400, "InvalidAction", action)
        text = (
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            f"<Arn>arn:aws:iam::{caller.account}:user/simulated</Arn><UserId>AIDASIMULATED</UserId>"
            f"<Account>{caller.account}</Account></GetCallerIdentityResult><ResponseMetadata>"
            f"<RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )
        self._write(200, text.encode(), {"Content-Type": "text/xml"})

    def _refuse(self, error: AwsError) -> None:
        signed = self.headers.get("Authorization", "")
        if "/s3/" in signed:
            text = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
            self._write(error.status, text.encode(), {"Content-Type": "application/xml"})
            return
        if "/sts/" not in signed:
            self._send(error.status, {"Type": "User", "message": error.message}, {"x-amzn-ErrorType": error.code})
            return
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code><Message>{error.message}</Message>"
            f"</Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        )
        self._write(error.status, text.encode(), {"Content-Type": "text/xml"})

    def _send(self, status: int, response: object, headers: Mapping[str, str] | None = None) -> None:
        data = b"" if status == 204 else json.dumps(response).encode()
        self._write(status, data, {"Content-Type": "application/json", **(headers or {})})

    def _write(self, status: int, data: bytes, headers: Mapping[str, str], *, size: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"x-amzn-RequestId": str(uuid.uuid4()), **headers}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data) if size is None else size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _break(self, fault: Fault) -> None:
        if fault is Fault.GARBAGE:
            self._write(200, b'{"LayerVersionArn": 7, "Version": "one', {"Content-Type": "application/json"})
            return
        if fault in (Fault.SILENCE_BEFORE, Fault.SILENCE_AFTER):
            self.server.over.wait(self.server.silence)
        self.close_connection = True
        # SO_LINGER with timeout 0 makes the system send a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
