"""The packages of a lock file as a graph, and which of them a project's requirements reach on a target."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.metadata.requires_dist import applies
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
    names are not compared, because overrides or exclusions decide about them. Of several versions of a package, the
    newest that every requirement on it allows is used: if one excludes a chosen version, the graph is walked again.
    """
    by_name: dict[str, list[LockedPackage]] = {}
    for package in sorted(packages, key=_order, reverse=True):
        by_name.setdefault(package.name, []).append(package)
    limits: dict[str, set[SpecifierSet]] = {}
    count = -1
    while count < (count := sum(map(len, limits.values()))):  # until a walk finds no other requirement
        reachable, missing = _walk(roots, by_name, environment, ignored, limits)
    for where, text in missing:
        problems.add(where, text)
    return reachable


def _order(package: LockedPackage) -> Version:
    try:
        return Version(package.version)
    except ValueError:  # not a version, or more digits than Python reads
        return Version("0")


def _walk(
    roots: Sequence[tuple[Requirement, str]],
    by_name: Mapping[str, Sequence[LockedPackage]],
    environment: Mapping[str, str],
    ignored: frozenset[str],
    limits: dict[str, set[SpecifierSet]],
) -> tuple[list[LockedPackage], list[tuple[str, str]]]:
    """Return the packages that are needed, and the place and text of each problem. Add to the ``limits`` of names."""
    reachable: dict[tuple[str, str], LockedPackage] = {}
    missing: list[tuple[str, str]] = []
    visited: set[tuple[str, str, frozenset[str]]] = set()
    queue = deque(roots)
    while queue:
        requirement, where = queue.popleft()
        if not applies(requirement.marker, environment):
            continue
        name, extras = canonicalize_name(requirement.name), frozenset(map(canonicalize_name, requirement.extras))
        limits.setdefault(name, set()).add(requirement.specifier)
        candidates = [each for each in by_name.get(name, []) if each.applies]
        allowed = [
            each
            for each in candidates
            if name in ignored or requirement.url or allows(requirement.specifier, each.version)
        ]
        if not allowed:
            versions = ", ".join(each.version for each in candidates)
            has = f"it has {name} {versions}" if versions else f"it does not have {name}"
            missing.append((where, f"{requirement} is not in the lock: {has}"))
            continue
        fits = (each for each in allowed if all(allows(limit, each.version) for limit in limits[name]))
        package = next(fits, allowed[0])
        reachable[name, package.version] = package
        if (name, package.version, extras) in visited:
            continue
        visited.add((name, package.version, extras))
        queue += [(each, package.where) for each in package.requires]
        queue += [(each, package.where) for extra in extras for each in package.extras.get(extra, ())]
    return list(reachable.values()), missing
