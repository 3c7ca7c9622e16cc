"""Notes about the versions in locks: where targets differ, and why an older version was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.model.artifact import Locked
from builder.model.errors import LayersError
from builder.model.target import Target
from builder.resolve.bounds import NO_BOUNDS, Bounds
from builder.resolve.failures import NoWheelError
from builder.resolve.resolver import resolve_requirements

Locks = Mapping[str, Sequence[Locked]]


def differing_versions(locks: Locks) -> list[str]:
    """Return one line for each package whose version differs between targets (locks by target id)."""
    versions: dict[str, dict[str, list[str]]] = {}
    for target_id, lock in locks.items():
        for locked in lock:
            versions.setdefault(locked.name, {}).setdefault(locked.version, []).append(target_id)
    lines = []
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            newest = max(found, key=Version)
            older = "; ".join(f"{version} on {', '.join(ids)}" for version, ids in found.items() if version != newest)
            lines.append(f"{name} differs between targets: {older}; {newest} on the others")
    return lines


def older_versions(
    requirements: Sequence[str],
    target: Target,
    lock: Sequence[Locked],
    bounds: Bounds = NO_BOUNDS,
    exclude_newer: str | None = None,
) -> list[str]:
    """Return one line for each requirement that got an older version because newer ones need a package without a wheel
    for the target."""
    named = [requirement for text in requirements if (requirement := _unpinned(text))]
    if not named or bounds.complete:
        return []
    try:  # without dependencies, to find each package's newest version
        alone = replace(bounds, complete=True)
        newest = resolve_requirements([str(each) for each in named], target, bounds=alone, exclude_newer=exclude_newer)
    except LayersError:
        return []
    chosen = {locked.name: locked.version for locked in lock}
    lines = []
    for locked in newest:
        before = chosen.get(locked.name)
        if before is None or Version(before) >= Version(locked.version):
            continue
        pinned = replace(bounds, constraints=(*bounds.constraints, f"{locked.name}=={locked.version}"))
        try:
            resolve_requirements(requirements, target, bounds=pinned, exclude_newer=exclude_newer)
        except NoWheelError as error:
            lines.append(
                f"{locked.name} {before} was chosen, not {locked.version}: "
                f"{error.package}, which {locked.name} {locked.version} requires, has no wheel for {target.id}"
            )
        except LayersError:  # other requirements of the user exclude the newest version
            continue
    return lines


def _unpinned(text: str) -> Requirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    pinned = any(each.operator in ("==", "===") for each in requirement.specifier)
    requirement.name = canonicalize_name(requirement.name)
    return None if pinned or requirement.url else requirement
