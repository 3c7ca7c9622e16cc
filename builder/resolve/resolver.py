"""Resolve which wheels go into a target's zip. The result is a lock: exactly one wheel for each package, with its hash.

uv resolves for the target's Python, platform and markers, not for this machine's, and uses wheels only. A lock has no
URLs, because the same wheels may come from any index.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.metadata.requires_dist import name_of
from builder.model.artifact import Locked
from builder.model.errors import BuildError, InputError
from builder.model.matrix import Matrix
from builder.model.target import Target, python_order
from builder.resolve import uv
from builder.resolve.bounds import NO_BOUNDS, Bounds
from builder.resolve.failures import ConflictError, NoWheelError, explain, no_wheel, yanked_error, yanked_versions
from builder.resolve.settings import package_settings
from builder.resolve.unsafe_names import refuse_unsafe_names
from builder.resolve.wheel_choice import choose_wheel, filename_of, url_of

Lock = tuple[Locked, ...]
#: Limit of uv runs for a target with a glibc that uv has no platform for.
MAX_UV_RUNS_PER_TARGET = 12
#: The oldest platform of uv. Its wheels run on every target.
_OLDEST_PLATFORM = "manylinux_2_17"
#: uv's message if no index has a package or a version.
_MISSING = re.compile(r"was not found in the|there is no version of")


@dataclass(frozen=True)
class LockInput:
    """What a lock is resolved from."""

    requirements: tuple[str, ...]
    bounds: Bounds = NO_BOUNDS
    exclude_newer: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)  #: file and line of the user's requirements, by name

    def with_constraints(self, constraints: Iterable[str]) -> LockInput:
        """Return a copy with more constraints."""
        return replace(self, bounds=replace(self.bounds, constraints=(*self.bounds.constraints, *constraints)))


def lock_input(matrix: Matrix, version: str | None, exclude_newer: str | None = None) -> LockInput:
    """Return what a layer's locks are resolved from: the package at exactly this version, and the matrix's keys.

    Without a ``version``, any version of the package.
    """
    return LockInput(
        (matrix.requirement if version is None else f"{matrix.requirement}=={version}", *matrix.requirements),
        Bounds(overrides=matrix.override, excludes=matrix.exclude),
        exclude_newer,
    )


def resolve(
    matrix: Matrix,
    version: str,
    target: Target,
    exclude_newer: str | None = None,
    resolve_input: Callable[[LockInput, Target], Lock] | None = None,
) -> Lock:
    """Resolve the target's lock for ``version`` of the matrix's package. Thread-safe.

    ``exclude_newer`` ignores files uploaded later: a date, a time (RFC 3339) or an age (``7 days``).
    ``resolve_input`` may take locks from a cache; by default ``resolve_requirements``.
    Raises InputError if the package or version does not exist or was yanked, BuildError if the target has no usable
    wheel.
    """
    inputs, resolve_input = lock_input(matrix, version, exclude_newer), resolve_input or resolve_requirements
    lock = resolve_input(inputs, target)
    package = _find_package(lock, matrix.package)
    if package.version.startswith(f"{version}+"):  # == also means 1.0+local, which wins over 1.0
        exactly = (f"{matrix.requirement}==={version}", *matrix.requirements)
        lock = resolve_input(replace(inputs, requirements=exactly), target)
        package = _find_package(lock, matrix.package)
    _check_version(matrix, version, package)
    if package.yanked is not None:
        raise yanked_error(matrix.package, version, package.yanked)
    return lock


def newest_resolvable(matrix: Matrix, exclude_newer: str | None = None) -> str:
    """Return the newest stable version of the package that has usable wheels for every target."""
    inputs = lock_input(matrix, None, exclude_newer)

    def version_for(target: Target) -> str:
        return _find_package(resolve_requirements(inputs, target), matrix.package).version

    first, *rest = matrix.targets
    found_versions = {first.id: version_for(first)}  # first, so that uv caches the pages for the others
    with ThreadPoolExecutor(max_workers=len(matrix.targets)) as pool:
        found_versions |= zip((target.id for target in rest), pool.map(version_for, rest), strict=True)
    versions = set(found_versions.values())
    if len(versions) > 1:
        rows = ", ".join(f"{target}: {version}" for target, version in found_versions.items())
        oldest = min(versions, key=Version)
        raise BuildError(
            f"the newest usable version differs between targets for {matrix.package} ({rows})",
            fix=f"choose the version: every target may have wheels of the oldest of these, --version {oldest}",
        )
    return versions.pop()


def requirements_of(lock: Lock) -> str:
    """Format a lock as a requirements file for uv and pip, with one hash for each package.

    ``===``, because ``==1.0`` would also mean 1.0+local.
    """
    return "".join(
        f"{locked.name}{f' @ {locked.url}' if locked.url else f'==={locked.version}'} --hash=sha256:{locked.sha256}\n"
        for locked in lock
    )


def resolve_requirements(inputs: LockInput, target: Target) -> Lock:
    """Return the target's lock for any requirements. Raises ConflictError if no versions satisfy them all.

    uv has no platform for glibc 2.26, so it resolves for the next one. If all wheels of a chosen version need a newer
    glibc than the target has, exclude that version and resolve again. After too many versions of a package, limit it
    to those that have a wheel for the oldest platform; if that is not possible, resolve everything for that platform.
    """
    lock, excluded = _resolve_without_excluded(inputs, target)
    if lock is None:
        lock = _resolve_with_limits(inputs, target, {text.partition(" ")[0] for text in excluded.values()})
    return lock or _resolve_for_oldest_platform(inputs, target, next(iter(excluded.values())))


def _resolve_with_limits(inputs: LockInput, target: Target, names: Collection[str]) -> Lock | None:
    """Return a lock in which these packages are not newer than their newest wheels for the oldest platform, or None."""
    try:
        oldest, _ = _lock_wheels(replace(inputs, requirements=tuple(sorted(names))), target, _OLDEST_PLATFORM)
        limits = [f"{each.name}<={each.version}" for each in oldest if each.name in names]
        return _resolve_without_excluded(inputs.with_constraints(limits), target)[0]
    except ConflictError:
        return None


def _resolve_without_excluded(inputs: LockInput, target: Target) -> tuple[Lock | None, Mapping[str, str]]:
    """Exclude versions without a usable wheel until there is a lock, and return it, or None after too many versions.

    Also return the constraints that exclude a version, each with the package and its version.
    """
    excluded: dict[str, str] = {}
    for _ in range(MAX_UV_RUNS_PER_TARGET):
        try:
            lock, missing = _lock_wheels(inputs.with_constraints(excluded), target)
        except ConflictError:
            if excluded:
                break
            raise
        if not missing:
            return lock, excluded
        pins = {f"{name}!={version}": f"{name} {version}" for name, version in missing}
        is_exact = target.runtime.system.uv_platform == target.runtime.manylinux
        if is_exact or inputs.bounds.complete or pins.keys() <= excluded.keys():
            raise no_wheel(next(iter(pins.values())), target)
        excluded |= pins
    return None, excluded


def _resolve_for_oldest_platform(inputs: LockInput, target: Target, newest: str) -> Lock:
    """Return a lock of wheels for the oldest platform, which run on every target.

    It has no wheel for a glibc between that and the target's. ``newest`` is the version that was excluded first.
    """
    try:
        lock, missing = _lock_wheels(inputs, target, _OLDEST_PLATFORM)
    except NoWheelError:
        raise
    except ConflictError:
        raise no_wheel(newest, target) from None
    if missing:
        raise no_wheel(" ".join(missing[0]), target)
    return lock


def _lock_wheels(inputs: LockInput, target: Target, platform: str | None = None) -> tuple[Lock, list[tuple[str, str]]]:
    """Resolve once. Return the best wheel of each package, and the packages and versions without a usable one."""
    document, messages = _compile(inputs, target, platform=platform)
    bounds, hashes_of_constraints = inputs.bounds, package_settings(os.environ).hashes
    yanked = yanked_versions(messages)
    lock, missing = [], []
    for package in document.get("packages", []):
        name, version = str(package.get("name")), str(package.get("version"))
        allowed = [digests[name] for digests in (bounds.hashes, hashes_of_constraints) if name in digests]
        index, _ = bounds.index_of.get(name, (None, ""))
        wheel = choose_wheel(package, target, allowed, index, inputs.origins.get(name))
        if wheel is None:
            missing.append((name, version))
        else:
            lock.append(wheel.model_copy(update={"yanked": yanked.get((wheel.name, wheel.version))}))
    return tuple(sorted(lock, key=lambda locked: locked.name)), missing


def locate(lock: Lock, target: Target) -> Lock:
    """Return the lock with the URL of each wheel that an index has."""
    names = tuple(f"{each.name}==={each.version}" for each in lock if not each.url)
    document, _ = _compile(LockInput(names, Bounds(complete=True)), target)
    wheels = [wheel for package in document.get("packages", []) for wheel in package.get("wheels", [])]
    urls = {filename_of(wheel): url_of(wheel) for wheel in wheels}
    return tuple(each.model_copy(update={"url": each.url or urls.get(each.filename)}) for each in lock)


def newest_versions(names: Iterable[str], inputs: LockInput, targets: Iterable[Target]) -> Sequence[Mapping[str, Any]]:
    """Return the newest version of each package for the targets' Pythons, with or without wheels for them.

    The items are packages of a pylock document: one for each version, with a marker, if the Pythons need different
    versions. One run of uv finds them all; nothing is built or downloaded for this.
    """
    alone = LockInput(tuple(names), replace(inputs.bounds, complete=True, constraints=()), inputs.exclude_newer)
    oldest = min(targets, key=lambda target: python_order(target.python))
    packages: Sequence[Mapping[str, Any]] = _compile(alone, oldest, any_platform=True)[0].get("packages", [])
    return packages


def _compile(
    inputs: LockInput, target: Target, *, any_platform: bool = False, platform: str | None = None
) -> tuple[dict[str, Any], str]:
    """Run ``uv pip compile``. Return the pylock document and uv's messages.

    ``platform`` replaces the target's manylinux platform. ``any_platform`` needs complete bounds: to find dependencies,
    uv would build packages that have no wheel.
    """
    scope = ["--universal", "--python-version", target.runtime.full_version] if any_platform else None
    text = "\n".join(inputs.requirements) + "\n"
    with tempfile.TemporaryDirectory(prefix="layers-resolve-") as name:
        options = ["--exclude-newer", inputs.exclude_newer] if inputs.exclude_newer else []
        options += [*inputs.bounds.options(Path(name)), *package_settings(os.environ).options]
        command = [
            "pip", "compile", "--format", "pylock.toml", "--no-header", "--no-annotate", "--no-progress",
            "--no-python-downloads", "--python", sys.executable,
            *(scope or ["--no-universal", *uv.platform_options(target, platform)]),
            *options, "-",
        ]  # fmt: skip
        folder = Path(name).resolve()
        result = uv.run(command, Path(name), stdin=text)
        if result.returncode and _MISSING.search(uv.one_line(result.stderr)):
            # uv caches index pages for minutes, and the version may have been uploaded since: fetch them again.
            again = uv.run([*command, "--refresh"], Path(name), stdin=text)
            result = result if "cannot be used with `--refresh`" in again.stderr else again  # uv is offline
    if result.returncode:
        raise explain(result.stderr, target, inputs.requirements, inputs.origins)
    _check_extras(inputs.requirements, result.stderr)
    try:
        document = tomli.loads(result.stdout)
    except tomli.TOMLDecodeError as error:
        fix = "run the command again; if the error stays, install the program again"
        raise BuildError(f"uv wrote a lock that is not TOML: {error}", where=target.id, fix=fix) from None
    refuse_unsafe_names(result.stderr, (str(each.get("name")) for each in document.get("packages", [])))
    for archive in (each.get("archive", {}) for each in document.get("packages", [])):
        if "path" in archive:  # may be relative to uv's folder
            archive["path"] = os.path.normpath(folder / archive["path"])
    return document, result.stderr


def _check_extras(requirements: Sequence[str], messages: str) -> None:
    """Raise InputError if an extra that the user asked for does not exist.

    A missing extra in a dependency's own metadata is ignored, as installers do.
    """
    for package, extra in re.findall(r"package `([^`]+)` does not have an extra named `([^`]+)`", messages):
        name = name_of(package)
        for text in requirements:
            match = re.match(r"[^\[;]*\[([^\]]*)\]", text)
            required = map(canonicalize_name, re.split(r"\s*,\s*", match[1].strip())) if match else ()
            if name_of(text) == name and canonicalize_name(extra) in required:
                raise InputError(
                    f"{package} has no extra {extra!r}", where=text, fix="correct its name, or leave it out"
                )


def _find_package(lock: Iterable[Locked], package: str) -> Locked:
    name = canonicalize_name(package)
    return next(locked for locked in lock if locked.name == name)


def _check_version(matrix: Matrix, version: str, locked: Locked) -> None:
    if locked.version != version:
        raise InputError(
            f"the package index writes {matrix.package} {version} as {locked.version}",
            fix=f"use this spelling, because it goes into descriptions and tables: --version {locked.version}",
        )
