"""Getting a page from a package index: over HTTP with patience and limits, or from a folder.

Proxies, certificates, time limits and repeats are those that uv is set to, as far as the environment says them.
"""

from __future__ import annotations

import netrc
import os
import ssl
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.errors import InputError
from publisher.watch.index_locations import Place, SilentError

#: Of one answer. The largest project pages have some tens of megabytes.
LIMIT = 256 * 1024 * 1024
#: An answer that trickles is given up after so many times the limit between two pieces of it.
TRICKLE = 4
REDIRECTS = 5
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True)
class Answer:
    """A page as it came."""

    body: bytes
    content_type: str


def fetch(place: Place, path: str, clock: Clock = SYSTEM_CLOCK) -> Answer | None:
    """The page at ``path`` below a place; None where there is none.

    SilentError where no answer comes, after the repeats; InputError where the place refuses.
    """
    if place.folder is not None:
        return _read(place.folder / path)
    address = f"{place.address.rstrip('/')}/{path}/" if path else place.address
    repeats = Retrying(
        retry=retry_if_exception_type(SilentError),
        stop=stop_after_attempt(1 + _number("UV_HTTP_RETRIES", 3)),
        wait=wait_exponential(multiplier=0.5, max=10),
        sleep=clock.sleep,
        reraise=True,
    )
    return repeats(_get, place, address, clock)


def _read(path: Path) -> Answer | None:
    """A folder's names, or the page that an index in a folder has for a project."""
    try:
        if path.is_dir() and not (path / "index.html").is_file():
            return Answer("\n".join(each.name for each in path.iterdir()).encode("utf-8", "replace"), "names")
        page = path / "index.html" if path.is_dir() else path
        return Answer(page.read_bytes(), "text/html")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the package index cannot be read: {error.strerror}", where=str(path)) from None


def _get(place: Place, address: str, clock: Clock) -> Answer | None:
    seconds = _number("UV_HTTP_TIMEOUT", 30)
    until = clock.monotonic() + TRICKLE * seconds
    try:
        plain, headers = _authorized(place, address)
        answer = _pool(plain).request(
            "GET",
            plain,
            headers={"Accept": _ACCEPT, "Cache-Control": "no-cache", "User-Agent": "strands-layers", **headers},
            timeout=urllib3.Timeout(connect=min(seconds, 10), read=seconds),
            retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS),
            preload_content=False,
            decode_content=True,
        )
        try:
            return _answer(place, answer, until, clock)
        finally:
            answer.close()
    except urllib3.exceptions.HTTPError as error:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, urllib3.exceptions.ResponseError):
            raise InputError("the package index sends from one address to another", where=place.shown) from None
        raise SilentError(
            f"the package index does not answer: {_words(cause, seconds)}",
            where=place.shown,
            fix="see that its address is right and the network is there, then run the command again",
        ) from None


def _answer(place: Place, answer: urllib3.BaseHTTPResponse, until: float, clock: Clock) -> Answer | None:
    if answer.status in (404, 410):
        return None
    if answer.status in (401, 403, 407):
        raise InputError(
            f"the package index refuses with {answer.status}: the credentials are missing or wrong",
            where=place.shown,
            fix="give them in its address, in UV_INDEX_<NAME>_USERNAME and …_PASSWORD, or in ~/.netrc",
        )
    if answer.status == 429 or answer.status >= 500:
        raise SilentError(
            f"the package index answers {answer.status}", where=place.shown, fix="run the command again later"
        )
    if answer.status != 200:
        raise InputError(f"the package index answers {answer.status}", where=place.shown, fix="check its address")
    body = bytearray()
    while piece := answer.read1(1 << 16):
        body += piece
        if len(body) > LIMIT:
            raise InputError("the package index answers with more than any page has", where=place.shown)
        if clock.monotonic() > until:
            raise SilentError("the package index answers too slowly", where=place.shown)
    return Answer(bytes(body), answer.headers.get("Content-Type", "").lower())


def _authorized(place: Place, address: str) -> tuple[str, dict[str, str]]:
    """The address without credentials, and the header that has them."""
    parts = urllib3.util.parse_url(address)
    plain = parts._replace(auth=None).url
    pair = place.credentials or _from_netrc(parts.host or "")
    secret = unquote(parts.auth) if parts.auth else ":".join(pair) if pair else None
    return plain, urllib3.util.make_headers(basic_auth=secret) if secret else {}


def _from_netrc(host: str) -> tuple[str, str] | None:
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0] or "", found[2] or "") if found else None


def _pool(address: str) -> urllib3.PoolManager:
    parts = urlsplit(address)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    settings: dict[str, Any] = {"ssl_context": _certificates()} if parts.scheme == "https" else {}
    if proxy is None or proxy_bypass(parts.hostname or ""):
        return urllib3.PoolManager(**settings)
    secret = urllib3.util.parse_url(proxy).auth
    headers = urllib3.util.make_headers(proxy_basic_auth=unquote(secret)) if secret else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)


def _certificates() -> ssl.SSLContext:
    """The system's certificates (SSL_CERT_FILE, SSL_CERT_DIR), and the usual ones, where the system has none."""
    context = urllib3.util.create_urllib3_context()
    context.load_default_certs()
    context.load_verify_locations(cadata=files("botocore").joinpath("cacert.pem").read_text("utf-8"))
    return context


def _number(variable: str, default: int) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else default


def _words(cause: BaseException, seconds: int) -> str:
    match cause:
        case urllib3.exceptions.NameResolutionError():
            return "there is no host of this name"
        case urllib3.exceptions.NewConnectionError():  # which urllib3 counts among the next ones
            return "nobody listens there"
        case urllib3.exceptions.ConnectTimeoutError() | urllib3.exceptions.ReadTimeoutError():
            return f"nothing came within {seconds} s"
        case urllib3.exceptions.SSLError():
            return f"its certificate is not accepted ({cause.args[0] if cause.args else cause})"
        case urllib3.exceptions.ProxyError():
            return "the proxy does not let through"
        case urllib3.exceptions.IncompleteRead() | urllib3.exceptions.ProtocolError():
            return "the answer broke off"
        case urllib3.exceptions.DecodeError():
            return "the answer is packed wrongly"
        case _:
            return type(cause).__name__
