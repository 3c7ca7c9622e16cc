"""Use a project's lock file: its versions and hashes replace the project's version ranges."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import applies, marker_environment
from builder.model.errors import InputError
from builder.model.target import Target
from builder.model.text_files import read_json, read_toml
from builder.model.versions import allows
from builder.requirements.content_hashes import pdm_project_has_changed, pipfile_has_changed, poetry_project_has_changed
from builder.requirements.declared import Declared, LocalPackage, Problems, Requirements, Selection
from builder.requirements.lock_formats import (
    check_format,
    parse_pdm_lock,
    parse_pipfile_lock,
    parse_poetry_lock,
    pdm_targets_elsewhere,
    pythons_of,
)
from builder.requirements.lock_graph import LockedPackage, find_reachable
from builder.requirements.pins import pin
from builder.requirements.poetry_constraints import to_specifiers
from builder.requirements.pylock import read_pylock
from builder.requirements.requirements_file import read_requirements_file
from builder.requirements.uv_lock_check import find_differences, local_names
from builder.resolve import uv
from builder.resolve.bounds import ProjectIndex

_Reader = Callable[[Path, Requirements, Target], Requirements]


def find_lock(project: Requirements) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the lock file of a project, and the lock files beside it that are not used."""
    folder = project.source.absolute().parent
    names = (
        ("Pipfile.lock",) if project.source.name == "Pipfile" else ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock")
    )
    locks = [folder / name for name in names if (folder / name).is_file()]
    if not locks and project.root and (project.root / "uv.lock").is_file() and project.source.name == "pyproject.toml":
        locks = [project.root / "uv.lock"]
    return (locks[0] if locks else None), tuple(locks[1:])


def use_lock(project: Requirements, lock: Path, target: Target) -> Requirements:
    """Return the project's requirements with the lock file's versions. Raises InputError if the lock is out of date."""
    read = _READERS.get(lock.name, _pylock)
    locked = read(lock, project, target)
    return replace(
        locked,
        source=project.source,
        declared=_add_extras(locked.declared, project, target),
        complete=True,
        lock=lock,
        excludes=project.excludes,
        overrides=(),  # the lock already includes them
        hashed=False,
        name=project.name,
        version=project.version,
        python=project.python,
        notes=(*project.notes, *locked.notes),
    )


def _add_extras(pins: Sequence[Declared], project: Requirements, target: Target) -> tuple[Declared, ...]:
    """Return the pins with the extras that the project requires of them, to tell which do not exist."""
    extras: dict[str, set[str]] = {}
    environment = marker_environment(target)
    for each in project.declared:
        if each.is_active(environment):
            extras.setdefault(each.name, set()).update(each.requirement.extras)
    pinned = [(each, Requirement(each.text)) for each in pins]
    for each, requirement in pinned:
        requirement.extras |= extras.get(each.name, set())
    return tuple(replace(each, text=str(requirement)) if requirement.extras else each for each, requirement in pinned)


def _uv_lock(lock: Path, project: Requirements, target: Target) -> Requirements:
    """Read uv.lock through ``uv export``, which handles forks, conflicts and workspaces."""
    options = [
        f"--{kind}={name}" for kind, names in (("extra", project.extras), ("group", project.groups)) for name in names
    ]
    command = [
        "export", "--project", str(project.source.absolute().parent), "--frozen", "--offline", "--no-header",
        "--no-annotate", "--no-default-groups", "--no-python-downloads", "--format", "requirements-txt", *options,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="layers-export-") as folder:
        result = uv.run(command, Path(folder))
    if result.returncode:
        raise InputError(
            f"uv export cannot read it: {uv.without_addresses(' '.join(result.stderr.split()))}",
            where=str(lock),
            fix="run `uv lock`, or resolve again with --no-lock",
        )
    document = read_toml(lock)
    names = local_names(document, lock)
    requirements = read_requirements_file(lock, result.stdout, marker_environment(target))
    places = {**project.places, **requirements.places}
    requirements = replace(
        requirements,
        local=tuple(replace(each, name=names.get(each.path.resolve())) for each in requirements.local),
        places={
            name: place
            for name, place in places.items()
            if isinstance(place, ProjectIndex) or name in requirements.places
        },
    )
    _check_python(document, lock, project, target, "uv lock")
    problems = Problems()
    missing = _check_pins(project, requirements, target, problems)
    local = {package.path.resolve() for package in requirements.local}
    home = project.source.absolute().parent
    for where, name, text in find_differences(document, lock, home, local):
        if name not in missing:
            problems.add(where, text)
    _raise_stale(problems, lock, "uv lock")
    return requirements


