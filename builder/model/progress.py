"""The interface by which long operations report progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a job. Every method may be called from any thread."""

    def begin(self, title: str, total: int) -> None:
        """Start a stage of ``total`` steps; this ends the stage before it."""

    def step(self, label: str, note: str = "") -> None:
        """Report that one step of the stage is done: ``py3.12-x86_64``, ``29.8 MB in 1.2 s``."""

    def note(self, text: str) -> None:
        """Show a line to the user, independent of the stage."""


class Quiet:
    """Discards all progress."""

    def begin(self, title: str, total: int) -> None: ...

    def step(self, label: str, note: str = "") -> None: ...

    def note(self, text: str) -> None: ...
