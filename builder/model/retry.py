"""Repeat a call that failed, with exponential backoff: the one place that sets up tenacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, wait_exponential, wait_random_exponential

from builder.model.clock import SYSTEM_CLOCK

T = TypeVar("T")


def repeat(
    call: Callable[[], T],
    is_worth_a_retry: Callable[[BaseException], bool],
    gives_up: Callable[[int], bool],
    *,
    first_wait_seconds: float,
    max_wait_seconds: float,
    jitter: bool = True,
    sleep: Callable[[float], None] = SYSTEM_CLOCK.sleep,
) -> T:
    """Return the call's result. Repeat it after an exception that is worth a retry, until ``gives_up`` returns true for
    the number of attempts; then raise the exception.

    ``jitter`` makes waits random, so that clients that failed together do not come back together.
    """
    wait = wait_random_exponential if jitter else wait_exponential
    retrying = Retrying(
        retry=retry_if_exception(is_worth_a_retry),
        wait=wait(multiplier=first_wait_seconds, max=max_wait_seconds),
        stop=lambda state: gives_up(state.attempt_number),
        sleep=sleep,
        reraise=True,
    )
    return retrying(call)
