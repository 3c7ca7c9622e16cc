"""Annotations: the lines by which GitHub Actions shows errors and warnings beside a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.model.errors import LayersError

Level = Literal["error", "warning"]

#: How many of a kind GitHub shows of a step; what comes after is lost without a word.
SHOWN = 10
#: Longer messages are cut off there.
_LONGEST = 2000


@dataclass(frozen=True)
class Note:
    """One annotation. ``file`` and ``line``: where it is shown in the repository."""

    level: Level
    title: str
    message: str
    file: str | None = None
    line: int | None = None


def commands(notes: Iterable[Note], *, errors_left: int = 0) -> Iterator[str]:
    """The lines to print. Of more than are shown of a kind, the last says how many it stands for.

    ``errors_left``: how many of the errors that GitHub shows are for others to use.
    """
    by_level: dict[str, list[Note]] = {"error": [], "warning": []}
    for note in notes:
        by_level[note.level].append(note)
    for level, found in by_level.items():
        room = SHOWN - errors_left if level == "error" else SHOWN
        shown = found if len(found) <= room else found[: room - 1]
        yield from (_command(note) for note in shown)
        if more := len(found) - len(shown):
            kind = f"{level}s" if more > 1 else level
            yield f"::{level} title=And {more} more::{more} more {kind}; the log has them all"


def _command(note: Note) -> str:
    places = {"file": note.file, "line": note.line, "title": note.title}
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value is not None)
    message = note.message if len(note.message) <= _LONGEST else f"{note.message[: _LONGEST - 1]}…"
    return f"::{note.level} {properties}::{_data(message)}"


def _data(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")


def of_error(error: LayersError) -> Note:
    """The error that ends the program; beside its line, where it names one of a file that is there."""
    for file, line in re.findall(r"^\s*([^\s:]+):(\d+)(?=:|$)", f"{error.where or ''}\n{error.what}", re.MULTILINE):
        if Path(file).is_file():
            return Note("error", "layers", str(error), file, int(line))
    return Note("error", "layers", str(error))
