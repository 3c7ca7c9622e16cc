"""The packages of a lock file as a graph, and which of them a project's requirements reach on a target."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.model.versions import allows
from builder.requirements.declared import Problems


@dataclass(frozen=True)
class LockedPackage:
    """One package of a lock file."""

    name: str  #: normalised
    version: str
    where: str
    hashes: frozenset[str] = frozenset()  #: as ``sha256:…``
    source: Mapping[str, Any] | None = None  #: as ``Entry.source``; None: from an index
    applies: bool = True  #: by its own marker, on this target
    requires: tuple[Requirement, ...] = ()
    #: What its extras require, by normalised name.
    extras: Mapping[str, tuple[Requirement, ...]] = field(default_factory=dict)


def find_reachable(
    roots: Sequence[tuple[Requirement, str]],
    packages: Sequence[LockedPackage],
    environment: Mapping[str, str],
    ignored: frozenset[str],
    problems: Problems,
) -> list[LockedPackage]:
    """Return the packages that the roots (each with its origin) and their dependencies need.

    A requirement that no locked package satisfies is a problem: the lock is out of date. The versions of ``ignored``
    names are not compared, because overrides or exclusions decide about them.
    """
    by_name: dict[str, list[LockedPackage]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    reachable: dict[tuple[str, str], LockedPackage] = {}
    visited: set[tuple[str, str, frozenset[str]]] = set()
    queue = deque(roots)
    while queue:
        requirement, where = queue.popleft()
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": ""}):
            continue
        name, extras = canonicalize_name(requirement.name), frozenset(map(canonicalize_name, requirement.extras))
        candidates = [each for each in by_name.get(name, []) if each.applies]
        chosen = [
            each
            for each in candidates
            if name in ignored or requirement.url or allows(requirement.specifier, each.version)
        ]
        if not chosen:
            versions = ", ".join(each.version for each in candidates)
            has = f"it has {name} {versions}" if versions else f"it does not have {name}"
            problems.add(where, f"{requirement} is not in the lock: {has}")
            continue
        package = chosen[0]
        reachable[name, package.version] = package
        if (name, package.version, extras) in visited:
            continue
        visited.add((name, package.version, extras))
        queue += [(each, package.where) for each in package.requires]
        queue += [(each, package.where) for extra in extras for each in package.extras.get(extra, ())]
    return list(reachable.values())
