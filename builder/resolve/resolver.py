"""Resolve which wheels go into a target's zip. The result is a lock: exactly one wheel for each package, with its hash.

uv resolves for the target's Python, platform and markers, whatever runs here; wheels only. A lock has no URLs: the same
wheels may come from any index that has them.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from builder.model.artifact import Locked
from builder.model.errors import BuildError, InputError
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.bounds import NO_BOUNDS, Bounds
from builder.resolve.failures import ConflictError, explain, name_of, no_wheel
from builder.resolve.settings import package_settings
from builder.resolve.wheel_choice import choose_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Lock = tuple[Locked, ...]
#: Rounds of uv for a target whose glibc uv has no platform for.
MAX_RULED_OUT = 30
#: uv's message if an index does not have a package or a version.
_MISSING = re.compile(r"was not found in the|there is no version of")

#: uv's warning about a yanked version; a reason may contain any characters.
_YANKED = re.compile(r'^warning: `([^`\s]+)==([^`\s]+)` is yanked(?: \(reason: "(.*?)"\)$)?', re.MULTILINE | re.DOTALL)


def resolve(matrix: Matrix, version: str, target: Target, exclude_newer: str | None = None) -> Lock:
    """The target's lock for ``version`` of the matrix's package. May be called for many targets at once.

    ``exclude_newer`` ignores files uploaded later: a date, a time (RFC 3339) or an age (``7 days``).
    InputError if the package or version does not exist or was yanked; BuildError if the target has no usable wheel.
    """
    wanted = requirements_of_matrix(matrix, version)
    lock, said = _ask(wanted, target, bounds=bounds_of_matrix(matrix), exclude_newer=exclude_newer)
    _check_version(matrix, version, lock)
    _check_yanked(matrix, version, said)
    return lock


def requirements_of_matrix(matrix: Matrix, version: str) -> list[str]:
    """The requirements of a layer: the package at exactly this version, and the matrix's `requirements`."""
    return [f"{matrix.requirement}=={version}", *matrix.requirements]


def bounds_of_matrix(matrix: Matrix) -> Bounds:
    """The matrix's exclusions and overrides."""
    return Bounds(overrides=matrix.override, excludes=matrix.exclude)


def newest(matrix: Matrix, exclude_newer: str | None = None) -> str:
    """The newest stable version of the package that has usable wheels for every target."""
    wanted = [matrix.requirement, *matrix.requirements]

    def version_for(target: Target) -> str:
        lock = resolve_requirements(wanted, target, bounds=bounds_of_matrix(matrix), exclude_newer=exclude_newer)
        return _locked(lock, matrix.package).version

    first, *others = matrix.targets
    found = {first.id: version_for(first)}  # alone: its pages serve the others
    with ThreadPoolExecutor(max_workers=len(matrix.targets)) as pool:
        found |= zip((target.id for target in others), pool.map(version_for, others), strict=True)
    versions = set(found.values())
    if len(versions) > 1:
        rows = ", ".join(f"{target}: {version}" for target, version in found.items())
        raise BuildError(
            f"the newest usable version differs between targets for {matrix.package} ({rows})",
            fix="name the version: --version V",
        )
    return versions.pop()


def requirements_of(lock: Lock) -> str:
    """The lock in requirements form, one hash a package, as uv and pip install it."""
    return "".join(
        f"{locked.name}{f' @ {locked.url}' if locked.url else f'=={locked.version}'} --hash=sha256:{locked.sha256}\n"
        for locked in lock
    )


def resolve_requirements(
    requirements: Sequence[str],
    target: Target,
    *,
    bounds: Bounds = NO_BOUNDS,
    exclude_newer: str | None = None,
) -> Lock:
    """Return the target's lock for any requirements. ConflictError if no versions satisfy them all."""
    return _ask(requirements, target, bounds=bounds, exclude_newer=exclude_newer)[0]


