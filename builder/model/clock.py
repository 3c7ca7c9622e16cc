"""The clock behind an interface, so that tests can replace it and need not wait."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock and a way to wait, both in seconds."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class _SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK: Clock = _SystemClock()


def utc_now() -> datetime:
    """Return the time of day as records have it: UTC, without fractions of a second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def iso(moment: datetime) -> str:
    """Return a moment as every file of the program has it: ISO 8601, UTC, ``Z``."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
