"""Sizes, times and their differences as people read them."""

from __future__ import annotations


def megabytes(size: int) -> str:
    """Return ``29.8 MB``, in units of 1024² as in Lambda's limits."""
    return f"{size / 1048576:.1f} MB"


def counted(count: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
