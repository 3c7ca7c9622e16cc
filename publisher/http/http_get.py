"""Get a document over HTTP(S), with limits of its size and of the total time. Each failure has one name.

Proxies and certificates are those of uv, as far as environment variables or pip's settings set them.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from importlib.resources import files
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions

from builder.model.escape import shorten
from builder.resolve import uv

#: The largest documents, an index of a ledger or of a project, have some tens of megabytes.
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
MAX_CONNECT_SECONDS = 10
MAX_REDIRECTS = 5


@dataclass(frozen=True)
class HttpDocument:
    """A response. ``body`` is empty unless the status is 200."""

    status: int
    reason: str
    content_type: str
    body: bytes


class HttpFailure(Exception):  # noqa: N818 - named for what happened
    """There is no usable response. The message has the reason; the same request may succeed later."""


class PermanentHttpFailure(HttpFailure):
    """A retry fails as well: the URL is invalid or redirects without end, or the document is too large."""


class TooSlow(HttpFailure):
    """The response was not complete within the total time."""


def http_get(
    address: str,
    headers: Mapping[str, str],
    *,
    read_timeout_seconds: int,
    total_seconds: float,
    credentials: tuple[str, str] | None = None,
) -> HttpDocument:
    """Return the response at an address, however slowly it arrives. Raises HttpFailure.

    ``credentials``: user and password, unless the address has some.
    """
    try:
        return _run_within(total_seconds, lambda: _get(address, headers, read_timeout_seconds, credentials))
    except exceptions.HTTPError as error:
        raise _failure(getattr(error, "reason", None) or error, read_timeout_seconds) from None
    except (ValueError, HTTPException) as error:
        raise PermanentHttpFailure(f"invalid URL ({error})") from None


def _run_within(seconds: float, request: Callable[[], HttpDocument]) -> HttpDocument:
    """Return the result of a request, or raise its error. Raises TooSlow if it takes longer than ``seconds``.

    The timeout of a socket starts again with each byte. So the request runs in a daemon thread, which is left behind
    if it takes too long; it ends when its socket does.
    """
    future: Future[HttpDocument] = Future()

    def run() -> None:
        try:
            future.set_result(request())
        except Exception as error:  # noqa: BLE001 - the caller raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="request").start()
    if not wait([future], seconds).done:
        raise TooSlow(f"the request took longer than {seconds} s")
    return future.result()


def _get(address: str, headers: Mapping[str, str], seconds: int, credentials: tuple[str, str] | None) -> HttpDocument:
    parts = urllib3.util.parse_url(address)
    plain = parts._replace(auth=None).url
    secret = unquote(parts.auth) if parts.auth else ":".join(credentials) if credentials else None
    own = urllib3.util.make_headers(basic_auth=secret) if secret else {}
    response = _pool(plain).request(
        "GET",
        plain,
        headers={"User-Agent": "strands-layers", "Accept-Encoding": "gzip", **headers, **own},
        timeout=urllib3.Timeout(connect=min(seconds, MAX_CONNECT_SECONDS), read=seconds),
        retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS),
        preload_content=False,
        decode_content=True,
    )
    try:
        body = _body(response) if response.status == 200 else b""
        kind = response.headers.get("Content-Type", "").lower()
        return HttpDocument(response.status, response.reason or "", kind, body)
    finally:
        response.close()


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):  # urllib3 returns it undecoded
        raise exceptions.DecodeError(encoding)
    body = bytearray()
    while piece := response.read1(1 << 16):
        body += piece
        if len(body) > MAX_DOCUMENT_BYTES:
            raise PermanentHttpFailure(f"larger than {MAX_DOCUMENT_BYTES >> 20} MB")
    return bytes(body)


def _pool(address: str) -> urllib3.PoolManager:
    parts = urlsplit(address)
    host = parts.hostname or ""
    variables = uv.environment(os.environ)  # with pip's settings translated
    proxies = getproxies()
    proxy = variables.get(f"{parts.scheme}_proxy") or proxies.get(parts.scheme) or proxies.get("all")
    is_trusted = not {host, parts.netloc.rpartition("@")[2]}.isdisjoint(variables.get("UV_INSECURE_HOST", "").split())
    settings: dict[str, Any] = {"ssl_context": _certificates(variables, is_trusted)} if parts.scheme == "https" else {}
    if proxy is None or proxy_bypass(host):
        return urllib3.PoolManager(**settings)
    secret = urllib3.util.parse_url(proxy).auth
    headers = urllib3.util.make_headers(proxy_basic_auth=unquote(secret)) if secret else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)


def _certificates(variables: Mapping[str, str], is_trusted: bool) -> ssl.SSLContext:
    """Trust the system's certificates (SSL_CERT_FILE, SSL_CERT_DIR) and botocore's, since a system may have none."""
    context = urllib3.util.create_urllib3_context()
    if is_trusted:
        urllib3.disable_warnings(exceptions.InsecureRequestWarning)  # the user has asked for it
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    context.load_default_certs()
    context.load_verify_locations(cadata=files("botocore").joinpath("cacert.pem").read_text("utf-8"))
    if file := variables.get("SSL_CERT_FILE"):
        with suppress(OSError):  # uv warns of a file that it cannot read
            context.load_verify_locations(file)
    return context


def _failure(cause: BaseException, seconds: int) -> HttpFailure:
    match cause:
        case exceptions.ResponseError():
            return PermanentHttpFailure("too many redirects")
        case exceptions.LocationValueError() | exceptions.URLSchemeUnknown():
            return PermanentHttpFailure(f"invalid URL ({type(cause).__name__})")
        case exceptions.NameResolutionError():
            return HttpFailure("the host name cannot be resolved")
        case exceptions.NewConnectionError():  # a subclass of ConnectTimeoutError
            refused = "refused" in str(cause)
            return HttpFailure("connection refused" if refused else f"no connection ({type(cause).__name__})")
        case exceptions.ConnectTimeoutError() | exceptions.ReadTimeoutError():
            return HttpFailure(f"read timed out after {seconds} s")
        case exceptions.SSLError():
            return HttpFailure(f"certificate verification failed ({cause.args[0] if cause.args else cause})")
        case exceptions.ProxyError():
            return HttpFailure("the proxy refuses the connection (ProxyError)")
        case exceptions.ProtocolError():
            return HttpFailure(_invalid_response(cause.args[-1] if cause.args else cause))
        case exceptions.DecodeError():
            return HttpFailure("the response has an invalid Content-Encoding")
    return HttpFailure(type(cause).__name__)


def _invalid_response(cause: object) -> str:
    """Return the reason for a truncated response, or one that is not HTTP."""
    name = type(cause).__name__
    if "IncompleteRead" in name or "Chunk" in name or not isinstance(cause, Exception):
        return "the response was truncated (IncompleteRead)"
    return f"the response is invalid: {shorten(str(cause), 100)} ({name})"
