"""Markdown that text from outside cannot break. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from builder.model.escape import escape


def text(words: str) -> str:
    """Return plain text as one line of Markdown or MDX in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>|~&$])", r"\\\1", escape(" ".join(words.split())))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a table of cells that are already Markdown. Columns are not padded, so that a new row changes no other."""
    lines = [
        "| " + " | ".join(headers) + " |",
        "|" + "|".join("---:" if place in right else "---" for place in range(len(headers))) + "|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
