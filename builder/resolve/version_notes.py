"""Notes about the versions in locks: where targets differ, and why an older version was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.metadata.requires_dist import active_requirements, applies, marker_environment
from builder.model.artifact import Finding, Locked
from builder.model.errors import LayersError
from builder.model.escape import shorten
from builder.model.findings import finding
from builder.model.matrix import Matrix
from builder.model.target import Target
from builder.model.versions import allows
from builder.resolve.failures import NoWheelError
from builder.resolve.resolver import LockInput, lock_input, newest_versions, resolve_requirements
from builder.resolve.wheel_choice import has_wheel

Locks = Mapping[str, Sequence[Locked]]
Package = Mapping[str, Any]  #: of a pylock document


def differing_versions(locks: Locks) -> list[str]:
    """Return one line for each package whose version differs between targets (locks by target id)."""
    versions: dict[str, dict[str, list[str]]] = {}
    for target_id, lock in locks.items():
        for locked in lock:
            versions.setdefault(locked.name, {}).setdefault(locked.version, []).append(target_id)
    lines = []
    for name, targets in sorted(versions.items()):
        if len(targets) > 1:
            newest = max(targets, key=Version)
            older = "; ".join(f"{version} on {', '.join(ids)}" for version, ids in targets.items() if version != newest)
            lines.append(f"{name} differs between targets: {older}; {newest} on the others")
    return lines


def yanked_findings(lock: Iterable[Locked]) -> Iterator[Finding]:
    """Yield a finding for each yanked version: installers use one that is pinned, and warn."""
    for each in lock:
        if each.yanked is not None:
            reason = f": {shorten(each.yanked)}" if each.yanked else ""
            yield finding("warning", "version-yanked", f"{each.name} {each.version} was yanked from the index{reason}")


def newest_packages(inputs: LockInput, locks: Locks, targets: Iterable[Target]) -> Sequence[Package]:
    """Return the newest version of each package in the locks, for ``older_versions``. Empty if they are unknown."""
    bounds = inputs.bounds
    names = {each.name for lock in locks.values() for each in lock if not each.url and each.name not in bounds.index_of}
    if bounds.complete or not names or "resolution" in bounds.settings:
        return []
    try:
        return newest_versions(sorted(names), inputs, targets)
    except LayersError:  # for example, the lock is from the cache and the index is unreachable
        return []


def older_versions(
    inputs: LockInput,
    target: Target,
    lock: Sequence[Locked],
    requires: Mapping[str, Sequence[str]],
    packages: Iterable[Package],
) -> list[Finding]:
    """Return a finding for each package in an older version than the index has, because no wheel runs on the target.

    ``requires`` is the Requires-Dist of each package in the lock, ``packages`` the newest versions. A version that a
    requirement or constraint holds back is no finding.
    """
    newest = _packages_on(target, packages)
    parents = parents_of(inputs, target, requires)
    findings = []
    for locked in lock:
        package = newest.get(locked.name)
        if package is None or Version(package["version"]) <= Version(locked.version):
            continue
        requirers = parents.get(locked.name, {})
        version = package["version"]
        if not all(allows(each.specifier, version) for each in chain(*requirers.values())):
            continue
        if obstacle := _blocking_package(inputs, target, package, [name for name in requirers if name], lock):
            message = f"{locked.name} {locked.version} was chosen, not {version}: {obstacle}"
            findings.append(finding("warning", "version-older", message))
    return findings


def older_latest(matrix: Matrix, version: str, exclude_newer: str | None = None) -> str | None:
    """Return why ``version``, which ``latest`` chose, is older than the newest on the index; None if it is not.

    As in ``older_versions``, only a missing wheel is a reason.
    """
    inputs = lock_input(matrix, None, exclude_newer)
    try:
        newest = newest_versions([matrix.package], inputs, matrix.targets)
        if all(Version(package["version"]) <= Version(version) for package in newest):
            return None
        pinned = lock_input(matrix, version, exclude_newer)
        for target in matrix.targets:
            locks = [
                each for each in resolve_requirements(pinned, target) if each.name == canonicalize_name(matrix.package)
            ]
            for each in older_versions(inputs, target, locks, {}, newest):
                return each.message
    except LayersError:  # it is only a note
        pass
    return None


def _packages_on(target: Target, packages: Iterable[Package]) -> dict[str, Package]:
    """Return the packages whose markers apply to the target, by name; of several the oldest."""
    environment = marker_environment(target)
    packages_here = [p for p in packages if "marker" not in p or applies(Marker(p["marker"]), environment)]
    return {str(p["name"]): p for p in sorted(packages_here, key=lambda p: Version(p["version"]), reverse=True)}


def parents_of(
    inputs: LockInput, target: Target, requires: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, list[Requirement]]]:
    """Return what is required of each package, by the package that requires it; "" stands for the user."""
    indexed = [text for _, text in inputs.bounds.index_of.values()]
    texts = [*inputs.requirements, *indexed, *inputs.bounds.constraints]
    active = active_requirements({**requires, "": texts}, target)
    overrides = active_requirements({"": inputs.bounds.overrides}, target)[""]
    replaced = {canonicalize_name(each.name) for each in overrides}
    parents: dict[str, dict[str, list[Requirement]]] = {}
    for parent, requirements in active.items():
        for each in requirements:
            name = canonicalize_name(each.name)
            effective = (
                [over for over in overrides if canonicalize_name(over.name) == name] if name in replaced else [each]
            )
            parents.setdefault(name, {}).setdefault(parent, []).extend(effective)
    return parents


def _blocking_package(
    inputs: LockInput, target: Target, package: Package, parents: Sequence[str], lock: Sequence[Locked]
) -> str | None:
    """Return which package without a wheel prevents the newest version of ``package``; None if something else does.

    If uv ends at an older version of a locked package, it has tried the newer ones: another conflict is the cause.
    """
    title = f"{package['name']} {package['version']}"
    if not has_wheel(package, target):
        required = f"; {', '.join(parents)} requires it" if parents else ""
        return f"{title} has no wheel for {target.id}{required}"
    try:
        resolve_requirements(inputs.with_constraints([f"{package['name']}=={package['version']}"]), target)
    except NoWheelError as error:
        name, _, version = error.package.partition(" ")
        if any(each.name == name and version and Version(each.version) >= Version(version) for each in lock):
            return None
        return f"{error.package}, which {title} requires, has no wheel for {target.id}"
    except LayersError:  # other requirements hold the version back, as the user said
        pass
    return None