def _ask(
    requirements: Sequence[str],
    target: Target,
    *,
    bounds: Bounds = NO_BOUNDS,
    exclude_newer: str | None = None,
) -> tuple[Lock, str]:
    """The lock, and uv's messages.

    uv has no platform for glibc 2.26 and resolves for the next one. A version whose wheels all need more than the
    target has is ruled out, and uv resolves again.
    """
    ruled_out: dict[str, str] = {}  # the constraint, and the package that has no wheel
    for _ in range(MAX_RULED_OUT):
        held = replace(bounds, constraints=(*bounds.constraints, *ruled_out))
        try:
            document, messages = _compile(requirements, target, held, exclude_newer)
        except ConflictError:
            if ruled_out:
                raise no_wheel(next(iter(ruled_out.values())), target) from None
            raise
        packages = document.get("packages", [])
        chosen = [
            choose_wheel(package, target, bounds.hashes.get(name, ()), keep_url=name in bounds.index_of)
            for package in packages
            for name in [str(package.get("name"))]
        ]
        missing = [package for package, wheel in zip(packages, chosen, strict=True) if wheel is None]
        if not missing:
            lock = [wheel for wheel in chosen if wheel is not None]
            return tuple(sorted(lock, key=lambda locked: locked.name)), messages
        named = {f"{each['name']}!={each.get('version')}": f"{each['name']} {each.get('version')}" for each in missing}
        if (
            target.runtime.uv_platform == target.runtime.manylinux
            or bounds.complete
            or named.keys() <= ruled_out.keys()
        ):
            raise no_wheel(next(iter(named.values())), target)
        ruled_out |= named
    raise no_wheel(next(iter(ruled_out.values())), target)


def _compile(
    requirements: Sequence[str], target: Target, bounds: Bounds, exclude_newer: str | None
) -> tuple[dict[str, Any], str]:
    """The pylock document that uv writes for the requirements, and its messages."""
    text = "\n".join(requirements) + "\n"
    with tempfile.TemporaryDirectory(prefix="layers-resolve-") as name:
        options = ["--exclude-newer", exclude_newer] if exclude_newer else []
        options += [*bounds.options(Path(name)), *package_settings(os.environ).options]
        command = [
            "pip", "compile", "--format", "pylock.toml", "--no-header", "--no-annotate", "--no-progress",
            "--no-python-downloads", "--python", sys.executable, *uv.platform_options(target),
            "--resolution", "highest", "--prerelease", "if-necessary-or-explicit", *options, "-",
        ]  # fmt: skip
        result = uv.run(command, Path(name), stdin=text)
        if not result.ok and _MISSING.search(" ".join(result.err.split())):
            # uv keeps pages for some minutes: what is not on them may have been uploaded since.
            result = uv.run([*command, "--refresh"], Path(name), stdin=text)
    if not result.ok:
        raise explain(result.err, target, requirements)
    _check_extras(requirements, result.err)
    try:
        return tomllib.loads(result.out), result.err
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"uv wrote a lock that is not TOML: {error}", where=target.id) from None


def _check_extras(requirements: Sequence[str], said: str) -> None:
    """Raise an InputError for an extra that the user named and that does not exist.

    An extra that a dependency names may come and go with its own versions: installers go on without it.
    """
    for package, extra in re.findall(r"package `([^`]+)` does not have an extra named `([^`]+)`", said):
        name = name_of(package)
        for text in requirements:
            named = re.match(r"[^\[;]*\[([^\]]*)\]", text)
            if named and name_of(text) == name and canonicalize_name(extra) in map(canonicalize_name, _split(named[1])):
                raise InputError(
                    f"{package} has no extra {extra!r}", where=text, fix="correct its name, or leave it out"
                )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _locked(lock: Iterable[Locked], package: str) -> Locked:
    name = canonicalize_name(package)
    return next(locked for locked in lock if locked.name == name)


def _check_version(matrix: Matrix, version: str, lock: Lock) -> None:
    found = _locked(lock, matrix.package).version
    if found != version:
        raise InputError(
            f"the package index writes {matrix.package} {version} as {found}",
            fix=f"use its name, since it goes into descriptions and tables: --version {found}",
        )


def _check_yanked(matrix: Matrix, version: str, said: str) -> None:
    """Raise an InputError if uv warned that the release's own version is yanked: uv accepts one that is pinned."""
    for name, found, reason in _YANKED.findall(said):
        if name_of(name) == canonicalize_name(matrix.package) and found == version:
            raise yanked_error(matrix.package, version, reason)


def yanked_error(package: str, version: str, reason: str) -> InputError:
    """The error for a release of a yanked version."""
    why = shorten(reason)
    return InputError(
        f"{package} {version} was yanked from the package index" + (f": {why}" if why else ""),
        fix="release another version; a release of it that was started is completed from the ledger (layers publish)",
    )
