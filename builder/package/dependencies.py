"""Resolve an app's dependencies as a layer's are; on top of a published layer, only those that it does not have.

The layer's versions are constraints of the resolution. If they make it impossible, the error lists each conflict with
the app's requirement and the layer's version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from builder.cache.store import Cache, default_folder
from builder.metadata.requires_dist import marker_environment
from builder.model.artifact import Locked
from builder.model.errors import BuildError, InputError
from builder.model.progress import Progress
from builder.model.target import Target
from builder.model.versions import allows
from builder.package.local_packages import LocalWheel
from builder.requirements.declared import Declared, Requirements
from builder.resolve.bounds import Bounds, ProjectIndex
from builder.resolve.failures import ConflictError
from builder.resolve.lock_cache import LockCache
from builder.resolve.misnamed_wheels import misnamed_wheels_note
from builder.resolve.resolver import Lock, LockInput
from builder.resolve.settings import package_settings


@dataclass(frozen=True)
class Layer:
    """A published layer that the function also uses, with its packages."""

    arn: str
    title: str  #: ``strands-agents 1.62.0, layer version 2``
    packages: Mapping[str, str]  #: versions by name
    unzipped_size: int | None


def lock_of(
    requirements: Requirements, target: Target, layer: Layer | None, wheels: Sequence[LocalWheel], progress: Progress
) -> tuple[Lock, LockInput]:
    """Return the wheels that the app needs and the layer does not have, and what they were resolved from.

    Raises BuildError with all conflicts.

    ``wheels`` are the wheels of the user's own packages.
    """
    pins: dict[str, str] = (
        {canonicalize_name(name): version for name, version in layer.packages.items()} if layer else {}
    )

    _refuse_contradictions(requirements, target)
    lock_input = _lock_input(requirements, target, wheels)

    cached = LockCache(Cache(default_folder()))

    def resolve(held: Sequence[str]) -> Lock:
        inputs = lock_input.with_constraints(f"{name}=={pins[name]}" for name in held)
        return cached.resolve_requirements(inputs, target)

    if layer and (conflicts := _own_conflicts(requirements, pins, target)):
        raise _conflicts_error(conflicts, pins, layer, requirements)
    try:
        lock = resolve(tuple(pins))
    except ConflictError:
        if layer is None:
            raise
        progress.note("the layer's versions conflict with the requirements; finding the packages in conflict")
        raise _conflicts_error(_conflicts(pins, resolve), pins, layer, requirements) from None
    for note in (*package_settings(os.environ).notes, *misnamed_wheels_note(os.environ)):
        progress.note(note)
    missing = tuple(locked for locked in lock if locked.name not in pins)
    own_names = {wheel.name for wheel in wheels}
    _require_hashes(requirements, [locked for locked in missing if locked.name not in own_names])
    return missing, lock_input.with_constraints(f"{name}=={version}" for name, version in pins.items())


def _refuse_contradictions(requirements: Requirements, target: Target) -> None:
    """Raise InputError, with each line, if a package is required in versions (``==``) that exclude each other."""
    stated: dict[str, list[Declared]] = {}
    environment = marker_environment(target)
    for each in requirements.declared:
        if each.name not in requirements.not_compared and each.is_active(environment):
            stated.setdefault(each.name, []).append(each)
    for name, group in stated.items():
        limits = [each.requirement.specifier for each in group]
        pins = [each.version for limit in limits for each in limit if each.operator == "==" and "*" not in each.version]
        if len(group) > 1 and pins and not any(all(allows(limit, pin) for limit in limits) for pin in pins):
            raise InputError(
                f"the requirements of {name} contradict each other:",
                details=[f"  {each.where}: {each.text}" for each in group],
                where=str(requirements.source),
                fix="remove or loosen all but one",
            )


def check_python(requirements: Requirements, target: Target) -> None:
    """Raise InputError if the project does not support the target's Python."""
    if requirements.python is not None and not requirements.python.contains(target.runtime.full_version):
        raise InputError(
            f"the project requires Python {requirements.python}, not {target.runtime.full_version}",
            where=f"{requirements.source}: requires-python",
            fix="choose another with --python",
        )


