"""Markdown that other people's words cannot break. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def text(words: str) -> str:
    """Plain text as Markdown and MDX: on one line, and nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>|~&$])", r"\\\1", " ".join(words.split()))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A table of cells that are Markdown already. Columns are not padded, so that a new row changes no other."""
    lines = [
        "| " + " | ".join(headers) + " |",
        "|" + "|".join("---:" if place in right else "---" for place in range(len(headers))) + "|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