def _graph_lock(lock: Path, project: Requirements, target: Target) -> Requirements:
    """Read poetry.lock or pdm.lock: the packages that the project's requirements reach.

    A project that changed after it was locked is a warning: its lock still has every requirement.
    """
    parse, has_changed, command = _GRAPHS[lock.name]
    problems = Problems()
    document = read_toml(lock)
    check_format(document, lock)
    elsewhere = pdm_targets_elsewhere(document, target) if lock.name == "pdm.lock" else []
    if elsewhere:
        command = f"pdm lock --platform manylinux_2_17_{target.architecture} --append"
    _check_python(document, lock, project, target, command)
    packages = parse(document, lock, marker_environment(target), problems)
    problems.raise_any()
    roots = [(each.requirement, each.where) for each in project.declared]
    ignored = frozenset({*project.not_compared, *project.places})
    packages_in_use = find_reachable(roots, packages, marker_environment(target), ignored, problems)
    _check_sources(project, packages_in_use, target, problems)
    _raise_stale(problems, lock, command)
    requirements = pin(lock, project, packages_in_use, problems)
    notes = []
    if has_changed(read_toml(project.source), document):
        notes.append(
            f"warning: the project changed after {lock.name} was written, but the lock still fits "
            f"(`{command}` updates it)"
        )
    if elsewhere:
        notes.append(
            f"warning: pdm.lock is for {', '.join(elsewhere)}, so packages that only {target.architecture} Linux "
            f"needs may be missing (`{command}` adds them)"
        )
    return replace(requirements, notes=(*requirements.notes, *notes))


def _check_sources(
    project: Requirements, packages: Sequence[LockedPackage], target: Target, problems: Problems
) -> None:
    """Compare where the project and the lock take the same package from: a path, a URL, or neither."""
    sources = {each.name: each.source or {} for each in packages if each.name not in project.not_compared}
    environment = marker_environment(target)
    for each in project.declared:
        if each.name not in sources or not each.is_active(environment):
            continue
        is_local = isinstance(project.places.get(each.name), LocalPackage)
        stated = "a path" if is_local else "a URL" if each.requirement.url else "an index"
        kinds = {"path": "a path", "url": "a URL"}
        locked = next((kinds[kind] for kind in kinds if kind in sources[each.name]), "an index")
        if stated != locked and "git" not in sources[each.name]:  # that is refused by itself
            problems.add(each.where, f"{each.name} comes from {stated}, and in the lock from {locked}")


def _check_python(document: Mapping[str, Any], lock: Path, project: Requirements, target: Target, command: str) -> None:
    """Raise InputError if only the project supports the target's Python: the lock may miss packages that it needs."""
    python, stated = target.runtime.full_version, pythons_of(document, str(lock))
    try:
        locked = [SpecifierSet(each) for each in to_specifiers(stated or "*")]
    except ValueError:  # the tools write only valid ones
        return
    if not any(each.contains(python) for each in locked) and (not project.python or project.python.contains(python)):
        raise InputError(
            f"the lock file is for Python {stated}, not {python}",
            where=str(lock),
            fix=f"run `{command}`, choose another Python with --python, or resolve again with --no-lock",
        )


