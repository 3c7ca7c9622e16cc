"""How long the program waits for reads of AWS that do not show a change yet.

AWS documents no maximum. Reads and policies lag by 20 s and more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from builder.model.clock import Clock

#: Waits between reads that do not show a new layer version or a changed policy.
READ_BACKOFF_SECONDS: Final = (0.2, 0.8, 2.0, 4.0, 8.0, 16.0)
#: How long a change may stay hidden: 31 s.
READ_LAG_SECONDS: Final = sum(READ_BACKOFF_SECONDS)


def wait_until(is_shown: Callable[[], bool], clock: Clock) -> float | None:
    """Call until the result is true. Return the seconds waited between the calls; None if it never was true."""
    waited = 0.0
    for wait in READ_BACKOFF_SECONDS:
        if is_shown():
            return waited
        clock.sleep(wait)
        waited += wait
    return waited if is_shown() else None
