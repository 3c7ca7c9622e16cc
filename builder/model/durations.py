"""Durations as people write them: ``30m``, ``2 days``, ``1h 30min``."""

from __future__ import annotations

import re
from datetime import timedelta

from builder.model.figures import counted

#: Longer than any sensible wait or minimum age.
MAX_DURATION = timedelta(days=366)

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_UNITS = {
    **{word: unit for unit in _SECONDS for word in (unit, f"{unit}s", unit[0])},
    "sec": "second",
    "secs": "second",
    "min": "minute",
    "mins": "minute",
    "hr": "hour",
    "hrs": "hour",
}


def parse_duration(text: str) -> timedelta:
    """Parse a duration. Raises ValueError, with a message for the user, if it is invalid or longer than a year."""
    lowered = text.lower() if len(text) < 100 else ""
    parts = re.findall(r"(\d+)\s*([a-z]+)", lowered)
    rest = re.sub(r"\d+\s*[a-z]+|[\s,]", "", lowered)
    if not parts or rest:
        raise ValueError(f'{text[:40]!r} is not a duration; write it like "2 days", "36 hours" or 30m')
    unknown = [unit for _, unit in parts if unit not in _UNITS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a unit of time: seconds, minutes, hours, days or weeks")
    seconds = sum(int(number) * _SECONDS[_UNITS[unit]] for number, unit in parts)
    if seconds > MAX_DURATION.total_seconds():
        raise ValueError(f"{text[:40]!r} is more than a year")
    return timedelta(seconds=seconds)


def in_words(span: timedelta) -> str:
    """Format a duration in the largest unit that needs no fraction: ``2 days``, ``36 hours``, ``1 minute``."""
    seconds = int(span.total_seconds())
    unit = next((unit for unit, size in reversed(_SECONDS.items()) if seconds and seconds % size == 0), "second")
    count = seconds // _SECONDS[unit]
    return counted(count, unit).replace(",", "")  # parse_duration reads a comma as a separator
