"""Sizes, times and their differences as people read them."""

from __future__ import annotations

from collections.abc import Iterable


def megabytes(size: int | None, unknown: str = "") -> str:
    """Return ``29.8 MB``, in units of 1024² as in Lambda's limits."""
    return unknown if size is None else f"{size / 1048576:.1f} MB"


def seconds(value: float | None, unknown: str = "") -> str:
    """Return ``1.23 s``."""
    return unknown if value is None else f"{value:.2f} s"


def first_names(names: Iterable[object], most: int) -> str:
    """Join names for a sentence, of many only the first: ``a, b and 3 more``."""
    texts = list(map(str, names))
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 file``, ``2 files`` or ``2,000 files``; ``plural`` if it is not the noun with an ``s``."""
    return f"1 {noun}" if count == 1 else f"{count:,} {plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return ``1.2 s`` or ``2 min 5 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def difference(old: float, new: float, unit: str, digits: int) -> str:
    """Return ``+0.4 MB, +1.1 %``; ``the same`` if no displayed digit differs."""
    if round(new - old, digits) == 0:
        return "the same"
    share = f", {100 * (new - old) / old:+.1f} %" if old else ""
    return f"{new - old:+.{digits}f} {unit}{share}"
