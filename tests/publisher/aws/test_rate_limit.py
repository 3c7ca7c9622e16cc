"""The rate limit: as fast as the rate allows, never above the quota in any second, shared by threads."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from builder.model.matrix import QUOTA_PER_SECOND
from publisher.aws.rate_limit import TokenBucket
from scripts.simaws import VirtualClock


@given(
    rate=st.floats(0.5, QUOTA_PER_SECOND),
    rests=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_second_has_more_requests_than_the_quota(rate: float, rests: list[float]) -> None:
    clock = VirtualClock()
    bucket = TokenBucket(rate, clock)
    taken = []
    for rest in rests:
        clock.sleep(rest if rest > 2 else 0)
        bucket.take()
        taken.append(clock.monotonic())
    for start in taken:
        assert sum(start <= moment < start + 0.999 for moment in taken) <= QUOTA_PER_SECOND


def test_the_rate_is_reached() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(10, clock)
    for _ in range(105):
        bucket.take()
    assert abs(clock.monotonic() - 10) < 0.01


def test_threads_share_the_rate() -> None:
    """Each thread waits for its own slot; at 10 requests a second the slots are 0.1 s apart."""
    waits: list[float] = []

    class Noted:
        def monotonic(self) -> float:
            return 0.0

        def sleep(self, seconds: float) -> None:
            waits.append(round(seconds, 3))

    bucket = TokenBucket(10, Noted())
    threads = [threading.Thread(target=bucket.take) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [round(index / 10, 3) for index in range(1, 21)]
