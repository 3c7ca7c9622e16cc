"""The pace of requests to a region: Lambda takes 15 control-plane requests a second of an account in a region, shared
by all calls and not adjustable (developer guide, "Lambda quotas")."""

from __future__ import annotations

import threading

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.matrix import QUOTA_PER_SECOND


class TokenBucket:
    """Lets ``rate`` requests a second through; after a rest a few more at once, so many that no second sees more than
    the quota."""

    def __init__(self, rate: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._rate = min(rate, QUOTA_PER_SECOND - 1.0)  # and one that has waited: never more than the quota
        self._capacity = QUOTA_PER_SECOND - self._rate
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = self._capacity
        self._at = clock.monotonic()

    def take(self) -> None:
        """Wait for a turn. Turns are given in the order of asking."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1
            wait = -self._tokens / self._rate if self._tokens < 0 else 0.0
        if wait > 0:
            self._clock.sleep(wait)
