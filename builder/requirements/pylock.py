"""Read pylock.toml (PEP 751)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
from builder.model.wheel_tags import supported_tags
from builder.requirements.declared import Declared, LocalPackage, Problems, Requirements
from builder.requirements.entries import Places, place_of
from builder.requirements.lock_hashes import check_file, digests_of
from builder.requirements.text_files import read_toml


def read_pylock(
    lock: Path, target: Target, extras: Sequence[str] = (), groups: Sequence[str] | None = None
) -> Requirements:
    """Return the packages that a pylock.toml (PEP 751) selects for the target."""
    problems = Problems()
    declared, places, hashes = [], {}, {}
    try:
        document = Pylock.from_dict(read_toml(lock))
        chosen = list(
            document.select(
                environment=marker_environment(target),  # type: ignore[arg-type]
                tags=supported_tags(target),
                extras=extras,
                dependency_groups=groups or None,
            )
        )
    except (PylockValidationError, PylockSelectError, ValueError) as error:
        raise InputError(
            f"is not usable for {target.id}: {error}",
            where=str(lock),
            fix="lock again, or resolve again with --no-lock",
        ) from None
    for package, artifact in chosen:
        where = f"{lock.name}: {package.name}"
        text = f"{package.name}=={package.version}" if package.version else str(package.name)
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
            place = place_of(package.name, source, where, Places(lock.absolute().parent, {}, {}))
            if isinstance(place, LocalPackage):
                places[str(package.name)], text = place, str(package.name)
            elif isinstance(place, str) and place == source.get("url"):
                text = f"{package.name} @ {place}"
            else:
                problems.add(where, str(place))
        declared.append(Declared(text, str(package.name), where))
        if isinstance(artifact, (PackageWheel, PackageArchive)):
            files = package.wheels if isinstance(artifact, PackageWheel) and package.wheels else [artifact]
            digests_of([f"{kind}:{digest}" for kind, digest in artifact.hashes.items()], where, problems)
            digests = frozenset(d.lower() for each in files if (d := each.hashes.get("sha256")))
            hashes[str(package.name)] = digests
            if digests and (local := places.get(str(package.name))):
                check_file(local.path, digests, where, problems)
    problems.raise_any()
    return Requirements(lock, tuple(declared), hashes=hashes, places=places, complete=True, lock=lock)