def _pipfile_lock(lock: Path, project: Requirements, target: Target) -> Requirements:
    problems = Problems()
    environment = marker_environment(target)
    document = read_json(lock)
    check_format(document, lock)
    packages = parse_pipfile_lock(document, lock, project.groups, environment, problems)
    # pipenv locks a package for another platform without version and marker: the Pipfile still has the marker.
    inactive = {each.name for each in project.declared if not each.is_active(environment)}
    packages = [each for each in packages if each.version or each.name not in inactive]
    roots = [(each.requirement, each.where) for each in project.declared]
    versioned = [each if each.version else replace(each, version="0") for each in packages]
    ignored = frozenset({*project.places, *(each.name for each in packages if not each.version)})
    find_reachable(roots, versioned, environment, ignored, problems)
    _check_sources(project, packages, target, problems)
    if pipfile_has_changed(read_toml(project.source), document):  # a package may no longer be required
        problems.add(project.source.name, "changed after it was locked: its hash is not the lock's _meta.hash")
    _raise_stale(problems, lock, "pipenv lock")
    return pin(lock, project, packages, problems)


def _pylock(lock: Path, project: Requirements, target: Target) -> Requirements:
    problems = Problems()
    requirements = read_pylock(lock, target, Selection(project.extras, groups=project.groups), has_project=True)
    _check_pins(project, requirements, target, problems)
    _raise_stale(problems, lock, "uv export or pip lock")
    local = [each for each in project.local if each.name not in requirements.places]
    return replace(requirements, local=(*requirements.local, *local))


def _check_pins(project: Requirements, locked: Requirements, target: Target, problems: Problems) -> set[str]:
    """Compare the project's requirements with a lock's packages. Return the names of those that do not fit."""
    environment = marker_environment(target)
    pins = {each.name: each.requirement for each in locked.declared if each.is_active(environment)}
    local = {each.path.resolve() for each in locked.local}
    places = {name: each.path.resolve() for name, each in locked.places.items() if isinstance(each, LocalPackage)}
    names = {*places, *(each.name for each in locked.local if applies(each.marker, environment))}
    different = set()
    for each in project.declared:
        if each.name in project.not_compared or not each.is_active(environment):
            continue
        place = project.places.get(each.name)
        if isinstance(place, LocalPackage):
            fits = place.path.resolve() in local or places.get(each.name) == place.path.resolve()
            problem = None if fits else f"{each.name} is not in the lock as {place.path}"
        elif each.name in names:  # another requirement takes it from there
            problem = None
        else:
            has = _difference(each.requirement, pins.get(each.name))
            problem = f"{each.text} is not in the lock: it {has}" if has else None
        if problem:
            problems.add(each.where, problem)
            different.add(each.name)
    for constraint in map(Requirement, project.constraints):
        name = canonicalize_name(constraint.name)
        is_compared = name in pins and name not in project.not_compared | names
        if is_compared and applies(constraint.marker, environment) and (has := _difference(constraint, pins[name])):
            problems.add(project.source.name, f"the lock does not fit the constraint {constraint}: it {has}")
    return different


def _difference(requirement: Requirement, pin: Requirement | None) -> str | None:
    """Return what a lock has in place of a requirement; None if its pin satisfies it."""
    if pin is None:
        return f"does not have {requirement.name}"
    if requirement.url:
        same_url = pin.url and urldefrag(requirement.url).url == urldefrag(pin.url).url
        return None if same_url else f"has {str(pin).split(';')[0].strip()}"
    version = next((each.version for each in pin.specifier), None)
    fits = version is None or allows(requirement.specifier, version)
    return None if fits else f"has {pin.name} {version}"


def _raise_stale(problems: Problems, lock: Path, command: str) -> None:
    try:
        problems.raise_any()
    except InputError as error:
        raise InputError(
            f"the lock file does not fit the project: {error.what}",
            where=str(lock),
            details=error.details,
            fix=f"run `{command}`, or resolve again with --no-lock",
        ) from None


#: Of a lock file that is a graph of packages: its parser, the comparison with the project's hash, the lock command.
_GRAPHS = {
    "poetry.lock": (parse_poetry_lock, poetry_project_has_changed, "poetry lock"),
    "pdm.lock": (parse_pdm_lock, pdm_project_has_changed, "pdm lock"),
}
_READERS: Mapping[str, _Reader] = {
    "uv.lock": _uv_lock,
    "poetry.lock": _graph_lock,
    "pdm.lock": _graph_lock,
    "Pipfile.lock": _pipfile_lock,
}
