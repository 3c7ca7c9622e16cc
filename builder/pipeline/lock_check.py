"""Compare the metadata in the wheels with what the lock was resolved from.

uv resolves from the metadata that an index serves beside a wheel (PEP 658), and does not compare it with the wheel's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.inspection.package_checks import check_python
from builder.metadata.core_metadata import parse_headers
from builder.metadata.requires_dist import is_readable, name_of
from builder.model.artifact import Finding
from builder.model.errors import BuildError
from builder.model.findings import finding
from builder.model.target import Target
from builder.model.versions import allows, same_version
from builder.resolve.download_failures import shown_indexes
from builder.resolve.resolver import LockInput
from builder.resolve.settings import replaces_requirements
from builder.resolve.version_notes import parents_of
from builder.wheels.layer_content import PackedWheel


def check_metadata(wheels: Sequence[PackedWheel], target: Target, inputs: LockInput | None) -> list[Finding]:
    """Raise BuildError if a wheel's own METADATA names another package, or requires what the lock does not have.

    Returns warnings for packages that no wheel requires, for extras that do not exist, and for upper bounds of
    Requires-Python. ``inputs`` is what the lock was resolved from; None if that is unknown. Then, and if the user's
    settings replace requirements, these are not compared. What a lock file does not have is a warning, because its
    project may leave packages out.
    """
    pythons = [found for wheel in wheels if (found := _excluded_python(wheel, target))]
    problems = [problem for wheel in wheels for problem in _wrong_name(wheel)]
    problems += [each.message for each in pythons if each.level == "error"]
    unneeded: list[str] = []
    warnings = [each for each in pythons if each.level == "warning"]
    if inputs is not None and not replaces_requirements(os.environ):
        requires = {wheel.locked.name: wheel.requires for wheel in wheels}
        parents = parents_of(inputs, target, requires)
        warnings += _missing_extras(wheels, parents)
        for name in sorted({*inputs.bounds.excludes} - parents.keys()):
            warnings.append(finding("warning", "exclude-unused", f"{name} is excluded, but nothing requires it"))
        if inputs.bounds.complete:
            missing = _wrong_requirements(wheels, inputs, parents, compare_versions=False)
            warnings += [finding("warning", "requirement-missing", text) for text in missing]
        else:
            problems += _wrong_requirements(wheels, inputs, parents)
            ignored = {*map(name_of, inputs.bounds.overrides), *inputs.bounds.excludes}
            if all(is_readable(text) for texts in requires.values() for text in texts):
                unneeded = sorted(requires.keys() - parents.keys() - ignored)
    if problems:
        raise BuildError(
            "the metadata in a wheel differs from the metadata that the lock was resolved from:",
            where=target.id,
            details=[f"  {problem}" for problem in problems[:10]],
            fix=f"the index ({shown_indexes()}) serves metadata (core-metadata, PEP 658) of another file, or "
            "the wheels of this version for other systems have other requirements: report it to the index's operators, "
            "or use another version",
        )
    message = "is required by no wheel's own metadata: the index's metadata (core-metadata, PEP 658) differs from it"
    return [*warnings, *(finding("warning", "metadata-differs", f"{name} {message}") for name in unneeded)]


def _missing_extras(
    wheels: Sequence[PackedWheel], parents: Mapping[str, Mapping[str, Sequence[Requirement]]]
) -> Iterator[Finding]:
    """Yield a finding for each extra that is required of a wheel without it: installers ignore such an extra.

    Where uv resolves, the user's own is an error.
    """
    titles = {wheel.locked.name: f"{wheel.locked.name} {wheel.locked.version}" for wheel in wheels}
    for wheel in wheels:
        provided = wheel.extras
        for parent, requirements in parents.get(wheel.locked.name, {}).items():
            required = {canonicalize_name(extra) for each in requirements for extra in each.extras}
            for extra in sorted(required - provided):
                by = f"{titles[parent]} requires" if parent else "the requirements name"
                message = f"{titles[wheel.locked.name]} has no extra {extra!r}, which {by}: it adds nothing"
                yield finding("warning", "extra-missing", message)


def _excluded_python(wheel: PackedWheel, target: Target) -> Finding | None:
    requires_python = parse_headers(wheel.metadata).get("requires_python")
    return check_python(f"{wheel.locked.filename}: its METADATA", requires_python, target, f"python/{wheel.dist_info}")


def _wrong_name(wheel: PackedWheel) -> Iterator[str]:
    headers = parse_headers(wheel.metadata)
    locked = wheel.locked
    stated = headers.get("name", ""), headers.get("version", "")
    if all(stated) and (canonicalize_name(stated[0]) != locked.name or not same_version(stated[1], locked.version)):
        yield f"{locked.filename}: its METADATA says {stated[0]} {stated[1]}, not {locked.name} {locked.version}"


def _wrong_requirements(
    wheels: Sequence[PackedWheel],
    inputs: LockInput,
    parents: Mapping[str, Mapping[str, Sequence[Requirement]]],
    *,
    compare_versions: bool = True,
) -> Iterator[str]:
    """Yield each wheel's requirement that the lock does not satisfy.

    The packages of a layer that the function also uses are among the constraints and not in the lock.
    """
    locked = {wheel.locked.name: wheel.locked for wheel in wheels}
    bounds = inputs.bounds
    ignored = {*bounds.excludes, *map(name_of, (*bounds.overrides, *bounds.constraints))}
    for name, requirers in parents.items():
        for parent, requirements in requirers.items():
            if not parent or name in ignored:
                continue
            for each in requirements:
                statement = f"{locked[parent].filename} requires {each}"
                if name not in locked:
                    yield f"{statement}, which the lock does not have"
                elif compare_versions and not allows(each.specifier, locked[name].version, if_unreadable=True):
                    yield f"{statement}, the lock has {locked[name].version}"
