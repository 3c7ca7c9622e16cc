"""Text from outside (an index, AWS, a wheel, a file) made safe for terminals, logs, Markdown and GitHub Actions.

All output of the program goes through ``escape`` or ``escape_json``; a test checks that no code bypasses them.
"""

from __future__ import annotations

import json
import re

#: What GitHub Actions reads as a workflow command: ``::`` at the start of a line, ``##[`` anywhere in it.
_WORKFLOW_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)")


def escape(text: str) -> str:
    """Return the text as one safe line: characters that are not printable become Python escapes (``\\n``, ``\\x1b``).

    Escaping an escaped text does not change it.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _WORKFLOW_COMMAND.sub(lambda match: f"{match[1]}\\x3a" if match[0].endswith(":") else "\\x23", text)


def shorten(text: str, limit: int = 200) -> str:
    """Return the text escaped, with white space collapsed, truncated to ``limit`` characters."""
    line = escape(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def without_credentials(text: str) -> str:
    """Return the text with the credentials of every URL in it hidden."""
    return re.sub(r"(?<=://)[^/\s]*@", "***@", text)


def escape_json(document: str) -> str:
    """Return JSON with the same meaning in which every line is safe to print."""
    escaped = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)
    return escaped.replace("##[", "\\u0023#[")
