"""Markdown that text from outside cannot break. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from builder.model.escape import escape


def text(words: str) -> str:
    """Return plain text as one line of Markdown or MDX in which nothing is markup, a link or a mention.

    GitHub links ``@name``, ``#1``, ``GH-1`` and addresses in plain text too, which notifies people and adds to issues.
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>|~&$])", r"\\\1", escape(" ".join(words.split())))
    # A backslash does not prevent it: GitHub searches the rendered text. MDX has no HTML comments.
    return re.sub(
        r"@(?=\w)|#(?=\d)|\bGH-(?=\d)|:(?=//)|\bwww(?=\.)", r"\g<0><span></span>", escaped, flags=re.IGNORECASE
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a table of cells that are already Markdown. Columns are not padded, so that a new row changes no other."""
    lines = [
        "| " + " | ".join(headers) + " |",
        "|" + "|".join("---:" if place in right else "---" for place in range(len(headers))) + "|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
