"""Resolving: which wheels go into a target's zip. The answer is a lock: exactly one wheel a package, with its hash.

uv resolves for the target's own Python, platform and markers, whatever runs here; wheels only. A lock names no
address: the same wheels may come from any index that has them.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging import tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.model.artifact import Locked
from builder.model.errors import BuildError, InputError, LayersError
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.target import Target, python_order
from builder.resolve import uv
from builder.resolve.bounds import NO_BOUNDS, Bounds

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Lock = tuple[Locked, ...]
#: How uv says that an index lacks a package or a version.
_MISSING = re.compile(r"was not found in the|there is no version of")

#: What uv says of these; a reason may have any characters.
_YANKED = re.compile(r'^warning: `([^`\s]+)==([^`\s]+)` is yanked(?: \(reason: "(.*?)"\)$)?', re.MULTILINE | re.DOTALL)
_NO_VERSION = re.compile(r"there is no version of (\S+?)(?:==|===)(\S+)")


class ConflictError(BuildError):
    """The requirements contradict each other, or what the target has."""


def resolve(matrix: Matrix, version: str, target: Target, exclude_newer: str | None = None) -> Lock:
    """The target's lock for ``version`` of the matrix's package. May be called for many targets at once.

    ``exclude_newer`` leaves out what the index got later: a date, a time (RFC 3339) or an age (``7 days``).
    InputError where there is no such package or version, or it was yanked; BuildError where the target cannot have it.
    """
    wanted = requirements_of_matrix(matrix, version)
    lock, said = _ask(wanted, target, exclude_newer=exclude_newer)
    _check_version(matrix, version, lock)
    _check_yanked(matrix, version, said)
    return lock


def requirements_of_matrix(matrix: Matrix, version: str) -> list[str]:
    """What is asked for: the package at exactly this version, and what else the matrix wants in the layer."""
    return [f"{matrix.requirement}=={version}", *matrix.requirements]


def newest(matrix: Matrix, exclude_newer: str | None = None) -> str:
    """The newest stable version of the package that every target can have."""
    wanted = [matrix.requirement, *matrix.requirements]

    def version_for(target: Target) -> str:
        return _locked(resolve_requirements(wanted, target, exclude_newer=exclude_newer), matrix.package).version

    first, *others = matrix.targets
    found = {first.id: version_for(first)}  # alone: its pages serve the others
    with ThreadPoolExecutor(max_workers=len(matrix.targets)) as pool:
        found |= zip((target.id for target in others), pool.map(version_for, others), strict=True)
    versions = set(found.values())
    if len(versions) > 1:
        rows = ", ".join(f"{target}: {version}" for target, version in found.items())
        raise BuildError(
            f"the targets can have different newest versions of {matrix.package} ({rows})",
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
    """The lock, and what uv said of it."""
    options = ["--exclude-newer", exclude_newer] if exclude_newer else []
    asked = "\n".join(requirements) + "\n"
    with tempfile.TemporaryDirectory(prefix="layers-resolve-") as name:
        options += bounds.options(Path(name))
        command = [
            "pip", "compile", "--format", "pylock.toml", "--no-header", "--no-annotate", "--no-progress",
            "--no-python-downloads", "--python", sys.executable, *uv.platform_options(target),
            "--resolution", "highest", "--prerelease", "if-necessary-or-explicit", *options, "-",
        ]  # fmt: skip
        answer = uv.run(command, Path(name), stdin=asked)
        if not answer.ok and _MISSING.search(" ".join(answer.err.split())):
            # Pages are kept for some minutes: what is not on them may have come since.
            answer = uv.run([*command, "--refresh"], Path(name), stdin=asked)
    if not answer.ok:
        raise _explain(answer.err, target, requirements)
    _check_extras(requirements, answer.err)
    try:
        document = tomllib.loads(answer.out)
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"uv gave a lock that cannot be read: {error}", where=target.id) from None
    packages = [_choose(package, target, bounds) for package in document.get("packages", [])]
    return tuple(sorted(packages, key=lambda locked: locked.name)), answer.err


def _check_extras(requirements: Sequence[str], said: str) -> None:
    """Raise an InputError for an extra that the user named and that does not exist.

    An extra that a dependency names may come and go with its own versions: installers go on without it.
    """
    for package, extra in re.findall(r"package `([^`]+)` does not have an extra named `([^`]+)`", said):
        name = _name_of(package)
        for text in requirements:
            named = re.match(r"[^\[;]*\[([^\]]*)\]", text)
            if (
                named
                and _name_of(text) == name
                and canonicalize_name(extra) in map(canonicalize_name, _split(named[1]))
            ):
                raise InputError(
                    f"{package} has no extra {extra!r}", where=text, fix="correct its name, or leave it out"
                )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


def _choose(package: dict[str, Any], target: Target, bounds: Bounds) -> Locked:
    """The wheel of a package that installers take for the target: the one whose tag stands first."""
    name, version = str(package.get("name")), str(package.get("version"))
    archive = package.get("archive")  # a direct reference
    order = _order(target)
    best: tuple[int, tuple[Any, ...], str, str, str] | None = None
    wheels = [archive] if archive else package.get("wheels", [])
    allowed = bounds.hashes.get(name, frozenset())
    for wheel in [each for each in wheels if each.get("hashes", {}).get("sha256") in allowed] or wheels:
        url = str(wheel.get("url") or Path(wheel.get("path") or "/").as_uri())
        filename = wheel.get("name") or _basename(str(wheel.get("url") or wheel.get("path") or ""))
        digest = wheel.get("hashes", {}).get("sha256")
        try:
            _, _, build, wheel_tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        ranks = [order[tag] for tag in wheel_tags if tag in order]
        if not ranks or not digest:
            continue
        # Of wheels with the same tag installers take the highest build number.
        order_of_build = tuple(-part if isinstance(part, int) else part for part in build)
        candidate = (min(ranks), order_of_build, filename, digest, url)
        best = min(best, candidate) if best else candidate
    if best is None:
        raise _no_wheel(f"{name} {version}", target)
    by_hash = allowed and best[4].startswith("file:")  # uv cannot choose by hash among the files of a folder
    place = best[4] if archive or name in bounds.index_of or by_hash else None
    return Locked(name=canonicalize_name(name), version=version, filename=best[2], sha256=best[3], url=place)


@lru_cache(maxsize=32)
def supported_tags(target: Target) -> tuple[tags.Tag, ...]:
    """The wheel tags that run on a target, best first."""
    python = python_order(target.python)
    interpreter = f"cp{python[0]}{python[1]}"
    platforms = list(_platforms(target))
    return tuple(
        dict.fromkeys(
            [
                *tags.cpython_tags(python, abis=[interpreter], platforms=platforms),
                *tags.compatible_tags(python, interpreter=interpreter, platforms=platforms),
            ]
        )
    )


@lru_cache(maxsize=32)
def _order(target: Target) -> dict[tags.Tag, int]:
    return {tag: index for index, tag in enumerate(supported_tags(target))}


def _platforms(target: Target) -> Iterator[str]:
    """From the runtime's manylinux down to the oldest, with the old names of three of them (PEP 600)."""
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    newest_minor = int(target.runtime.manylinux.rsplit("_", 1)[1])
    oldest = 5 if target.architecture == "x86_64" else 17
    for minor in range(newest_minor, oldest - 1, -1):
        yield f"manylinux_2_{minor}_{target.architecture}"
        if minor in legacy:
            yield f"{legacy[minor]}_{target.architecture}"
    yield f"linux_{target.architecture}"


