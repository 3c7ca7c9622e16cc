"""A request to stop: set by a signal or by a failure that ends a run, and read before every request to AWS."""

from __future__ import annotations

import threading
import time

from builder.model.errors import IncompleteError


class Stop:
    """Asks a run to start nothing new, and says why; the first reason counts.

    A run that is part of a command has a stop of its own below the ``command``'s: it may end for a reason of its own
    and still send the requests that undo something.
    """

    def __init__(self, command: Stop | None = None) -> None:
        self._event = threading.Event()
        self._command = command
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop; None if nothing asks for it."""
        return self._reason or (self._command.reason if self._command else None)

    def __call__(self, reason: str) -> None:
        """Ask the run to stop."""
        if self._reason is None:
            self._reason = reason
        self._event.set()

    def check(self, fix: str) -> None:
        """Raise IncompleteError if the run is asked to stop."""
        if self.requested:
            raise IncompleteError(f"stopped: {self.reason}", fix=fix)

    @property
    def requested(self) -> bool:
        """Whether the run is asked to stop."""
        return self.reason is not None

    def wait(self, seconds: float) -> bool:
        """Wait, until the run is asked to stop at the latest. Returns whether it was."""
        return self._event.wait(seconds)


class StoppableClock:
    """The system's clock, whose sleeps end when the run is asked to stop."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
