"""Translate failures of uv's downloads, while it resolves and while it unpacks, into errors with a fix."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from http import HTTPStatus

from builder.model.errors import BuildError, FailureClass
from builder.resolve import uv
from builder.resolve.settings import is_true

_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})[^)]*\)(?: for url \(([^\s)]+))?")
_HASH_MISMATCH = re.compile(r"Hash mismatch for `(\S+?)(?: @ [^`]*)?` Expected: (.+?) Computed: ((?:\w+:[0-9a-f]+ ?)+)")
_REDIRECT = re.compile(r"HTTP 3\d\d [\w ]*'Location' value `(\S+?)`?(?: is not a valid|:? )")
_PROXY_VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
_TRUNCATED = re.compile(r"end of file before message length|unexpected end of file|IncompleteMessage")
_UNREACHABLE = re.compile(r"error sending request|tcp connect|dns error|timed out|error decoding|connection closed")
_DISK = re.compile(
    r"Failed to initialize cache|"
    r"(?:Read-only file system|Permission denied|No space left on device|quota exceeded) \(os error"
)
#: How many of a package's hashes an error shows.
_MAX_SHOWN_DIGESTS = 3
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_INDEX_FIX = "check the URL of the index (UV_INDEX, UV_DEFAULT_INDEX)"
_FIXES = {
    **dict.fromkeys((401, 403), "set the index's credentials for uv (UV_INDEX, netrc or a keyring)"),
    407: "set the proxy's credentials (HTTPS_PROXY=http://user:password@host:port)",
    429: "the index limits the rate of requests: wait some minutes, then run the command again",
}


def download_error(flat: str, where: str) -> BuildError | None:
    """Return the error for a failed download in uv's message on one line; None if another failure is the cause."""
    if match := _HASH_MISMATCH.search(flat):
        return hash_mismatch(match[1], match[2].split(), match[3].split(), where, "the lock or its own page states")
    if match := _STATUS.search(flat):
        return http_error(int(match[1]), _name_in(match[2] or ""), where)
    if _DISK.search(flat):
        return BuildError(
            f"uv cannot write a file: {uv.after_warnings(flat)[:500]}",
            where=where,
            fix="free some space, or set UV_CACHE_DIR and TMPDIR to folders that can be written",
        )
    if match := _REDIRECT.search(flat):
        return BuildError(
            f"the package index redirects to an invalid address, or not to http or https: {shown_url(match[1])[:200]}",
            where=where,
            fix=_INDEX_FIX,
        )
    cause = uv.without_addresses(uv.after_warnings(flat))[-500:]
    if _TRUNCATED.search(flat):
        return BuildError(
            f"a response of the package index was truncated: {cause}",
            where=where,
            fix="run the command again; if the error stays, check the index and any proxy before it",
            failure_class=FailureClass.TEMPORARY,
        )
    return unreachable(cause, where) if _UNREACHABLE.search(flat) else None


def unreachable(cause: str, where: str) -> BuildError:
    """Return the error for an index to which the connection fails."""
    proxies = [name for name in _PROXY_VARIABLES if os.environ.get(name) or os.environ.get(name.lower())]
    shown = f", and the proxy ({', '.join(proxies)})" if proxies else ""
    return BuildError(
        f"the package index cannot be reached: {cause}",
        where=where,
        fix=f"check the network and the URL of the index{shown}, then run the command again",
        failure_class=FailureClass.TEMPORARY,
    )


def is_temporary(flat: str) -> bool:
    """Whether a failed download may succeed when it is repeated."""
    match = _STATUS.search(flat)
    return int(match[1]) in _TEMPORARY if match else _UNREACHABLE.search(flat) is not None


def http_error(code: int, name: str, where: str) -> BuildError:
    """Return the error for an HTTP status of the index. ``name`` is the wheel or package, if it is known."""
    status = f"{code} {HTTPStatus(code).phrase}" if code in list(HTTPStatus) else str(code)
    if code in (401, 403):
        what = f"the package index refused access: {status}"
    else:
        what = f"the package index responds {status}" + (f" for {name}" if name else "")
    is_fault = code in _TEMPORARY
    if code in (404, 410) and name.endswith((".whl", ".metadata")):
        fix = "the index no longer has this file: resolve again (without the lock), or use another version"
    else:
        fix = "run the command again later" if is_fault else _INDEX_FIX
    return BuildError(
        what,
        where=where,
        fix=_FIXES.get(code, fix),
        failure_class=FailureClass.TEMPORARY if is_fault else FailureClass.PERMANENT,
    )


def hash_mismatch(
    package: str, expected: Sequence[str], computed: Sequence[str], where: str, stated_by: str
) -> BuildError:
    """Return the error for a wheel with other digests (``sha256:…``) than those that ``stated_by`` expects."""
    same_kind = [each for each in computed if any(each.partition(":")[0] == e.partition(":")[0] for e in expected)]
    shown = " or ".join(sorted(expected)[:_MAX_SHOWN_DIGESTS]) + (" or …" if len(expected) > _MAX_SHOWN_DIGESTS else "")
    return BuildError(
        f"hash mismatch: the index has other bytes than {stated_by}: {package.replace('==', ' ')} has "
        f"{' '.join(same_kind or computed)}, expected {shown} "
        f"(downloaded from {shown_indexes()})",
        where=where,
        fix="if it was locked, resolve again (without the lock); report an unexpected change to the wheel's "
        "maintainers or the index's operators",
    )


def shown_indexes() -> str:
    """Return the configured indexes, without credentials."""
    places = uv.index_places(os.environ)
    return ", ".join(shown_url(each) for each in places if not is_true(each)) or "the default index"


def shown_url(url: str) -> str:
    """Return an index's URL without credentials and query."""
    return re.sub(r"//[^/]*@", "//", url.split("?")[0].rstrip(",.`"))


def _name_in(url: str) -> str:
    """Return the last part of a URL's path: a wheel or a package."""
    return url.split("#")[0].split("?")[0].rstrip("/").rpartition("/")[2].removesuffix("…")
