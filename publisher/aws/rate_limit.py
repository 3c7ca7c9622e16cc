"""Limit the rate of requests to a region.

Lambda accepts 15 control-plane requests per second for an account in a region, for all operations together. The quota
is not adjustable (developer guide, "Lambda quotas").
"""

from __future__ import annotations

import threading

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.matrix import QUOTA_PER_SECOND
from builder.model.stop import Stop
from publisher.aws.gateway import Interrupted


class TokenBucket:
    """Allows ``rate`` requests per second, and after a pause a burst that stays within the quota of every second."""

    def __init__(self, rate: float, clock: Clock = SYSTEM_CLOCK, stop: Stop | None = None) -> None:
        self._stop = stop or Stop()
        self._rate = min(rate, QUOTA_PER_SECOND - 1.0)  # leaves room for a burst of one
        self._capacity = QUOTA_PER_SECOND - self._rate
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = self._capacity
        self._at = clock.monotonic()

    def take(self) -> None:
        """Wait until the next request is allowed, in the order of calls. Raises Interrupted if the run is stopped."""
        self._wait_for_turn()
        if self._stop.requested:
            raise Interrupted(f"not sent: {self._stop.reason}")

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1
            wait = -self._tokens / self._rate if self._tokens < 0 else 0.0
        if wait > 0:
            self._clock.sleep(wait)
