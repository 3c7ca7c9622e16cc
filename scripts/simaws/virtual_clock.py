"""A clock that moves only when a thread sleeps, so that a run of minutes takes milliseconds."""

from __future__ import annotations

import threading


class VirtualClock:
    """One time for all threads: each sleep advances it. The sleeps of parallel threads add up, so it does not measure
    the duration of a real run.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += max(0.0, seconds)
