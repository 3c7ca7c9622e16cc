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
from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import marker_environment
from builder.model.errors import InputError
from builder.model.target import Target
from builder.model.text_files import read_toml
from builder.model.wheel_tags import supported_tags
from builder.requirements.declared import Problems, Requirements, Selection, fix_for_unknown, names_of
from builder.requirements.lock_graph import LockedPackage
from builder.requirements.pins import pin


def read_pylock(lock: Path, target: Target, selection: Selection, *, has_project: bool = False) -> Requirements:
    """Return the packages that a pylock.toml (PEP 751) selects for the target, its default groups included."""
    problems = Problems()
    packages = []
    try:
        content = read_toml(lock)
        document = Pylock.from_dict(content)
        extras = list(document.extras or []) if selection.all_extras else list(map(canonicalize_name, selection.extras))
        groups = list(map(canonicalize_name, selection.groups))
        if not has_project:
            _refuse_unknown(lock, "extra", extras, document.extras)
            _refuse_unknown(lock, "group", groups, document.dependency_groups)
        if has_project or selection.default_groups:
            groups += map(canonicalize_name, document.default_groups or [])
        chosen = document.select(
            environment=marker_environment(target),  # type: ignore[arg-type]
            tags=tuple(supported_tags(target)),
            extras=extras,
            dependency_groups=groups,
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
    rest = sorted({*(document.extras or [])} - {*extras})
    notes = (f"not included: extra {names_of(rest)} (--extra NAME includes one)",) if rest and not has_project else ()
    return replace(pinned, complete=True, lock=lock, notes=(*pinned.notes, *notes))


def _refuse_unknown(lock: Path, kind: str, chosen: Sequence[str], stated: Sequence[str] | None) -> None:
    for name in chosen:
        if name not in (stated or ()):
            fix = fix_for_unknown(stated or (), f"--{kind}")
            raise InputError(f"the lock file has no {kind} {name!r}", where=f"{lock}: --{kind}", fix=fix)


def _source(artifact: object) -> dict[str, str] | None:
    if isinstance(artifact, PackageVcs):
        return {"git": artifact.url or artifact.path or ""}
    if isinstance(artifact, PackageDirectory) or (isinstance(artifact, PackageArchive) and artifact.path):
        subdirectory = {"subdirectory": artifact.subdirectory} if artifact.subdirectory else {}
        return {"path": artifact.path or "", **subdirectory}
    return {"url": artifact.url or ""} if isinstance(artifact, PackageArchive) else None


def _fix(document: Mapping[str, Any], has_project: bool) -> str:
    """Return what to do about a lock that is not usable for the target."""
    if document.get("created-by") == "pip":  # it locks for the Python that runs it
        fix = "`pip lock` writes only the wheels for its own machine: lock with `uv export --format pylock.toml`"
    else:
        fix = "lock again"
    return f"{fix}, or resolve again with --no-lock" if has_project else fix
