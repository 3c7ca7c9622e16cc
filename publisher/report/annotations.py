"""Annotations: workflow commands with which GitHub Actions shows errors and warnings beside a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.model.errors import LayersError
from builder.model.escape import escape

Level = Literal["error", "warning"]

#: GitHub shows this many annotations of a level for each step and drops the rest without a message.
MAX_ANNOTATIONS = 10
_MAX_MESSAGE_CHARACTERS = 2000


@dataclass(frozen=True)
class Note:
    """One annotation. ``file`` and ``line``: where GitHub shows it in the repository."""

    level: Level
    title: str
    message: str
    file: str | None = None
    line: int | None = None


def commands(notes: Iterable[Note], *, errors_left: int = 0) -> Iterator[str]:
    """Return the lines to print. If a level has more than GitHub shows, the last one has the number of those left out.

    ``errors_left``: how many of the errors that GitHub shows are kept free for other callers.
    """
    by_level: dict[str, list[Note]] = {"error": [], "warning": []}
    for note in notes:
        by_level[note.level].append(note)
    for level, findings in by_level.items():
        room = MAX_ANNOTATIONS - errors_left if level == "error" else MAX_ANNOTATIONS
        shown = findings if len(findings) <= room else findings[: room - 1]
        yield from (_command(note) for note in shown)
        if more := len(findings) - len(shown):
            kind = f"{level}s" if more > 1 else level
            yield f"::{level} title=And {more} more::{more} more {kind}; the log has them all"


def _command(note: Note) -> str:
    places = {"file": note.file, "line": note.line, "title": note.title}
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value is not None)
    message = "\n".join(escape(line) for line in note.message.split("\n"))
    if len(message) > _MAX_MESSAGE_CHARACTERS:
        message = f"{message[: _MAX_MESSAGE_CHARACTERS - 1]}…"
    return f"::{note.level} {properties}::{_data(message)}"


def _data(words: str) -> str:
    return words.replace("%", "%25").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(escape(words)).replace(":", "%3A").replace(",", "%2C")


def error_note(error: LayersError) -> Note:
    """Return the annotation of the error that ends the program, beside its line if it names one of an existing file."""
    places = "\n".join([error.where or "", error.what, *error.details])
    for file, line in re.findall(r"^\s*([^\s:]+):(\d+)(?=:|$)", places, re.MULTILINE):
        if Path(file).is_file():
            return Note("error", "layers", str(error), file, int(line))
    return Note("error", "layers", str(error))
