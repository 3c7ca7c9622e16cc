"""How long work tells what it is doing, without knowing whether anybody looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what a job does. Every method may be called from any thread."""

    def begin(self, title: str, total: int) -> None:
        """A stage of ``total`` steps starts (and ends the one before)."""

    def step(self, label: str, note: str = "") -> None:
        """One step of the stage is done: ``py3.12-x86_64``, ``29.8 MB in 1.2 s``."""

    def note(self, text: str) -> None:
        """A line that a reader should see, whatever stage it is."""


class Quiet:
    """Tells nobody."""

    def begin(self, title: str, total: int) -> None: ...

    def step(self, label: str, note: str = "") -> None: ...

    def note(self, text: str) -> None: ...
