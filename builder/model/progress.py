"""The port through which long work reports what it does."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a job. Every method may be called from any thread."""

    def begin(self, title: str, total: int) -> None:
        """A stage of ``total`` steps starts (and ends the one before)."""

    def step(self, label: str, note: str = "") -> None:
        """One step of the stage is done: ``py3.12-x86_64``, ``29.8 MB in 1.2 s``."""

    def note(self, text: str) -> None:
        """A line for the user, independent of the stage."""


class Quiet:
    """Discards all progress."""

    def begin(self, title: str, total: int) -> None: ...

    def step(self, label: str, note: str = "") -> None: ...

    def note(self, text: str) -> None: ...
