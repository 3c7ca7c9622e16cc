"""Render the page from the template, style and scripts in this folder, with the index as its data. Pure.

The page makes no requests: everything is in one file, and its Content-Security-Policy blocks the rest. This module
renders the parts that work without JavaScript: the releases and the links to the table and the index.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html import escape as escape_html
from importlib.resources import files

from builder.model.escape import escape
from publisher.catalog.index import Index, IndexedRelease, dump_rows
from publisher.catalog.page.page_data import page_data
from publisher.catalog.release_status import NOTHING_YET, Mark, date, marks, sizes

_SCRIPTS = ("model.js", "chart.js", "view.js")  # they become one module, in this order
_NO_SCRIPT = "The chooser needs JavaScript."
_ELSEWHERE = 'Every ARN is also in the <a href="layers.md">table</a> and the <a href="layers.json">index</a>.'


def index_html(index: Index) -> str:
    """Return the content of ``index.html``."""
    style = _file("page.css")
    script = "\n".join(_file(name) for name in _SCRIPTS)
    data = page_data(index)
    ready = bool(data["releases"])
    values = {
        "policy": _policy(style, script),
        "package": _text(index.package),
        "arn": _text(index.arn),
        "message": _NO_SCRIPT if ready else NOTHING_YET,
        "elsewhere": _ELSEWHERE if ready else "",
        "listed": "" if index.releases else "hidden",
        "releases": "\n".join(_row(index, release) for release in index.releases),
        "style": style,
        "data": _json(dump_rows(data)),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], _file("template.html"))


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy that allows only this style, this script and ``data:`` images."""
    return f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    return escape_html(escape(text))


def _json(text: str) -> str:
    """Escape JSON so that no text in it can close the script element."""
    return text.replace("<", "\\u003c").rstrip("\n")


def _row(index: Index, release: IndexedRelease) -> str:
    number = release.layer_version
    cells = [
        f'<th scope="row"><a href="#layer={number}">{number}</a></th>',
        f"<td>{_text(release.version)}</td>",
        f"<td>{date(release)}</td>",
        f"<td>{sizes(release)}</td>",
        f"<td>{' '.join(_mark(mark) for mark in marks(index, release))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _mark(mark: Mark) -> str:
    words = f'<strong class="mark {mark.word}">{mark.word}</strong>'
    words += f" {_text(mark.detail)}" if mark.detail else ""
    return f"<span>{words}{': ' + _text(mark.reason) if mark.reason else ''}</span>"
