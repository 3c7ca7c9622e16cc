"""Replace the text between two markers of a page, and nothing else. Pure."""

from __future__ import annotations

import re

from builder.model.errors import InputError

#: A marker alone on its line, as HTML comment (Markdown) or as comment of MDX.
_MARKER = re.compile(
    r"^[ \t]*(?:<!--[ \t]*layers:(?P<html>begin|end)[ \t]*-->|\{/\*[ \t]*layers:(?P<mdx>begin|end)[ \t]*\*/\})[ \t]*$"
)
_HELP = "put <!-- layers:begin --> and <!-- layers:end --> on lines of their own (MDX: {/* layers:begin */})"


def inject(page: str, text: str, name: str) -> str:
    """Return the page with ``text`` between its markers. ``name``: the file, for messages. Line endings are kept."""
    lines = page.splitlines(keepends=True)
    marks = [
        (place, match["html"] or match["mdx"])
        for place, line in enumerate(lines)
        if (match := _MARKER.match(line.rstrip("\r\n")))
    ]
    if not marks:
        raise InputError("the page has no markers", where=name, fix=_HELP)
    if [kind for _, kind in marks] != ["begin", "end"]:
        line, kind = marks[2] if len(marks) > 2 else marks[0] if marks[0][1] == "end" else marks[-1]
        raise InputError(
            "a begin marker without an end marker" if kind == "begin" else "an end marker without a begin marker",
            where=f"{name}:{line + 1}",
            fix=_HELP,
        )
    (begin, _), (end, _) = marks
    newline = "\r\n" if lines[begin].endswith("\r\n") else "\n"
    inner = f"\n{text.strip()}\n\n".replace("\n", newline)
    return "".join([*lines[: begin + 1], inner, *lines[end:]])
