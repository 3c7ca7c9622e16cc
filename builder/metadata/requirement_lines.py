"""Split requirements files into lines: comments and continuations."""

from __future__ import annotations

import re
from collections.abc import Iterator


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines, without comments and empty lines; join lines that end with a backslash."""
    pending, first = "", 0
    for number, line in enumerate([*re.split(r"\r\n|\r|\n", text), ""], 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        first = first or number
        if bare.endswith("\\"):
            pending += bare[:-1].rstrip() + " "
            continue
        if joined := (pending + bare).strip():
            yield first, joined
        pending, first = "", 0
