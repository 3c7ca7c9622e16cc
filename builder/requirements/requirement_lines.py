"""The syntax of lines in requirements files: bare URLs, and lines that other tools write."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from builder.model.escape import shorten
from builder.requirements.direct_references import VCS, problem_of_url

URL = re.compile(r"^(?!file:)[a-z][a-z0-9+.-]*://")


def named_url(text: str) -> str:
    """Return ``name @ URL`` for a line that is only the URL of a wheel."""
    url, _, marker = text.partition(" ;")
    if not URL.match(text):
        return text
    try:
        name = parse_wheel_filename(unquote(urlsplit(url.strip()).path.rsplit("/", 1)[-1]))[0]
    except InvalidWheelFilename:
        return f"unnamed @ {text}"
    return f"{name} @ {url.strip()}" + (f" ;{marker}" if marker else "")


def advice_for_line(text: str) -> str | None:
    """Return advice for lines that other tools write and that no index can serve."""
    if re.fullmatch(r"pkg[-_]resources==0\.0\.0", text.strip()):
        return "pkg-resources==0.0.0 is not a package; Debian's pip freeze writes it by mistake: remove the line"
    if re.fullmatch(r"[A-Za-z0-9_.-]+=[^=<>!~\s]+(=\S*)?", text.strip()):
        return f"{text.strip()} is conda's format; write name==version (`pip list --format=freeze` prints it)"
    if VCS.match(text):
        return problem_of_url(text)
    bare = " ".join(text.split())
    if match := re.fullmatch(r"([A-Za-z0-9_.-]+) ?(?:\^|@|~|=>|=<| ) ?v?(\d[\w.]*)", bare):
        shown = shorten(f"{match[1]}=={match[2]}")
        return f"{shorten(bare)!r} is not a requirement (PEP 508); write {shown}, or use >=, <= or ~="
    return None
