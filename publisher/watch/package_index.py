"""List the versions of a package on the package indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.errors import InputError
from builder.model.target import Target
from builder.model.wheel_tags import supported_tags
from publisher.watch.index_fetch import fetch
from publisher.watch.index_locations import IndexLocation, IndexLocations, index_locations
from publisher.watch.index_pages import IndexFile, InvalidPageError, read_page


class UnknownPackageError(InputError):
    """No index has the package."""


@dataclass(frozen=True)
class AvailableVersion:
    """A version of a package on the index."""

    version: Version
    files: tuple[IndexFile, ...]

    @property
    def name(self) -> str:
        """The version as the index writes it, normalised: ``1.62.0``."""
        return str(self.version)

    @property
    def yanked(self) -> str | None:
        """Why all its files are yanked (possibly empty); None if some are not."""
        reasons = [file.yanked for file in self.files]
        return next((r for r in reasons if r), "") if all(r is not None for r in reasons) else None

    @property
    def uploaded(self) -> datetime | None:
        """When the last of its files was uploaded; None if the index does not list it."""
        moments = [file.uploaded for file in self.files]
        return max(m for m in moments if m) if moments and all(moments) else None

    def targets_without_wheel(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        """Return the targets for which it has no wheel."""
        wheels = [file for file in self.files if file.yanked is None and file.name.endswith(".whl")]
        return tuple(target for target in targets if not any(_runs_on(file, target) for file in wheels))


def versions_on_index(
    package: str, where: IndexLocations | None = None, clock: Clock = SYSTEM_CLOCK
) -> tuple[AvailableVersion, ...]:
    """Return every version of a package on the indexes and in the folders that the builder's uv uses, oldest first.

    Raises UnknownPackageError if there is no such package, IndexUnavailableError if an index cannot be reached,
    InputError if its page is invalid.
    """
    project = canonicalize_name(package)
    where = where or index_locations()
    files = [file for location in where.links for file in _files(location, "", clock) or ()]
    project_exists = False
    for location in where.indexes:
        index_files = _files(location, project, clock)
        if index_files is not None:
            files += index_files
            project_exists = True
            if not where.merged:
                break
    versions = group(project, files)
    if versions:
        return versions
    if project_exists:
        raise InputError(
            f"the package index lists no file of {package}",
            where=", ".join(dict.fromkeys(location.shown for location in where.indexes)),
            fix="check that this is an index, and not a login page or a page of a proxy",
        )
    raise UnknownPackageError(
        f"the package index has no package {package!r}",
        where=", ".join(dict.fromkeys(location.shown for location in (*where.indexes, *where.links))),
        fix="check the spelling, and the index that uv uses (UV_INDEX, UV_DEFAULT_INDEX)",
    )


def _files(location: IndexLocation, project: str, clock: Clock) -> tuple[IndexFile, ...] | None:
    page = fetch(location, project, clock)
    try:
        return None if page is None else read_page(page)
    except InvalidPageError as error:
        raise InputError(
            f"the package index has an invalid page of {project or 'links'}: {error}",
            where=location.shown,
            fix="check that its address is that of a Simple API (PEP 503)",
        ) from None


def group(project: str, files: Iterable[IndexFile]) -> tuple[AvailableVersion, ...]:
    """Return the wheels and source distributions of a project by version, oldest first; other files are ignored."""
    by_version: dict[Version, list[IndexFile]] = {}
    for file in files:
        for version in _version_of(project, file.name):
            by_version.setdefault(version, []).append(file)
    return tuple(AvailableVersion(version, tuple(by_version[version])) for version in sorted(by_version))


def _version_of(project: str, name: str) -> Iterator[Version]:
    """Yield the version in a file's name, if it is a file of the project. There may be thousands of files."""
    try:
        if name.endswith(".whl"):
            distribution, version = name.split("-", 2)[:2]
            if canonicalize_name(distribution) == project:
                yield Version(version)
        else:
            distribution, parsed = parse_sdist_filename(name)
            if distribution == project:
                yield parsed
    except ValueError:  # among them InvalidSdistFilename and InvalidVersion
        return


def _runs_on(file: IndexFile, target: Target) -> bool:
    try:
        tags = parse_wheel_filename(file.name)[3]
    except ValueError:  # InvalidWheelFilename, or a number with thousands of digits
        return False
    return _python(file.requires_python or "", target) and bool(supported_tags(target).keys() & tags)


def _python(text: str, target: Target) -> bool:
    """Whether Requires-Python allows the target's Python. Installers ignore an invalid one."""
    try:
        return SpecifierSet(text).contains(target.runtime.full_version)
    except ValueError:
        return True
