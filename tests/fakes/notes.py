"""A progress listener that keeps the notes for the user."""

from __future__ import annotations

from builder.model.progress import Quiet


class Notes(Quiet):
    """Keeps each note as a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)
