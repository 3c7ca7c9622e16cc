"""The comparison of package versions."""

from __future__ import annotations

from packaging.version import Version


def same_version(one: str, other: str) -> bool:
    """Return whether two texts are the same version (PEP 440), or equal texts if one is not a version."""
    try:
        return Version(one) == Version(other)
    except ValueError:  # InvalidVersion, or more digits than Python reads
        return one == other
