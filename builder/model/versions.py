"""Compare package versions from outside: one may be invalid, or have more digits than Python reads."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet
from packaging.version import Version


def same_version(one: str, other: str) -> bool:
    """Return whether two texts are the same version (PEP 440), or equal texts if one is not a version."""
    try:
        return Version(one) == Version(other)
    except ValueError:  # InvalidVersion, or more digits than Python reads
        return one == other


def allows(specifier: SpecifierSet, version: str, *, if_unreadable: bool = False) -> bool:
    """Return whether the specifier (PEP 440) allows the version, also a pre-release."""
    try:
        return specifier.contains(Version(version), prereleases=True)
    except ValueError:  # InvalidVersion, or more digits than Python reads
        return if_unreadable
