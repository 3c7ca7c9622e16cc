"""Read pylock.toml (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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

from builder.metadata.requires_dist import marker_environment
from builder.model.errors import InputError
from builder.model.target import Target
from builder.model.text_files import read_toml
from builder.model.wheel_tags import supported_tags
from builder.requirements.declared import Problems, Requirements
from builder.requirements.lock_graph import LockedPackage
from builder.requirements.pins import pin


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
    packages = []
    try:
        content = read_toml(lock)
        chosen = Pylock.from_dict(content).select(
            environment=marker_environment(target),  # type: ignore[arg-type]
            tags=supported_tags(target),
            extras=extras,
            dependency_groups=groups or None,
        )
        for package, artifact in chosen:
            where = f"{lock.name}: {package.name}"
            if isinstance(artifact, PackageSdist):
                problems.add(where, f"has no wheel that runs on {target.id}; only wheels are used")
                continue
            files = package.wheels if isinstance(artifact, PackageWheel) and package.wheels else [artifact]
            hashes = {f"{kind}:{digest}" for each in files for kind, digest in getattr(each, "hashes", {}).items()}
            version = str(package.version or "")
            packages.append(LockedPackage(package.name, version, where, frozenset(hashes), _source(artifact)))
    except (PylockValidationError, PylockSelectError, UndefinedEnvironmentName, ValueError) as error:
        raise InputError(
            f"is not usable for {target.id}: {error}",
            where=str(lock),
            fix=_fix(content, has_project),
        ) from None
    pinned = pin(lock, Requirements(lock), packages, problems, has_project=has_project)
    return replace(pinned, complete=True, lock=lock)


def _source(artifact: object) -> dict[str, str] | None:
    if isinstance(artifact, PackageVcs):
        return {"git": artifact.url or artifact.path or ""}
    if isinstance(artifact, PackageDirectory) or (isinstance(artifact, PackageArchive) and artifact.path):
        return {"path": artifact.path or ""}
    return {"url": artifact.url or ""} if isinstance(artifact, PackageArchive) else None


def _fix(document: Mapping[str, Any], has_project: bool) -> str:
    """Return what to do about a lock that is not usable for the target."""
    if document.get("created-by") == "pip":  # it locks for the Python that runs it
        fix = "`pip lock` writes only the wheels for its own machine: lock with `uv export --format pylock.toml`"
    else:
        fix = "lock again"
    return f"{fix}, or resolve again with --no-lock" if has_project else fix
