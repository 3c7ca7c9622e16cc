"""Match the patterns of a ``.lambdaignore`` exactly as git matches a ``.gitignore``.

pathspec finds the last pattern that matches. Its own translation of patterns differs from git in negation below an
excluded folder and in bracket expressions, so that an excluded file could get into a zip. The translation here follows
git's ``wildmatch`` and matches one entry only: the caller does not enter an ignored folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from pathspec import PathSpec
from pathspec.pattern import RegexPattern

#: POSIX character classes as git defines them, in ASCII.
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r"\ \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\ \t\n\r\f\v", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
#: Matches nothing: git ignores a pattern that it cannot parse.
_NEVER = r"(?!)"
#: Marks the end of a folder's path: no name contains this character.
_FOLDER = r"\x00"


class _GitPattern(RegexPattern):
    """One line of an ignore file."""

    @classmethod
    def pattern_to_regex(cls, pattern: str) -> tuple[str | None, bool | None]:  # type: ignore[override]
        """Return the regular expression of a line, and whether it ignores (not ``!``); (None, None) for a comment."""
        line = _without_trailing_spaces(pattern)
        if not line or line.startswith("#"):
            return None, None
        ignores = not line.startswith("!")
        line = line if ignores else line[1:]
        folder_only = line.endswith("/")
        line = line[:-1] if folder_only else line
        is_path = "/" in line
        prefix = "" if is_path else "(?:.*/)?"
        body = "".join(_translate(line.removeprefix("/"), is_path)) or _NEVER
        end = _FOLDER if folder_only else _FOLDER + "?"
        return rf"(?s)\A{prefix}{body}{end}\Z", ignores


def ignore_rules(lines: Collection[str]) -> PathSpec[_GitPattern]:
    """Parse the lines of an ignore file."""
    # git matches bytes: "?" matches one byte of a UTF-8 name.
    return PathSpec((_GitPattern(_as_bytes(line)) for line in lines), backend="simple")


def is_ignored(path: str, is_folder: bool, rules: PathSpec[_GitPattern]) -> bool:
    """Whether the last rule that matches this entry ignores it."""
    return rules.match_file(_as_bytes(path) + ("\0" if is_folder else ""))


def _as_bytes(text: str) -> str:
    """Return the text's UTF-8 bytes as characters, one for each byte."""
    return os.fsencode(text).decode("latin-1")


def _without_trailing_spaces(line: str) -> str:
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return f"{bare} " if escapes % 2 and bare != line else bare


def _translate(pattern: str, is_path: bool) -> Iterator[str]:
    """Yield the parts of the regular expression for a pattern, as git's wildmatch reads it."""
    index = 0
    # git compares the literal prefix of a pattern separately: "**" directly after it counts as a whole name.
    literal_end = len(re.split(r"[*?\[\\]", pattern, maxsplit=1)[0])
    while index < len(pattern):
        char = pattern[index]
        if char == "*":
            end = len(pattern) - len(pattern[index:].lstrip("*"))
            starts_name = index in (0, literal_end) or pattern[index - 1 : index] == "/"
            whole = is_path and end - index > 1 and starts_name and pattern[end : end + 1] in ("", "/")
            if whole and pattern[end : end + 1] == "/":
                yield "(?:.*/)?"
                end += 1
            else:
                yield ".*" if whole else r"[^/\x00]*"
            index = end
        elif char == "?":
            yield r"[^/\x00]"
            index += 1
        elif char == "[":
            expression, index = _bracket(pattern, index + 1)
            yield expression
        else:
            index += char == "\\"
            yield re.escape(pattern[index]) if index < len(pattern) else _NEVER
            index += 1


def _bracket(pattern: str, index: int) -> tuple[str, int]:
    """Return the regular expression for the bracket expression whose content starts at ``index``, and its end."""
    negated = pattern[index : index + 1] in ("!", "^")
    index += negated
    members: list[str] = []
    start = index
    previous = ""  # the first character of a possible range
    while index == start or pattern[index : index + 1] != "]":
        posix = re.compile(r"\[:([^]]*):\]").match(pattern, index)
        if posix:
            if posix[1] not in _CLASSES:
                return _NEVER, len(pattern)
            members.append(_CLASSES[posix[1]])
            previous, index = "", posix.end()
            continue
        is_range = pattern[index : index + 1] == "-" and previous and pattern[index + 1 : index + 2] not in ("", "]")
        index += bool(is_range)
        index += pattern[index : index + 1] == "\\"
        char = pattern[index : index + 1]
        if not char:  # no closing bracket
            return _NEVER, len(pattern)
        if not is_range:
            members.append(re.escape(char))
        elif previous <= char:
            members.append(f"{re.escape(previous)}-{re.escape(char)}")
        previous = "" if is_range else char
        index += 1
    inside = "".join(members)
    if negated:
        return rf"[^/\x00{inside}]", index + 1
    return (rf"(?![/\x00])[{inside}]" if inside else _NEVER), index + 1
