"""Download a small document over HTTP(S), with a limit of its size and of the total time."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse, IncompleteRead, InvalidURL
from ssl import SSLCertVerificationError
from urllib import request
from urllib.error import HTTPError, URLError

from builder.model.errors import FailureClass, InputError
from builder.model.escape import shorten
from builder.model.time_limit import run_within

CONNECT_TIMEOUT_SECONDS = 20
TOTAL_TIMEOUT_SECONDS = 120
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024


def download(address: str, title: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the body at an http(s) address. Raises InputError if that fails; ``title`` names it in the message."""
    try:
        return run_within(TOTAL_TIMEOUT_SECONDS, lambda: _get(address, title, headers or {}))
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise InputError(
            f"{title} cannot be downloaded: {_reason(error)}",
            where=address,
            fix="check the address, the network and the proxy settings (HTTPS_PROXY), then run the command again",
            failure_class=FailureClass.PERMANENT if _is_permanent(error) else FailureClass.TEMPORARY,
        ) from None


def _get(address: str, title: str, headers: Mapping[str, str]) -> bytes:
    usual = {"User-Agent": "strands-layers", "Accept-Encoding": "gzip"}
    http_request = request.Request(address, headers={**usual, **headers})  # noqa: S310
    with _opener().open(http_request, timeout=CONNECT_TIMEOUT_SECONDS) as response:
        return _read(response, title, address)


def _opener() -> request.OpenerDirector:
    """Return an opener that follows redirects to http and https only: no file, no ftp."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _read(response: HTTPResponse, title: str, address: str) -> bytes:
    body = bytearray()
    while piece := response.read1(1 << 16):
        body += piece
        if len(body) > MAX_DOCUMENT_BYTES:
            raise _too_large(title, address)
    if response.length:  # read1 does not check it
        raise IncompleteRead(bytes(body), response.length)
    data = _decode(bytes(body), response.headers.get("Content-Encoding", "identity").strip().lower())
    if len(data) > MAX_DOCUMENT_BYTES:
        raise _too_large(title, address)
    return data


def _too_large(title: str, address: str) -> InputError:
    return InputError(f"{title} is larger than {MAX_DOCUMENT_BYTES >> 20} MB", where=address, fix="check the URL")


def _decode(body: bytes, encoding: str) -> bytes:
    """Return the content of a response; of gzip, at most one byte above the limit."""
    if encoding in ("", "identity"):
        return body
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        data = decompressor.decompress(body, MAX_DOCUMENT_BYTES + 1) if encoding in ("gzip", "x-gzip") else None
    except zlib.error:
        data = None
    if data is None:
        raise HTTPException(f"the response has an invalid Content-Encoding ({shorten(encoding, 20)})")
    if not decompressor.eof and len(data) <= MAX_DOCUMENT_BYTES:
        raise IncompleteRead(data)
    return data


def _is_permanent(error: Exception) -> bool:
    """Whether the same request fails again: an invalid URL, or a status such as 404."""
    if isinstance(error, HTTPError):
        return 400 <= error.code < 500 and error.code not in (408, 425, 429)
    return isinstance(error, InvalidURL)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    match cause:
        case HTTPError():
            return f"HTTP status {cause.code} {cause.reason}"
        case IncompleteRead():
            return "the response was truncated (IncompleteRead)"
        case InvalidURL() | ValueError() if not isinstance(cause, SSLCertVerificationError):
            return f"invalid URL ({cause})"
        case socket.gaierror():
            return f"the host name cannot be resolved ({cause.strerror})"
        case SSLCertVerificationError():
            return f"certificate verification failed ({cause.verify_message})"
        case TimeoutError():
            return str(cause) if "longer" in str(cause) else f"read timed out after {CONNECT_TIMEOUT_SECONDS} s"
        case OSError():
            return f"{(cause.strerror or str(cause)).lower()} ({type(cause).__name__})"
        case _:
            return f"{cause} ({type(cause).__name__})"
