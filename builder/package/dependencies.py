"""Which wheels an app's dependencies are: resolved as a layer's are, and on top of a layer only what that lacks.

Below a layer its versions hold: they bind the resolving, and what is not possible with them is a conflict, named with
what the app wants and what the layer has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from builder.model.errors import BuildError, InputError
from builder.model.progress import Progress
from builder.model.target import Target
from builder.requirements.reader import Asked, Requirements
from builder.resolve.bounds import Bounds
from builder.resolve.resolver import ConflictError, Lock, resolve_requirements
from builder.wheels.requires_dist import active_requirements


@dataclass(frozen=True)
class Layer:
    """A published layer that the function has besides: what is in it."""

    arn: str
    title: str  #: ``strands-agents 1.62.0, layer version 2``
    packages: Mapping[str, str]  #: versions by name
    unzipped_size: int | None


@dataclass(frozen=True)
class Conflict:
    """A package whose version in the layer the app cannot take."""

    package: str
    wanted: str  #: ``requirements.txt:3 wants boto3>=1.50``
    held: str  #: the layer's version


def lock_of(wanted: Requirements, target: Target, layer: Layer | None, progress: Progress) -> Lock:
    """The wheels that the app needs and the layer lacks. BuildError names what cannot be had with the layer."""
    if wanted.python is not None and not wanted.python.contains(target.runtime.full_version):
        raise InputError(
            f"the project takes Python {wanted.python}, not {target.python}",
            where=f"{wanted.source}: [project].requires-python",
            fix="name another with --python",
        )
    pins: dict[str, str] = (
        {canonicalize_name(name): version for name, version in layer.packages.items()} if layer else {}
    )

    def resolve(held: Sequence[str]) -> Lock:
        constraints = (*wanted.constraints, *(f"{name}=={pins[name]}" for name in held))
        return resolve_requirements([each.text for each in wanted.asked], target, bounds=Bounds(constraints))

    if layer and (own := _own_conflicts(wanted.asked, pins, target)):
        raise _conflicts_error(own, layer)
    try:
        lock = resolve(tuple(pins))
    except ConflictError:
        if layer is None:
            raise
        progress.note("the layer's versions do not fit; looking for those that are in the way")
        raise _conflicts_error(_conflicts(pins, resolve), layer) from None
    lacking = tuple(locked for locked in lock if locked.name not in pins)
    _check_hashes(wanted, lacking)
    return lacking


def _own_conflicts(asked: Sequence[Asked], pins: Mapping[str, str], target: Target) -> list[Conflict]:
    """The app's own requirements that the layer does not meet: no index need be asked for these."""
    found = []
    for each in asked:
        for active in active_requirements({"": [each.text]}, target)[""]:
            if each.name in pins and not active.specifier.contains(pins[each.name], prereleases=True):
                found.append(Conflict(each.name, f"{each.where} wants {each.text}", pins[each.name]))
    return found


def _conflicts(pins: Mapping[str, str], resolve: Callable[[Sequence[str]], Lock]) -> list[Conflict]:
    """What the app's packages, or theirs, want otherwise than the layer has it."""
    free = {each.name: each.version for each in resolve(())}  # what is wrong without the layer is no conflict with it
    met = [name for name in free if free[name] == pins.get(name)]

    def attempt(held: Sequence[str]) -> ConflictError | None:
        try:
            resolve([*met, *held])
        except ConflictError as error:
            return error
        return None

    found = in_the_way([name for name in pins if name not in met], attempt)
    rest = {each.name: each.version for each in resolve([name for name in pins if name not in found])}
    return [Conflict(name, _wants(name, text, rest), pins[name]) for name, text in found.items()]


def in_the_way(names: Sequence[str], attempt: Callable[[Sequence[str]], ConflictError | None]) -> dict[str, str]:
    """The names that must go so that an attempt with the others succeeds, each with what its failure said.

    Earlier names stay before later ones. Halves the names, so that few in the way are found in few attempts.
    """
    held: list[str] = []
    failed: dict[str, str] = {}

    def hold(part: Sequence[str]) -> None:
        problem = attempt([*held, *part])
        if problem is None:
            held.extend(part)
        elif len(part) == 1:
            failed[part[0]] = problem.what
        else:
            hold(part[: len(part) // 2])
            hold(part[len(part) // 2 :])

    if names:
        hold(names)
    return failed


def _wants(name: str, text: str, rest: Mapping[str, str]) -> str:
    """Who wants what of a package: one that uv's explanation names, or what would be taken."""
    for match in re.finditer(rf"(\S+) depends? on ({re.escape(name)}(?:\[[^]]*\])?[<>=!~]\S*)", text):
        if "<" not in match[1]:  # of old versions, which uv would only fall back to
            return f"{match[1]} wants {match[2].rstrip(',')}"
    return f"the app needs {name}=={rest[name]}" if name in rest else "the app's packages cannot have it"


def _conflicts_error(conflicts: Sequence[Conflict], layer: Layer) -> BuildError:
    rows = [f"  {each.package}: {each.wanted}; the layer has {each.held}" for each in conflicts]
    return BuildError(
        f"the app cannot have its packages on top of {layer.title}:",
        details=rows,
        where=layer.arn,
        fix="loosen these requirements, take another version of the layer, or leave --on-layer out: "
        "then dependencies.zip holds everything",
    )


def _check_hashes(wanted: Requirements, lock: Lock) -> None:
    """Hold the wheels against the hashes that the requirements name, as pip does."""
    if not wanted.hashed:
        return
    problems = []
    for locked in lock:
        allowed = wanted.hashes.get(locked.name)
        if allowed is None:
            problems.append(f"  {locked.name}=={locked.version} has no hash, and others have")
        elif locked.sha256 not in allowed:
            problems.append(f"  {locked.filename} has sha256 {locked.sha256}, which is none of its hashes")
    if problems:
        raise InputError(
            "the requirements' hashes do not cover what is needed:",
            details=problems,
            where=str(wanted.source),
            fix="write them for every package and platform (`uv pip compile --generate-hashes`), or leave all out",
        )