def _basename(address: str) -> str:
    return unquote(urlsplit(address).path).rsplit("/", 1)[-1]


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
    """uv takes a yanked version that is pinned, and warns."""
    for name, found, reason in _YANKED.findall(said):
        if _name_of(name) == canonicalize_name(matrix.package) and found == version:
            raise yanked_error(matrix.package, version, reason)


def yanked_error(package: str, version: str, reason: str) -> InputError:
    """What is said where a release would be made of a yanked version."""
    why = shorten(reason)
    return InputError(
        f"{package} {version} was yanked from the package index" + (f": {why}" if why else ""),
        fix="release another version; a release of it that was begun is completed from its record (layers publish)",
    )


def _no_wheel(package: str, target: Target) -> ConflictError:
    glibc = ".".join(map(str, target.runtime.glibc))
    return ConflictError(
        f"{package} has no wheel that runs on {target.runtime.api_name} for {target.architecture} "
        f"({target.runtime.system}, glibc {glibc}: up to {target.runtime.manylinux})",
        where=target.id,
        fix="take another version of it, leave this target out, or ask its maintainers for such a wheel; "
        "nothing is ever built from source",
    )


def _explain(text: str, target: Target, requirements: Sequence[str]) -> LayersError:
    """uv's failure in the program's own words; its own text where it says something we do not know."""
    flat = " ".join(text.split())
    if "for '--exclude-newer" in flat:
        return InputError(
            "the cut-off is no date, time or age", where="--exclude-newer", fix='like 2026-11-01 or "7 days"'
        )
    if found := re.search(
        r"\b(\S+) (?:ha(?:s|ve) no usable wheels|has no wheels with|has no .{0,40}-compatible wheels)", flat
    ):
        return _no_wheel(found[1].replace("==", " "), target)
    if found := re.search(r"Because (\S+) was not found in the", flat):
        return InputError(
            f"the package index has no package {found[1]!r}",
            where=_whose(found[1], requirements),
            fix="check the spelling, and which index uv is set to (UV_INDEX, UV_DEFAULT_INDEX)",
        )
    if found := _NO_VERSION.search(flat):
        return InputError(
            f"the package index has no {found[1]} {found[2]}",
            where=_whose(found[1], requirements),
            fix="check the version; a fresh release may take some minutes to appear",
        )
    if "No solution found" in flat:
        return ConflictError(f"cannot be resolved: {_brief(flat)}", where=target.id)
    if found := re.search(r"Failed to download `(\S+) @ ", flat):
        return BuildError(
            f"{found[1]} cannot be downloaded from the URL that is named for it: {_last_cause(text)}",
            where=_whose(found[1], requirements),
            fix="check the URL and the network",
        )
    if re.search(r"Failed to fetch|error sending request|[Cc]onnect|dns error|timed out|offline|network", flat):
        return BuildError(
            f"the package index does not answer: {_last_cause(text)}",
            where=target.id,
            fix="check the network and the index's address, then run the command again",
        )
    return BuildError(f"cannot be resolved: {_brief(flat)}", where=target.id)


def _name_of(requirement: str) -> str:
    return canonicalize_name(re.split(r"[\[=<>!~; ]", requirement)[0])


def _whose(package: str, requirements: Sequence[str]) -> str:
    asked = any(_name_of(requirement) == _name_of(package) for requirement in requirements)
    if not requirements:
        return "a requirement of the project"
    return "package and version asked for" if asked else f"a requirement of {requirements[0]}"


def _last_cause(text: str) -> str:
    causes = re.findall(r"cause: (.+)", text)
    return re.sub(r"https?://\S+", "the index", causes[-1]) if causes else _brief(" ".join(text.split()))


def _brief(text: str) -> str:
    text = text[max(text.find("error: "), 0) :]  # after uv's warnings
    text = text.removeprefix("error: ").replace("No solution found when resolving dependencies cause: ", "")
    return text if len(text) <= 600 else text[:599] + "…"
