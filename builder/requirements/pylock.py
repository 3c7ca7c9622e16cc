"""Read pylock.toml (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import UndefinedEnvironmentName
from packaging.pylock import (
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)  # fmt: skip
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from builder.metadata.requires_dist import marker_environment
from builder.model.errors import InputError
from builder.model.target import Target
from builder.model.wheel_tags import supported_tags
from builder.requirements.declared import LocalPackage, Problems, Requirements, declare
from builder.requirements.entries import Sources
from builder.requirements.file_hashes import check_file, strong_digests
from builder.requirements.text_files import read_toml


def read_pylock(
    lock: Path,
    target: Target,
    extras: Sequence[str] = (),
    groups: Sequence[str] | None = None,
    *,
    has_project: bool = False,
) -> Requirements:
    """Return the packages that a pylock.toml (PEP 751) selects for the target."""
    problems = Problems()
    pins = []
    available = Sources(lock.absolute().parent, problems)
    hashes: dict[str, frozenset[str]] = {}
    try:
        content = read_toml(lock)
        document = Pylock.from_dict(content)
        chosen = list(
            document.select(
                environment=marker_environment(target),  # type: ignore[arg-type]
                tags=supported_tags(target),
                extras=extras,
                dependency_groups=groups or None,
            )
        )
    except (PylockValidationError, PylockSelectError, UndefinedEnvironmentName, ValueError) as error:
        raise InputError(
            f"is not usable for {target.id}: {error}",
            where=str(lock),
            fix=_fix(content, has_project),
        ) from None
    for package, artifact in chosen:
        where = f"{lock.name}: {package.name}"
        requirement = Requirement(f"{package.name}=={package.version}" if package.version else package.name)
        source: dict[str, str] = {}
        if isinstance(artifact, PackageVcs):
            source = {"git": artifact.url or artifact.path or ""}
        elif isinstance(artifact, PackageDirectory):
            source = {"path": artifact.path}
        elif isinstance(artifact, PackageArchive):
            source = {"path": artifact.path} if artifact.path else {"url": artifact.url or ""}
        elif isinstance(artifact, PackageSdist):
            problems.add(where, f"has no wheel that runs on {target.id}; only wheels are used")
            continue
        if source:
            available.apply(requirement, source, where)
            if package.name in available.places:
                requirement.specifier = SpecifierSet()
        pins.append(declare(requirement, where))
        if isinstance(artifact, (PackageWheel, PackageArchive)):
            files = package.wheels if isinstance(artifact, PackageWheel) and package.wheels else [artifact]
            strong_digests(_hashes(artifact), where, problems, has_project=has_project)
            digests = frozenset(d for each in files for d in strong_digests(_hashes(each), where, Problems()))
            hashes[package.name] = digests
            if digests and isinstance(place := available.places.get(package.name), LocalPackage):
                check_file(place.path, digests, where, problems)
    problems.raise_any()
    return Requirements(lock, tuple(pins), hashes=hashes, places=available.places, complete=True, lock=lock)


def _hashes(file: PackageWheel | PackageArchive) -> list[str]:
    return [f"{kind}:{digest}" for kind, digest in file.hashes.items()]


def _fix(document: Mapping[str, Any], has_project: bool) -> str:
    """Return what to do about a lock that is not usable for the target."""
    if document.get("created-by") == "pip":  # it locks for the Python that runs it
        fix = "`pip lock` writes only the wheels for its own machine: lock with `uv export --format pylock.toml`"
    else:
        fix = "lock again"
    return f"{fix}, or resolve again with --no-lock" if has_project else fix
