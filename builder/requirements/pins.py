"""The packages of a lock file as ``==`` requirements, with their hashes and places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.specifiers import SpecifierSet

from builder.requirements.declared import LocalPackage, Problems, Requirements, declare
from builder.requirements.entries import DeclaredSources
from builder.requirements.file_hashes import problem_of_digests, strong_digests
from builder.requirements.lock_graph import LockedPackage


def pin(
    lock: Path,
    project: Requirements,
    packages: Sequence[LockedPackage],
    problems: Problems,
    *,
    has_project: bool = True,
) -> Requirements:
    """Return locked packages as requirements. Raises one InputError with all problems.

    ``has_project``: the requirements can be resolved again without the lock file.
    """
    pins, hashes = [], {}
    available = DeclaredSources(
        project.source.absolute().parent, problems, project.indexes, places=dict(project.places)
    )
    for package in packages:
        text = f"{package.name}=={package.version}" if package.version else package.name
        requirement = problems.parse(text, package.where)
        if requirement is None:
            continue
        is_applied = available.apply_known(requirement, package.source, package.where)
        place = available.places.get(package.name)
        if is_applied and isinstance(place, LocalPackage):
            requirement.specifier = SpecifierSet()
        pins.append(declare(requirement, package.where))
        if package.hashes:
            digests = strong_digests(package.hashes, package.where, problems, has_project=has_project)
            hashes[package.name] = digests
            file = place.path if isinstance(place, LocalPackage) and not place.path.is_dir() else None
            if file and (problem := problem_of_digests(file, digests)):
                problems.add(package.where, problem)
    problems.raise_any()
    return Requirements(lock, tuple(pins), hashes=hashes, local=project.local, places=available.places)
