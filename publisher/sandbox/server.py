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
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from builder.smoke.bedrock import is_model_request, respond
from builder.smoke.bedrock_model import Model, default_model
from publisher.sandbox.zip_store import Refusal, Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

Environ = dict[str, Any]

_DOWNLOAD = re.compile(r"/_layers/([0-9a-f]{64})\.zip")
_PUBLISH = re.compile(r"/20\d\d-\d\d-\d\d/layers/.+/versions/?")
_SIGNED = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>lambda|signer)/")
_FUNCTIONS = re.compile(r"/2015-03-31/functions/?")
_INVOCATIONS = re.compile(r"/2015-03-31/functions/(.+)/invocations/?")


@contextmanager
def running(
    account: str,
    port: int = 0,
    *,
    stand_in: bool = False,
    log: Callable[[str], None] = lambda _: None,
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


def aws_variables(address: str, region: str) -> dict[str, str]:
    """Return the variables with which boto3, the AWS CLI and every SDK use the AWS at this address and nothing else."""
    return {
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


def environment(address: str, region: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return these environment variables with ``aws_variables`` in place of those for another AWS."""
    passed = {key: value for key, value in variables.items() if not key.startswith("AWS_")}
    direct = ",".join(filter(None, (variables.get("no_proxy") or variables.get("NO_PROXY"), "127.0.0.1")))
    # a proxy cannot reach a server on this machine
    return {**passed, "NO_PROXY": direct, "no_proxy": direct, **aws_variables(address, region)}


class _Front:
    """The WSGI application in front of moto."""

    def __init__(self, folder: Path, moto: WSGIApplication, account: str, model: Model) -> None:
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
        try:
            response = self._respond(environ, environ["REQUEST_METHOD"], str(environ.get("PATH_INFO", "")))
            return (response or self._moto)(environ, start_response)  # the corrections of moto raise Refusal, too
        except Refusal as refusal:
            kind = {"Type": "User", "message": refusal.message, "Message": refusal.message}
            return _reply(refusal.status, kind, {"x-amzn-ErrorType": refusal.code})(environ, start_response)

    def _respond(self, environ: Environ, method: str, path: str) -> WSGIApplication | None:
        """Return the response to a request where moto's would differ from AWS's, else None. Raises Refusal."""
        if download := _DOWNLOAD.fullmatch(path):
            return self._download(download[1], environ)
        if is_model_request(path):
            response = respond(path, _read_body(environ), self._model)
            return _reply(response.status, response.body, response.headers)
        if method == "POST" and _PUBLISH.fullmatch(path):
            length = int(environ.get("CONTENT_LENGTH") or 0)
            signed = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
            _replace_body(environ, self._store.take(environ["wsgi.input"], length, signed))
        signed_for = _SIGNED.search(environ.get("HTTP_AUTHORIZATION", ""))
        if signed_for is None:
            return None
        if signed_for["service"] == "lambda":
            return self._respond_as_lambda(environ, method, path, signed_for["region"])
        job = self._signing_jobs.respond(method, path, signed_for["region"], _read_body(environ))
        return None if job is None else _reply(200, job)

    def _respond_as_lambda(self, environ: Environ, method: str, path: str, region: str) -> WSGIApplication | None:
        from moto.awslambda.models import lambda_backends

        from publisher.sandbox.function_rules import refuse_creation
        from publisher.sandbox.moto_corrections import layers_response

        backend = lambda_backends[self._account][region]
        query = environ.get("QUERY_STRING", "")
        body = _read_body(environ) if method == "POST" else b""
        if method == "POST" and (invoked := _INVOCATIONS.fullmatch(path)):
            return self._invoke(unquote(invoked[1]), query, body, backend, environ)
        if method == "POST" and _FUNCTIONS.fullmatch(path):
            refuse_creation(body, backend, self._store)
        response = layers_response(method, path, query, body, backend)
        return None if response is None else _reply(204 if method == "DELETE" else 200, response)

    def _invoke(self, name: str, query: str, body: bytes, backend: Any, environ: Environ) -> WSGIApplication:
        from publisher.sandbox.function_rules import find

        function = find(name, parse_qs(query).get("Qualifier", [None])[0], backend, self._store)
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE") or "RequestResponse"
        invocation = self._invoker.invoke(function, body, kind, environ.get("HTTP_X_AMZ_LOG_TYPE", "None"))
        return _reply(invocation.status, invocation.payload, dict(invocation.headers))

    def _download(self, sha256: str, environ: Environ) -> WSGIApplication:
        from werkzeug.utils import send_file

        path = self._store.path(sha256)
        return send_file(path, environ, "application/zip") if path.exists() else _reply(404, {})


def _read_body(environ: Environ) -> bytes:
    """Return a request's body. moto can read it again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    _replace_body(environ, body)
    return body


def _replace_body(environ: Environ, body: bytes) -> None:
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _reply(status: int, data: dict[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> WSGIApplication:
    from werkzeug.wrappers import Response

    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    usual = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}
    return Response(b"" if status == HTTPStatus.NO_CONTENT else body, status, {**usual, **(headers or {})})


def _quiet_handler() -> type:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"

        def log(self, *_: object) -> None:
            """Log no requests."""

    return Handler
