"""Get a page of a package index: over HTTP with uv's timeouts, retries and credentials, or from a folder."""

from __future__ import annotations

import netrc
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.errors import InputError, read_error
from builder.model.file_access import read_if_present
from builder.model.retry import repeat
from publisher.http.http_get import (
    MAX_DOCUMENT_BYTES,
    HttpDocument,
    HttpFailure,
    PermanentHttpFailure,
    TooSlow,
    http_get,
)
from publisher.watch.index_locations import IndexLocation, IndexUnavailableError

#: uv's default; UV_HTTP_TIMEOUT replaces it.
DEFAULT_TIMEOUT_SECONDS = 30
#: The time limit of a whole response, in multiples of the timeout for one read.
TOTAL_TIMEOUT_FACTOR = 4
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
        lambda: _get(location, address),
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
        body = read_if_present(page, "the page of the package index", MAX_DOCUMENT_BYTES)
        return None if body is None else IndexPage(body, "text/html")
    except (OSError, ValueError) as error:
        raise read_error("cannot read the package index", error, path) from None


def _get(location: IndexLocation, address: str) -> IndexPage | None:
    seconds = _number("UV_HTTP_TIMEOUT", DEFAULT_TIMEOUT_SECONDS)
    limit = TOTAL_TIMEOUT_FACTOR * seconds
    headers = {"Accept": _ACCEPT, "Cache-Control": "no-cache"}
    try:
        credentials = location.credentials or _from_netrc(urlsplit(address).hostname or "")
        response = http_get(
            address, headers, read_timeout_seconds=seconds, total_seconds=limit, credentials=credentials
        )
    except TooSlow:
        raise IndexTooSlowError(
            f"the package index is too slow: no complete response within {limit} s",
            where=location.shown,
            fix="run the command again later; UV_HTTP_TIMEOUT sets a longer limit",
        ) from None
    except (PermanentHttpFailure, ValueError) as error:  # ValueError: urlsplit rejects the address
        raise InputError(
            f"the package index cannot be read: {error}",
            where=location.shown,
            fix="check the address of the index (UV_INDEX, UV_DEFAULT_INDEX), and where it redirects to",
        ) from None
    except HttpFailure as error:
        raise IndexUnavailableError(
            f"the package index cannot be reached: {error}",
            where=location.shown,
            fix="check its address and the network, then run the command again",
        ) from None
    return _page(location, response)


def _page(location: IndexLocation, response: HttpDocument) -> IndexPage | None:
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
    return IndexPage(response.body, response.content_type)


def _from_netrc(host: str) -> tuple[str, str] | None:
    try:
        login = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (login[0] or "", login[2] or "") if login else None


def _number(variable: str, default: int) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else default
