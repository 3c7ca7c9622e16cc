"""Compare two locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builder.model.artifact import Locked


@dataclass(frozen=True)
class Changes:
    """The packages in which two locks differ, with their versions."""

    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    updated: tuple[tuple[str, str, str], ...]  #: name, old version, new version
    rewheeled: tuple[tuple[str, str], ...]  #: the same version, another wheel

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
    before, after = _by_name(old), _by_name(new)
    common = sorted(before.keys() & after.keys())
    return Changes(
        added=tuple((name, after[name].version) for name in sorted(after.keys() - before.keys())),
        removed=tuple((name, before[name].version) for name in sorted(before.keys() - after.keys())),
        updated=tuple(
            (name, before[name].version, after[name].version)
            for name in common
            if before[name].version != after[name].version
        ),
        rewheeled=tuple(
            (name, after[name].version)
            for name in common
            if before[name].version == after[name].version and before[name].sha256 != after[name].sha256
        ),
    )


def _by_name(lock: Iterable[Locked]) -> Mapping[str, Locked]:
    return {locked.name: locked for locked in lock}
