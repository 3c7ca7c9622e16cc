"""The Jinja templates in the folder of a package. A name that has no value is an error."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape


@cache
def templates(package: str, *, trim: bool = True) -> Environment:
    """Return the templates of a package. Values in ``.html`` are escaped. In other files the caller escapes them.

    ``trim``: a line with a statement alone leaves no empty line.
    """
    texts = {
        each.name: each.read_text("utf-8") for each in files(package).iterdir() if each.name.endswith(("jinja", "html"))
    }
    return Environment(
        loader=DictLoader(texts), undefined=StrictUndefined, autoescape=select_autoescape(["html"], default=False),
        trim_blocks=trim, lstrip_blocks=trim, keep_trailing_newline=True,
    )  # fmt: skip
