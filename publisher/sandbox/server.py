"""The embedded AWS: moto's server on this machine, every region, with the account of a matrix.

A small WSGI application in front of moto writes uploads to disk (``zip_store``), responds where moto would differ from
AWS (``moto_corrections``, ``function_rules``), and serves the zips.
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
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from builder.smoke.bedrock import is_model_request, respond
from builder.smoke.bedrock_model import Model, default_model
from publisher.sandbox.zip_store import Refusal, Store

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_DOWNLOAD = re.compile(r"/_layers/([0-9a-f]{64})\.zip")
_PUBLISH = re.compile(r"/20\d\d-\d\d-\d\d/layers/.+/versions/?")
_REGION = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/lambda/")
_SIGNING_REGION = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/signer/")
_FUNCTIONS = re.compile(r"/2015-03-31/functions/?")
_INVOCATIONS = re.compile(r"/2015-03-31/functions/(.+)/invocations/?")


def _ignore(_text: str) -> None:
    """Ignore a message."""


@contextmanager
def running(
    account: str,
    port: int = 0,
    *,
    stand_in: bool = False,
    log: Callable[[str], None] = _ignore,
    model: Model = default_model,
) -> Iterator[str]:
    """Run the embedded AWS until the block ends and yield its address. Its contents are deleted at the end.

    ``stand_in``: respond for canary functions that this machine cannot run, from their layers' metadata, and report
    each to ``log``. ``model``: the responses of Bedrock's Converse and ConverseStream.
    """
    os.environ["MOTO_ACCOUNT_ID"] = account  # moto reads it when it is imported
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    folder = Path(tempfile.mkdtemp(prefix="layers-sandbox-"))
    front = _Front(folder, DomainDispatcherApplication(create_backend_app), account, model)
    server = make_server("127.0.0.1", port, front, threaded=True, request_handler=_quiet_handler())
    address = f"http://127.0.0.1:{server.server_port}"
    front.start(address, stand_in, log)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(folder, ignore_errors=True)


def environment(address: str, region: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which boto3, the AWS CLI and every SDK use the embedded AWS and nothing else."""
    passed = {key: value for key, value in variables.items() if not key.startswith("AWS_")}
    direct = ",".join(filter(None, (variables.get("no_proxy") or variables.get("NO_PROXY"), "127.0.0.1")))
    return {
        **passed,
        "NO_PROXY": direct,  # a proxy cannot reach a server on this machine
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

    def __init__(
        self, folder: Path, moto: Callable[[Environ, StartResponse], Iterable[bytes]], account: str, model: Model
    ) -> None:
        self._folder = folder
        self._store = Store(folder)
        self._moto = moto
        self._account = account
        self._model = model

    def start(self, address: str, stand_in: bool, log: Callable[[str], None]) -> None:
        """Correct moto, now that the server's address is known."""
        from publisher.sandbox import function_rules, moto_corrections
        from publisher.sandbox.account import allow_role_replacement
        from publisher.sandbox.invocation import Invoker
        from publisher.sandbox.signing_jobs import SigningJobs

        def link(sha256: str) -> str:
            return f"{address}/_layers/{sha256}.zip"

        allow_role_replacement()
        moto_corrections.correct(self._store, link)
        function_rules.correct(self._store, link)
        self._signing_jobs = SigningJobs(self._account)
        self._invoker = Invoker(self._store, self._folder, address, stand_in, log)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path, method = str(environ.get("PATH_INFO", "")), environ["REQUEST_METHOD"]
        if download := _DOWNLOAD.fullmatch(path):
            return self._download(download[1], environ, start_response)
        if is_model_request(path):
            response = respond(path, _read_body(environ), self._model)
            return _reply(start_response, response.status, response.body, response.headers)
        try:
            if method == "POST" and _PUBLISH.fullmatch(path):
                length = int(environ.get("CONTENT_LENGTH") or 0)
                signed = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
                _replace_body(environ, self._store.take(environ["wsgi.input"], length, signed))
            return self._respond(environ, method, path, start_response) or self._moto(environ, start_response)
        except Refusal as refusal:
            kind = {"Type": "User", "message": refusal.message, "Message": refusal.message}
            return _reply(start_response, refusal.status, kind, {"x-amzn-ErrorType": refusal.code})

    def _respond(
        self, environ: Environ, method: str, path: str, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """Return the response to a request where moto's would differ from AWS's, else None. Raises Refusal."""
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if signing := _SIGNING_REGION.search(authorization):
            return self._signing(environ, method, path, signing[1], start_response)
        region = _REGION.search(authorization)
        if region is None:
            return None
        from moto.awslambda.models import lambda_backends

        backend = lambda_backends[self._account][region[1]]
        query = environ.get("QUERY_STRING", "")
        body = _read_body(environ) if method == "POST" else b""
        if method == "POST" and (invoked := _INVOCATIONS.fullmatch(path)):
            return self._invoke(unquote(invoked[1]), query, body, backend, environ, start_response)
        if method == "POST" and _FUNCTIONS.fullmatch(path):
            from publisher.sandbox.function_rules import refuse_creation

            refuse_creation(body, backend, self._store)
        if "/layers" in path:
            from publisher.sandbox.moto_corrections import layers_response

            if (response := layers_response(method, path, query, body, backend)) is not None:
                return _reply(start_response, 204 if method == "DELETE" else 200, response)
        return None

    def _signing(
        self, environ: Environ, method: str, path: str, region: str, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        response = self._signing_jobs.respond(method, path, region, _read_body(environ))
        return None if response is None else _reply(start_response, 200, response)

    def _invoke(
        self, name: str, query: str, body: bytes, backend: Any, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        from publisher.sandbox.function_rules import find

        function = find(name, parse_qs(query).get("Qualifier", [None])[0], backend, self._store)
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE") or "RequestResponse"
        invocation = self._invoker.invoke(function, body, kind, environ.get("HTTP_X_AMZ_LOG_TYPE", "None"))
        return _reply(start_response, invocation.status, invocation.payload, dict(invocation.headers))

    def _download(self, sha256: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = self._store.path(sha256)
        if not path.exists():
            return _reply(start_response, 404, {})
        start_response("200 OK", [("Content-Type", "application/zip"), ("Content-Length", str(path.stat().st_size))])
        from werkzeug.wsgi import wrap_file

        return wrap_file(environ, path.open("rb"), 1 << 18)


def _read_body(environ: Environ) -> bytes:
    """Return a request's body. moto can read it again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    _replace_body(environ, body)
    return body


def _replace_body(environ: Environ, body: bytes) -> None:
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _reply(
    start_response: StartResponse,
    status: int,
    data: dict[str, Any] | bytes,
    headers: Mapping[str, str] | None = None,
) -> Iterable[bytes]:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    if status == HTTPStatus.NO_CONTENT:
        body = b""
    usual = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "x-amzn-RequestId": str(uuid.uuid4()),
    }
    start_response(f"{status} {HTTPStatus(status).phrase}", list({**usual, **(headers or {})}.items()))
    return [body]


def _quiet_handler() -> type:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"

        def log(self, *_: object) -> None:
            """Log no requests."""

    return Handler
