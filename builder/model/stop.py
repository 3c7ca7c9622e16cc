"""The flag that stops a run: set by a signal or by a failure, and checked before every request to AWS."""

from __future__ import annotations

import threading
import time

from builder.model.errors import IncompleteError


class Stop:
    """Stops a run before its next request and holds the reason; the first reason counts.

    A run inside a command has its own Stop with the command's Stop as ``command``: the run may stop for its own reason,
    and the command can still send requests that undo something.
    """

    def __init__(self, command: Stop | None = None) -> None:
        self._event = threading.Event()
        self._command = command
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """The reason to stop; None if the run may go on."""
        return self._reason or (self._command.reason if self._command else None)

    def __call__(self, reason: str) -> None:
        """Stop the run."""
        if self._reason is None:
            self._reason = reason
        self._event.set()

    def check(self, fix: str) -> None:
        """Raise IncompleteError if a stop was requested."""
        if self.requested:
            raise IncompleteError(f"stopped: {self.reason}", fix=fix)

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self.reason is not None

    def wait(self, seconds: float) -> bool:
        """Wait ``seconds``, or until the run is stopped. Return whether it is stopped."""
        return self._event.wait(seconds)


class StoppableClock:
    """The system clock; its sleeps end early when the run is stopped."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
