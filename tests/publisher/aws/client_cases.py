"""A client of one region, and what it publishes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from botocore.config import Config

from publisher.aws.gateway import (
    Publication,
    Zip,
)
from publisher.aws.lambda_client import CONFIG, BotoLambda
from publisher.aws.publish_request import Bodies
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.session import new_session
from scripts.simaws.http_server import KEY, SECRET
from tests.fakes.serving import serving
from tests.fakes.simulated_runs import make_zip

REGION = "us-east-1"
ACCOUNT = "856699698935"
#: For a server that never responds. Any other one may take long on a loaded machine.
IMPATIENT = CONFIG.merge(Config(read_timeout=1))


def connect(address: str, folder: Path, region: str = REGION, config: Config = CONFIG) -> BotoLambda:
    session = new_session(KEY, SECRET)
    client = session.client("lambda", region_name=region, endpoint_url=address, config=config)
    return BotoLambda(region, client, TokenBucket(15), Bodies(folder))


def publication(folder: Path, text: str = "it", name: str = "demo-py3_12-x86_64", **changes: Any) -> Publication:
    data = make_zip(text)
    path = folder / f"{sha256(data).hexdigest()}.zip"
    path.write_bytes(data)
    made = Publication(
        layer_name=name,
        description='Käse “und” \\ "quotes"\n',
        license="Apache-2.0",
        runtimes=("python3.12",),
        architectures=("x86_64",),
        zip=Zip(path, sha256(data).hexdigest(), len(data)),
    )
    return replace(made, **changes)


@contextmanager
def canned(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[str]:
    """Serve the same response to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address
