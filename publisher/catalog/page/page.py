"""The page put together: its template, style and script are files beside this one, its data is the index. Pure.

The page asks nobody for anything: all of it is in the file, and its policy forbids the rest. What it says without
JavaScript (releases, where the table is) is written here.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html import escape
from importlib.resources import files

from publisher.catalog.index import Index, IndexedRelease, dump_rows
from publisher.catalog.page.page_data import page_data
from publisher.catalog.release_status import NOTHING_YET, Mark, date, marks, sizes

_SCRIPTS = ("model.js", "chart.js", "view.js")  # one module, in this order
_NO_SCRIPT = "The chooser needs JavaScript."
_ELSEWHERE = 'Every ARN is also in the <a href="layers.md">table</a> and the <a href="layers.json">index</a>.'


def index_html(index: Index) -> str:
    """The whole of ``index.html``."""
    style = _file("page.css")
    script = "\n".join(_file(name) for name in _SCRIPTS)
    data = page_data(index)
    ready = bool(data["releases"])
    values = {
        "policy": _policy(style, script),
        "package": escape(index.package),
        "arn": escape(index.arn),
        "message": _NO_SCRIPT if ready else NOTHING_YET,
        "elsewhere": _ELSEWHERE if ready else "",
        "listed": "" if index.releases else "hidden",
        "releases": "\n".join(_row(index, release) for release in index.releases),
        "style": style,
        "data": _json(dump_rows(data)),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _file("template.html"))


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Only this style and this script; an image only if it is in the page itself."""
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(text: str) -> str:
    """JSON that is safe inside a script element, whatever words are in it."""
    return text.replace("<", "\\u003c").rstrip("\n")


def _row(index: Index, release: IndexedRelease) -> str:
    number = release.layer_version
    cells = [
        f'<th scope="row"><a href="#layer={number}">{number}</a></th>',
        f"<td>{escape(release.version)}</td>",
        f"<td>{date(release)}</td>",
        f"<td>{sizes(release)}</td>",
        f"<td>{' '.join(_mark(mark) for mark in marks(index, release))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _mark(mark: Mark) -> str:
    words = f'<strong class="mark {mark.word}">{mark.word}</strong>'
    words += f" {escape(mark.detail)}" if mark.detail else ""
    return f"<span>{words}{': ' + escape(mark.reason) if mark.reason else ''}</span>"
