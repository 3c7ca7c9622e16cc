"""Compare the packages of two locks or two zips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from builder.model.artifact import Locked


@dataclass(frozen=True)
class Changes:
    """The packages that differ, with their versions."""

    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    updated: tuple[tuple[str, str, str], ...]  #: name, old version, new version
    rewheeled: tuple[tuple[str, str], ...] = ()  #: the same version, another wheel

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.updated or self.rewheeled)

    def lines(self) -> list[str]:
        """Format one line for each change: ``+ new 1.0``, ``- old 1.0``, ``~ package 1.0 → 1.1``."""
        return [
            *(f"+ {name} {version}" for name, version in self.added),
            *(f"- {name} {version}" for name, version in self.removed),
            *(f"~ {name} {old} → {new}" for name, old, new in self.updated),
            *(f"~ {name} {version}, another wheel" for name, version in self.rewheeled),
        ]


def changes(old: Iterable[Locked], new: Iterable[Locked]) -> Changes:
    """Return the differences between two locks."""
    before, after = {each.name: each for each in old}, {each.name: each for each in new}
    rewheeled = tuple(
        (name, after[name].version)
        for name in sorted(before.keys() & after.keys())
        if before[name].version == after[name].version and before[name].sha256 != after[name].sha256
    )
    versions = compare_versions(*({n: each.version for n, each in lock.items()} for lock in (before, after)))
    return replace(versions, rewheeled=rewheeled)


def compare_versions(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    """Return the differences between two mappings from names to versions."""
    return Changes(
        tuple((name, after[name]) for name in sorted(after.keys() - before.keys())),
        tuple((name, before[name]) for name in sorted(before.keys() - after.keys())),
        tuple((n, before[n], after[n]) for n in sorted(before.keys() & after.keys()) if before[n] != after[n]),
    )
