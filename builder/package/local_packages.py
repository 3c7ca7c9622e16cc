"""Build wheels of the user's own packages: path dependencies, workspace members, the project itself.

This is the only place where the program runs a build backend. uv runs it, in an environment of its own.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from builder.bytecode.interpreters import find
from builder.metadata.core_metadata import parse_headers
from builder.metadata.requires_dist import applies, marker_environment
from builder.model.errors import BuildError, InputError
from builder.model.escape import without_credentials
from builder.model.progress import Progress
from builder.model.target import Target
from builder.model.text_files import read_toml
from builder.model.wheel_tags import supported_tags
from builder.model.zip_damage import ZIP_DAMAGE
from builder.requirements.declarations import is_project
from builder.requirements.declared import Declared, LocalPackage, Requirements, Selection
from builder.requirements.pyproject import read_pyproject
from builder.resolve import uv
from builder.resolve.bounds import ProjectIndex

#: How many lines of a build backend's output an error shows.
_MAX_SHOWN_LINES = 12
_AGAIN = "build or download the wheel again"
#: The description at the end may be longer.
_MAX_METADATA_BYTES = 1 << 20
#: Files that setuptools leaves beside the source. They are deleted if the build created them.
_LEFTOVERS = ("build", "*.egg-info", "src/*.egg-info")


@dataclass(frozen=True)
class LocalWheel:
    """A wheel of one of the user's own packages."""

    package: LocalPackage  #: with its name
    path: Path
    requires: tuple[Requirement, ...]  #: its Requires-Dist

    @property
    def name(self) -> str:
        """The normalised name."""
        return self.package.name or ""

    def reference(self, extras: Sequence[str] = ()) -> str:
        """Return the wheel as a direct reference (PEP 508)."""
        chosen = f"[{','.join(extras)}]" if extras else ""
        return f"{self.name}{chosen} @ {self.path.absolute().as_uri()}"


def local_packages(requirements: Requirements, target: Target) -> tuple[list[LocalPackage], Requirements]:
    """Return the user's own packages that the requirements need on the target, directly or through each other.

    Also return the requirements with the indexes and URLs that these packages declare for others, and with the
    dependencies of those that uv does not install itself (``package = false``).
    """
    environment = marker_environment(target)
    packages: dict[tuple[Path, str | None], LocalPackage] = {}
    declared = {each.text: each for each in requirements.declared}
    places, virtual = dict(requirements.places), set[str]()
    queue = deque(each for each in requirements.local if applies(each.marker, environment))
    queue.extend(_needed_places(requirements, environment))
    seen: set[tuple[Path, tuple[str, ...]]] = set()
    while queue:
        package = queue.popleft()
        path = package.path.resolve()
        first = packages.setdefault((path, package.name), package)
        extras = tuple(sorted({*first.extras, *package.extras}))
        packages[path, package.name] = replace(first, extras=extras)
        project = path / "pyproject.toml"
        if (path, package.extras) in seen or project == requirements.source.resolve():
            continue
        seen.add((path, package.extras))
        if not (project.is_file() and is_project(read_toml(project), str(project))):
            continue
        nested = read_pyproject(project, Selection(extras=package.extras, default_groups=False), environment)
        queue.extend(each for each in _needed_places(nested, environment) if each.name not in nested.virtual)
        virtual.update(nested.virtual)
        of_virtual = {each for part in nested.virtual.values() for each in part}
        for each in (each for each in nested.declared if each.is_active(environment)):
            place = nested.places.get(each.name)
            if isinstance(place, ProjectIndex):
                _add_index(places, place, each, project)
            if each in of_virtual or isinstance(place, ProjectIndex) or each.requirement.url:
                declared.setdefault(each.text, replace(each, where=str(project.parent / each.where)))
    # The pins of a lock file are all requirements.
    more = requirements.declared if requirements.complete else tuple(declared.values())
    virtual -= {*requirements.excludes, *(each.name for each in packages.values() if each.name)}
    excludes = (*requirements.excludes, *sorted(virtual))
    return list(packages.values()), replace(requirements, declared=more, places=places, excludes=excludes)


