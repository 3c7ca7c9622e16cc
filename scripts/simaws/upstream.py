"""The line from the client to AWS, which all connections share."""

from __future__ import annotations

import threading

from builder.model.clock import Clock


class Upstream:
    """Counts the bytes of requests, and lets them through at ``rate`` bytes per second, if given. Thread-safe."""

    def __init__(self, clock: Clock, rate: float | None = None) -> None:
        self.sent = 0
        self._clock = clock
        self._rate = rate
        self._free_at = clock.monotonic()
        self._lock = threading.Lock()

    def wait_for_bytes(self, size: int) -> None:
        """Wait as long as these bytes need after those that came before them."""
        with self._lock:
            self.sent += size
            if self._rate is None:
                return
            now = self._clock.monotonic()
            self._free_at = max(now, self._free_at) + size / self._rate
            wait = self._free_at - now
        self._clock.sleep(wait)
