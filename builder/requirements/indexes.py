"""Package indexes in a project's files: the public one and those of the environment are accepted, others refused."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from builder.model.escape import without_credentials
from builder.resolve import uv
from builder.resolve.settings import is_true

#: uv's name of an index before its URL.
_NAME = re.compile(r"^([A-Za-z0-9_.-]+)=(?=[a-z]+:|/)")


def refusal_of_index(url: str, *, find_links: bool = False) -> str | None:
    """Return why the index is refused; None if it is the public one or set in the environment."""
    bare = _bare(url)
    if bare == _bare(""):  # a template whose variable was not set is not an index
        return None
    configured = {_bare(part) for part in uv.index_places(os.environ)}
    if bare in configured:
        return None
    if not find_links and bare == _bare(uv.public_index() or ""):
        return None
    setting = "UV_FIND_LINKS" if find_links else "UV_INDEX, or UV_DEFAULT_INDEX to replace the public index,"
    kind = "the --find-links location" if find_links else "the package index"
    return (
        f"{kind} {without_credentials(url)} is not used, because the environment does not set it; "
        f"set {setting} to it if its packages may be used"
    )


def named_indexes() -> dict[str, str]:
    """Return the indexes that the environment names (``UV_INDEX=corp=https://…``): uv prefers them to a project's."""
    places = uv.index_places(os.environ)
    return {match[1]: place[match.end() :] for place in places if (match := _NAME.match(place))}


def no_index_is_set() -> bool:
    """Whether the environment forbids indexes."""
    return is_true(uv.environment(os.environ).get("UV_NO_INDEX"))


def _bare(url: str) -> str:
    """Return a URL without uv's name prefix, credentials, http(s) scheme and final slash, to compare it."""
    url = url.strip().strip("\"'")
    url = _NAME.sub("", url)
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = (parts.hostname or "") + port
    except ValueError:
        return url
    scheme = "" if parts.scheme in ("http", "https", "") else parts.scheme
    return f"{scheme}//{host}{unquote(parts.path).rstrip('/')}"
