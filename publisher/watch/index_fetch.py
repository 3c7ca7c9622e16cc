"""Get a page of a package index: over HTTP with retries and limits, or from a folder.

Proxies, certificates, timeouts and retries are those of uv, as far as environment variables or pip's settings set them.
"""

from __future__ import annotations

import netrc
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from builder.model.bounded_file import read_if_present
from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.errors import InputError, read_error
from builder.model.retry import repeat
from builder.model.time_limit import run_within
from builder.resolve import uv
from publisher.watch.index_locations import IndexLocation, IndexUnavailableError

#: The largest project pages have some tens of megabytes.
MAX_PAGE_BYTES = 64 * 1024 * 1024
#: uv's default; UV_HTTP_TIMEOUT replaces it.
DEFAULT_TIMEOUT_SECONDS = 30
#: The time limit of a whole response, in multiples of the timeout for one read.
TOTAL_TIMEOUT_FACTOR = 4
MAX_REDIRECTS = 5
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class IndexTooSlowError(IndexUnavailableError):
    """The response was not complete within the time limit."""


@dataclass(frozen=True)
class IndexPage:
    """A page of a package index, not parsed."""

    body: bytes
    content_type: str


def fetch(location: IndexLocation, path: str, clock: Clock = SYSTEM_CLOCK) -> IndexPage | None:
    """Return the page at ``path`` below a location; None if it does not exist.

    Raises IndexUnavailableError if there is no response after all retries, InputError if the index refuses.
    """
    if location.folder is not None:
        return _read(location.folder / path)
    address = f"{location.address.rstrip('/')}/{path}/" if path else location.address
    max_retries = _number("UV_HTTP_RETRIES", 3)
    return repeat(
        lambda: _get_in_time(location, address),
        _is_worth_a_retry,
        lambda attempts: attempts > max_retries,
        first_wait_seconds=0.5,
        max_wait_seconds=10,
        sleep=clock.sleep,
    )


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, IndexUnavailableError) and not isinstance(error, IndexTooSlowError)


def _read(path: Path) -> IndexPage | None:
    """Return the names in a folder, or the page that an index in a folder has for a project."""
    try:
        if path.is_dir() and not (path / "index.html").is_file():
            return IndexPage("\n".join(each.name for each in path.iterdir()).encode("utf-8", "replace"), "names")
        page = path / "index.html" if path.is_dir() else path
        body = read_if_present(page, "the page of the package index", MAX_PAGE_BYTES)
        return None if body is None else IndexPage(body, "text/html")
    except (OSError, ValueError) as error:
        raise read_error("cannot read the package index", error, path) from None


def _too_large(page: str) -> InputError:
    return InputError(
        f"the page of the package index is larger than {MAX_PAGE_BYTES >> 20} MB",
        where=page,
        fix="check the address of the index (UV_DEFAULT_INDEX)",
    )


def _get_in_time(location: IndexLocation, address: str) -> IndexPage | None:
    """Get a page within the total time limit, however slowly status line, headers or body arrive."""
    limit = TOTAL_TIMEOUT_FACTOR * _number("UV_HTTP_TIMEOUT", DEFAULT_TIMEOUT_SECONDS)
    try:
        return run_within(limit, lambda: _get(location, address))
    except TimeoutError:
        raise IndexTooSlowError(
            f"the package index is too slow: no complete response within {limit} s",
            where=location.shown,
            fix="run the command again later; UV_HTTP_TIMEOUT sets a longer limit",
        ) from None


def _get(location: IndexLocation, address: str) -> IndexPage | None:
    seconds = _number("UV_HTTP_TIMEOUT", DEFAULT_TIMEOUT_SECONDS)
    try:
        plain, headers = _split_credentials(location, address)
        response = _pool(plain).request(
            "GET",
            plain,
            headers={"Accept": _ACCEPT, "Cache-Control": "no-cache", "User-Agent": "strands-layers", **headers},
            timeout=urllib3.Timeout(connect=min(seconds, 10), read=seconds),
            retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS),
            preload_content=False,
            decode_content=True,
        )
        try:
            return _page(location, response)
        finally:
            response.close()
    except urllib3.exceptions.HTTPError as error:
        raise _http_error(location, getattr(error, "reason", None) or error, seconds) from None
    except (ValueError, HTTPException) as error:  # the address is not a valid URL
        raise _invalid_url(location, error) from None