def _add_index(
    places: dict[str, LocalPackage | ProjectIndex], index: ProjectIndex, declared: Declared, project: Path
) -> None:
    """Bind a package to the index that a local package's project declares. Raises InputError if another one differs."""
    first = places.setdefault(declared.name, index)
    same_name = [each for each in places.values() if isinstance(each, ProjectIndex) and each.name == index.name]
    if getattr(first, "url", None) != index.url or any(each.url != index.url for each in same_name):
        raise InputError(
            f"the index {index.name} ({without_credentials(index.url)}) of {declared.name} differs from what another "
            "project declares",
            where=f"{project}: [tool.uv.sources]",
            fix="declare the same index for the package, or another name for the index",
        )


def _needed_places(requirements: Requirements, environment: dict[str, str]) -> Iterator[LocalPackage]:
    for each in requirements.declared:
        place = requirements.places.get(each.name)
        if isinstance(place, LocalPackage) and each.is_active(environment):
            yield replace(place, extras=tuple(sorted(each.requirement.extras)))


def build_wheels(
    packages: Sequence[LocalPackage], target: Target, folder: Path, progress: Progress
) -> list[LocalWheel]:
    """Build a wheel of each package into ``folder``. Raises BuildError if one fails or cannot run on the target."""
    wheels: dict[str, LocalWheel] = {}
    paths: dict[Path, Path] = {}
    for number, package in enumerate(packages):
        output = folder / str(number)
        output.mkdir(parents=True)
        source = package.path.resolve()
        if source not in paths:
            paths[source] = package.path if source.suffix == ".whl" else _build(package, target, output, progress)
        wheel = _read(package, paths[source], target)
        first = wheels.setdefault(wheel.name, wheel)
        if first.package.path.resolve() != source:
            raise InputError(
                f"two packages have the name {wheel.name}: {first.package.path} and {package.path}",
                where=package.where,
                fix="remove one of them from the requirements",
            )
    return list(wheels.values())


def _build(package: LocalPackage, target: Target, folder: Path, progress: Progress) -> Path:
    progress.note(f"building a wheel of {package.name or package.path} ({package.where})")
    source = package.path.absolute()
    before = set(_leftovers(source))
    command = ["build", "--wheel", "--out-dir", str(folder), "--no-python-downloads", "--python", _python(target)]
    result = uv.run([*command, str(source)], folder)
    for path in set(_leftovers(source)) - before:
        shutil.rmtree(path, ignore_errors=True)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or not wheels:
        lines = [line for line in without_credentials(result.stderr).splitlines() if line.strip()][-_MAX_SHOWN_LINES:]
        raise BuildError(
            f"uv cannot build a wheel of {package.name or package.path}:",
            details=[f"  {line}" for line in lines],
            where=package.where,
            fix=f"make `uv build --wheel {package.path}` succeed"
            + ("" if package.path.is_file() else ", or set `package = false` in its [tool.uv] if it is not a package"),
        )
    return wheels[0]


def _python(target: Target) -> str:
    """Return the Python for builds: the target's, because the content of a wheel may depend on it."""
    try:
        return str(find(target.python).path)
    except BuildError:
        return sys.executable


def _leftovers(source: Path) -> Iterator[Path]:
    for pattern in _LEFTOVERS if source.is_dir() else ():
        yield from source.glob(pattern)


def _read(package: LocalPackage, path: Path, target: Target) -> LocalWheel:
    where = f"{package.where}: {path}"
    try:
        name, _, _, tags = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            inner = next(each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
            with archive.open(inner) as file:
                headers = parse_headers(file.read(_MAX_METADATA_BYTES).decode("utf-8", "replace"))
        requires = tuple(map(Requirement, headers.get("requires_dist", [])))
    except StopIteration:
        raise InputError("is not a valid wheel: it has no METADATA", where=where, fix=_AGAIN) from None
    except ZIP_DAMAGE as error:  # ValueError: also for an invalid name or requirement
        reason = str(error) or type(error).__name__
        raise InputError(f"is not a valid wheel: {reason}", where=where, fix=_AGAIN) from None
    if package.name not in (None, name):
        raise InputError(
            f"{path.name} is not a wheel of {package.name}",
            where=package.where,
            fix="correct the name or the path",
        )
    if not tags & set(supported_tags(target)):
        shown = ", ".join(sorted(map(str, tags)))
        raise BuildError(
            f"the wheel of {name} is for another machine or Python ({shown}), not for {target.id}",
            where=package.where,
            fix=f"build it in Lambda's container image of {target.runtime.api_name} for {target.architecture}, and "
            "name the wheel's path in its place",
        )
    return LocalWheel(replace(package, name=canonicalize_name(name)), path, requires)
