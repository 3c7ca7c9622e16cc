"""Limits that a team sets for its own zips: absolute, or relative to the last release."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BYTES = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_SECONDS = {"ms": 0.001, "s": 1.0}


@dataclass(frozen=True)
class Limit:
    """At most ``absolute``, or at most ``growth`` (a fraction: 0.1 for ``+10%``) above the last release."""

    text: str  #: as it was written
    absolute: float | None = None  #: bytes or seconds
    growth: float | None = None

    def allowed(self, last: float | None) -> float | None:
        """Return the largest allowed value; None if it is relative to the last release and there is none."""
        if self.growth is None:
            return self.absolute
        return None if last is None else last * (1 + self.growth)


def parse_size(text: str) -> int:
    """Return the bytes of ``50 MB``, ``512KiB`` or ``52428800``. 1 MB is 1,048,576 bytes, as in Lambda's limits."""
    return round(_measure(text, _BYTES, "a size like 50 MB"))


def parse_size_limit(text: str) -> Limit:
    """Parse a limit for a size: ``50 MB`` or ``+10%``."""
    return _growth(text) or Limit(text.strip(), absolute=parse_size(text))


def parse_max_sizes(texts: Iterable[str]) -> dict[str, Limit]:
    """Return the limits of ``--max-size``, by ``zipped`` or ``unzipped``. A text without a name means ``zipped``.

    Raises ValueError for a text that is no limit.
    """
    limits = {}
    for text in texts:
        name, _, limit = text.rpartition("=")
        if name.strip() not in ("", "zipped", "unzipped"):
            raise ValueError(f"{name.strip()[:40]!r} is not zipped or unzipped")
        limits[name.strip() or "zipped"] = parse_size_limit(limit)
    return limits


def parse_time_limit(text: str) -> Limit:
    """Parse a limit for a time: ``1.5 s``, ``800 ms`` or ``+20%``."""
    return _growth(text) or Limit(text.strip(), absolute=_measure(text, _SECONDS, "a time like 1.5 s or 800 ms"))


def _growth(text: str) -> Limit | None:
    match = re.fullmatch(r"\+\s*(\d{1,4}(?:\.\d{1,4})?)\s*%", text.strip(), re.ASCII)
    return Limit(text.strip(), growth=float(match[1]) / 100) if match else None


def _measure(text: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    number = r"(?:\d{1,3}(?:,\d{3}){1,5}|[\d_]{1,20})(?:\.\d{1,6})?"  # no decimal comma: 45,5 is not 455
    match = re.fullmatch(rf"({number})\s*([a-z]*)", text.strip().lower(), re.ASCII)
    digits = re.sub(r"[_,]", "", match[1]) if match else ""
    unit = match[2].replace("ib", "b") if match else ""
    if not digits or (unit not in units and (unit or "b" not in units)):
        raise ValueError(f"{text[:40]!r} is not {example}, nor a growth like +10%")
    value = float(digits) * units.get(unit, 1)
    if not value:
        raise ValueError(f"{text[:40]!r} is not more than zero")
    return value