def _http_error(location: IndexLocation, cause: BaseException, seconds: int) -> InputError:
    if isinstance(cause, urllib3.exceptions.ResponseError):
        return InputError(
            "the package index cannot be read: too many redirects",
            where=location.shown,
            fix="check the URL of the index (UV_INDEX, UV_DEFAULT_INDEX)",
        )
    if isinstance(cause, urllib3.exceptions.LocationValueError | urllib3.exceptions.URLSchemeUnknown):
        return _invalid_url(location, cause)
    return IndexUnavailableError(
        f"the package index cannot be reached: {_reason(cause, seconds)}",
        where=location.shown,
        fix="check its address and the network, then run the command again",
    )


def _invalid_url(location: IndexLocation, error: BaseException) -> InputError:
    return InputError(
        f"the package index has an invalid URL ({type(error).__name__})",
        where=location.shown,
        fix="check the address of the index (UV_INDEX, UV_DEFAULT_INDEX), and where it redirects to",
    )


def _page(location: IndexLocation, response: urllib3.BaseHTTPResponse) -> IndexPage | None:
    if response.status in (404, 410):
        return None
    if response.status in (401, 403, 407):
        raise InputError(
            f"the package index refuses the request with status {response.status}: wrong or missing credentials",
            where=location.shown,
            fix="set them in its address, in UV_INDEX_<NAME>_USERNAME and …_PASSWORD, or in ~/.netrc",
        )
    if response.status == 429 or response.status >= 500:
        raise IndexUnavailableError(
            f"the package index responds with status {response.status}",
            where=location.shown,
            fix="run the command again later",
        )
    if response.status != 200:
        raise InputError(
            f"the package index responds with status {response.status}", where=location.shown, fix="check its address"
        )
    body = bytearray()
    while piece := response.read1(1 << 16):
        body += piece
        if len(body) > MAX_PAGE_BYTES:
            raise _too_large(location.shown)
    return IndexPage(bytes(body), response.headers.get("Content-Type", "").lower())


def _split_credentials(location: IndexLocation, address: str) -> tuple[str, dict[str, str]]:
    """Return the address without credentials, and the header with them."""
    parts = urllib3.util.parse_url(address)
    plain = parts._replace(auth=None).url
    pair = location.credentials or _from_netrc(parts.host or "")
    secret = unquote(parts.auth) if parts.auth else ":".join(pair) if pair else None
    return plain, urllib3.util.make_headers(basic_auth=secret) if secret else {}


def _from_netrc(host: str) -> tuple[str, str] | None:
    try:
        login = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (login[0] or "", login[2] or "") if login else None


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
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user has asked for it
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    context.load_default_certs()
    context.load_verify_locations(cadata=files("botocore").joinpath("cacert.pem").read_text("utf-8"))
    if file := variables.get("SSL_CERT_FILE"):
        with suppress(OSError):  # uv warns of a file that it cannot read
            context.load_verify_locations(file)
    return context


def _number(variable: str, default: int) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else default


def _reason(cause: BaseException, seconds: int) -> str:
    match cause:
        case urllib3.exceptions.NameResolutionError():
            return "the host name cannot be resolved"
        case urllib3.exceptions.NewConnectionError():  # a subclass of ConnectTimeoutError
            return "connection refused" if "refused" in str(cause) else f"no connection ({type(cause).__name__})"
        case urllib3.exceptions.ConnectTimeoutError() | urllib3.exceptions.ReadTimeoutError():
            return f"read timed out after {seconds} s"
        case urllib3.exceptions.SSLError():
            return f"certificate verification failed ({cause.args[0] if cause.args else cause})"
        case urllib3.exceptions.ProxyError():
            return "the proxy refuses the connection (ProxyError)"
        case urllib3.exceptions.IncompleteRead() | urllib3.exceptions.ProtocolError():
            return f"the response was truncated ({type(cause).__name__})"
        case urllib3.exceptions.DecodeError():
            return "the response has an invalid Content-Encoding"
        case _:
            return type(cause).__name__
