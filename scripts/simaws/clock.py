"""Time that passes only when somebody sleeps, so that a run of minutes takes milliseconds."""

from __future__ import annotations

import threading


class VirtualClock:
    """One time for all threads: each sleep moves it on. Threads that sleep side by side add up, so it runs ahead of
    what a real run would take; it says nothing about speed."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += max(0.0, seconds)
