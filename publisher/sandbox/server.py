"""The embedded AWS: moto's server on this machine, every region, with the account of a matrix.

In front of moto stands a small WSGI application: it takes uploads to disk (``store``), answers where moto would answer
otherwise than AWS (``truth``), and hands out the zips.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from publisher.sandbox.store import Refusal, Store

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_DOWNLOAD = re.compile(r"/_layers/([0-9a-f]{64})\.zip")
_PUBLISH = re.compile(r"/20\d\d-\d\d-\d\d/layers/.+/versions/?")
_REGION = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/lambda/")
_STATUS = {400: "400 Bad Request", 404: "404 Not Found", 409: "409 Conflict", 413: "413 Payload Too Large"}


@contextmanager
def running(account: str, port: int = 0) -> Iterator[str]:
    """Run the embedded AWS until the block ends; gives its address. Everything it holds goes with it."""
    os.environ["MOTO_ACCOUNT_ID"] = account  # moto reads it when it is imported
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    folder = Path(tempfile.mkdtemp(prefix="layers-sandbox-"))
    front = _Front(Store(folder), DomainDispatcherApplication(create_backend_app), account)
    server = make_server("127.0.0.1", port, front, threaded=True, request_handler=_quiet_handler())
    address = f"http://127.0.0.1:{server.server_port}"
    front.start(address)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(folder, ignore_errors=True)


def make_buckets(address: str, names: Mapping[str, str]) -> None:
    """Make these buckets (by region), as the account's infrastructure would have."""
    import boto3

    for region, name in names.items():
        client = boto3.session.Session("sandbox", "sandbox").client("s3", region_name=region, endpoint_url=address)
        if region == "us-east-1":
            client.create_bucket(Bucket=name)
        else:
            client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})  # type: ignore[typeddict-item]


def environment(address: str, region: str, own: Mapping[str, str]) -> dict[str, str]:
    """The environment in which boto3, the AWS CLI and every SDK find the embedded AWS and nothing else."""
    kept = {key: value for key, value in own.items() if not key.startswith("AWS_")}
    direct = ",".join(filter(None, (own.get("no_proxy") or own.get("NO_PROXY"), "127.0.0.1")))
    return {
        **kept,
        "NO_PROXY": direct,  # a proxy cannot reach this machine's own server
        "no_proxy": direct,
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
    }


class _Front:
    """The WSGI application in front of moto."""

    def __init__(self, store: Store, moto: Callable[[Environ, StartResponse], Iterable[bytes]], account: str) -> None:
        self._store = store
        self._moto = moto
        self._account = account

    def start(self, address: str) -> None:
        """Correct moto, now that our address is known."""
        from publisher.sandbox.truth import correct

        correct(self._store, lambda sha256: f"{address}/_layers/{sha256}.zip")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path, method = str(environ.get("PATH_INFO", "")), environ["REQUEST_METHOD"]
        if download := _DOWNLOAD.fullmatch(path):
            return self._download(download[1], environ, start_response)
        try:
            if method == "POST" and _PUBLISH.fullmatch(path):
                length = int(environ.get("CONTENT_LENGTH") or 0)
                _replace_body(environ, self._store.take(environ["wsgi.input"], length))
            if (answer := self._answer(environ, method, path)) is not None:
                return _reply(start_response, "204 No Content" if method == "DELETE" else "200 OK", answer)
            return self._moto(environ, start_response)
        except Refusal as refusal:
            status = _STATUS.get(refusal.status, "400 Bad Request")
            kind = {"Type": "User", "message": refusal.message, "Message": refusal.message}
            return _reply(start_response, status, kind, [("x-amzn-ErrorType", refusal.code)])

    def _answer(self, environ: Environ, method: str, path: str) -> dict[str, Any] | None:
        region = _REGION.search(environ.get("HTTP_AUTHORIZATION", ""))
        if region is None or "/layers" not in path:
            return None
        from moto.awslambda.models import lambda_backends

        from publisher.sandbox.truth import answer

        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if method == "POST" else b""
        if method == "POST":
            _replace_body(environ, body)
        return answer(method, path, environ.get("QUERY_STRING", ""), body, lambda_backends[self._account][region[1]])

    def _download(self, sha256: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = self._store.path(sha256)
        if not path.exists():
            return _reply(start_response, "404 Not Found", {})
        start_response("200 OK", [("Content-Type", "application/zip"), ("Content-Length", str(path.stat().st_size))])
        from werkzeug.wsgi import wrap_file

        return wrap_file(environ, path.open("rb"), 1 << 18)


def _replace_body(environ: Environ, body: bytes) -> None:
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _reply(
    start_response: StartResponse, status: str, data: dict[str, Any], headers: list[tuple[str, str]] | None = None
) -> Iterable[bytes]:
    body = b"" if status.startswith("204") else json.dumps(data).encode()
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("x-amzn-RequestId", str(uuid.uuid4())),
            *(headers or []),
        ],
    )
    return [body]


def _quiet_handler() -> type:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: object) -> None:
            """Say nothing for each request."""

    return Handler
