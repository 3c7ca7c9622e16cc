"""Render the page from the template, style and scripts in this folder, with the index as its data. Pure.

The page makes no requests: everything is in one file, and its Content-Security-Policy allows only this style, this
script and ``data:`` images. The releases and the links to the table and the index work without JavaScript.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from importlib.resources import files

from builder.model.escape import escape
from publisher.catalog.index import Index, dump_rows
from publisher.catalog.page.page_data import page_data
from publisher.catalog.release_status import NOTHING_YET, date, marks, sizes
from publisher.text.templates import templates

_SCRIPTS = ("model.js", "chart.js", "view.js")  # they become one module, in this order


def index_html(index: Index) -> str:
    """Return the content of ``index.html``."""
    style = _file("page.css")
    script = "\n".join(_file(name) for name in _SCRIPTS)
    data = page_data(index)
    template = templates(__package__).get_template("template.html")
    return template.render(
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        index=index,
        ready=bool(data["releases"]),
        nothing_yet=NOTHING_YET,
        visible=escape,
        date=date,
        sizes=sizes,
        marks=marks,
        style=style,
        data=dump_rows(data).replace("<", "\\u003c").rstrip("\n"),  # no text in it can close the script element
        script=script,
    )


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