def _lock_input(project: Requirements, target: Target, wheels: Sequence[LocalWheel]) -> LockInput:
    """Return the requirements for uv and their bounds, with the user's own packages as wheels."""
    local_wheels, environment = {wheel.name: wheel for wheel in wheels}, marker_environment(target)
    asked_for = {package.path.resolve() for package in project.local}
    index_of: dict[str, tuple[ProjectIndex, str]] = {}
    requirements = []
    for each in project.declared:
        place = project.places.get(each.name)
        if isinstance(place, ProjectIndex) and each.name not in index_of and each.is_active(environment):
            index_of[each.name] = place, each.text
        else:
            requirements.append(each.text)
    requirements += [
        wheel.reference(wheel.package.extras) for wheel in wheels if wheel.package.path.resolve() in asked_for
    ]
    # Poetry writes the path of a local package into the metadata of the wheel that requires it.
    paths = [
        local_wheels[name].reference(sorted(each.extras))
        for wheel in wheels
        for each in wheel.requires
        if each.url and (name := canonicalize_name(each.name)) in local_wheels
    ]
    constraints = (*project.constraints, *(wheel.reference() for wheel in wheels))
    overrides = tuple(dict.fromkeys([*project.overrides, *paths]))
    hashes = {name: digests for name, digests in project.hashes.items() if name not in local_wheels}  # were compared
    bounds = Bounds(
        constraints, overrides, project.excludes, project.complete, index_of, project.settings, hashes=hashes
    )
    return LockInput(tuple(requirements), bounds, origins={each.name: each.where for each in project.declared})


def _own_conflicts(requirements: Requirements, pins: Mapping[str, str], target: Target) -> dict[str, str]:
    """Return the app's own requirements that the layer does not satisfy, by package, found without an index."""
    conflicts: dict[str, list[str]] = {}
    environment = marker_environment(target)
    for each in requirements.declared:
        pin = None if each.name in requirements.not_compared else pins.get(each.name)
        is_allowed = pin is None or allows(each.requirement.specifier, pin)
        if not is_allowed and each.is_active(environment):
            conflicts.setdefault(each.name, []).append(f"{each.where} requires {each.text}")
    return {name: "; ".join(lines) for name, lines in conflicts.items()}


def _conflicts(pins: Mapping[str, str], resolve: Callable[[Sequence[str]], Lock]) -> dict[str, str]:
    """Return the layer's packages that the app's packages or their dependencies do not allow, with what they need."""
    unconstrained = {each.name: each.version for each in resolve(())}  # raises if the layer is not the cause
    unchanged = [name for name in unconstrained if unconstrained[name] == pins.get(name)]

    def attempt(names: Sequence[str]) -> ConflictError | None:
        try:
            resolve([*unchanged, *names])
        except ConflictError as error:
            return error
        return None

    conflicting = find_conflicting([name for name in pins if name not in unchanged], attempt)
    rest = {each.name: each.version for each in resolve([name for name in pins if name not in conflicting])}
    return {name: _wants(name, text, rest) for name, text in conflicting.items()}


def find_conflicting(names: Sequence[str], attempt: Callable[[Sequence[str]], ConflictError | None]) -> dict[str, str]:
    """Return the names to leave out so that ``attempt`` succeeds with all others, each with its failure's text.

    Earlier names are kept rather than later ones. Bisection finds a few of many names in a few attempts.
    """
    conflicting: list[str] = []
    failed: dict[str, str] = {}

    def add_part(part: Sequence[str]) -> None:
        problem = attempt([*conflicting, *part])
        if problem is None:
            conflicting.extend(part)
        elif len(part) == 1:
            failed[part[0]] = problem.what
        else:
            add_part(part[: len(part) // 2])
            add_part(part[len(part) // 2 :])

    if names:
        add_part(names)
    return failed


def _wants(name: str, text: str, rest: Mapping[str, str]) -> str:
    """Return what requires a package: the requirement in uv's explanation, or the version it would resolve to."""
    for match in re.finditer(rf"(\S+) depends? on ({re.escape(name)}(?:\[[^]]*\])?[<>=!~]\S*)", text):
        if "<" not in match[1]:  # requirements of old versions, to which uv would only fall back
            return f"{match[1]} requires {match[2].rstrip(',')}"
    return f"the app needs {name}=={rest[name]}" if name in rest else "the app's packages do not allow it"


def _conflicts_error(
    conflicts: Mapping[str, str], pins: Mapping[str, str], layer: Layer, requirements: Requirements
) -> BuildError:
    rows = [f"  {name}: {needed}; the layer has {pins[name]}" for name, needed in conflicts.items()]
    unlock = f"resolve again without {requirements.lock.name} (--no-lock), " if requirements.lock else ""
    return BuildError(
        f"the app's requirements conflict with {layer.title}:",
        details=rows,
        where=layer.arn,
        fix=f"{unlock}loosen these requirements, choose another version of the layer, or leave --on-layer out: "
        "then dependencies.zip holds everything",
    )


def _require_hashes(requirements: Requirements, lock: Sequence[Locked]) -> None:
    """Raise InputError if each package must have hashes and one has none, as pip does."""
    missing = [each for each in lock if each.name not in requirements.hashes] if requirements.hashed else []
    if missing:
        reason = "but others have" if requirements.hashes else "but --require-hashes is set"
        raise InputError(
            "the hashes in the requirements do not match:",
            details=[f"  {each.name}=={each.version} has no hash, {reason}" for each in missing],
            where=str(requirements.source),
            fix="write hashes for every package and platform (`uv pip compile --generate-hashes`), or remove all and "
            "--require-hashes",
        )
