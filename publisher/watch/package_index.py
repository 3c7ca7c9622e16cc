"""What versions of a package there are, by the package index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from builder.model.clock import SYSTEM_CLOCK, Clock
from builder.model.errors import InputError
from builder.model.target import Target
from builder.resolve.resolver import supported_tags
from publisher.watch.index_fetch import fetch
from publisher.watch.index_locations import Place, Places, places
from publisher.watch.index_pages import File, NotAPageError, read_page


class NoPackageError(InputError):
    """No index has the package."""


@dataclass(frozen=True)
class Available:
    """One version of a package on the index."""

    version: Version
    files: tuple[File, ...]

    @property
    def name(self) -> str:
        """The version as the index writes it, normalised: ``1.62.0``."""
        return str(self.version)

    @property
    def yanked(self) -> str | None:
        """Why all its files were yanked (empty: no reason is given); None where some were not."""
        reasons = [file.yanked for file in self.files]
        return next((r for r in reasons if r), "") if all(r is not None for r in reasons) else None

    @property
    def uploaded(self) -> datetime | None:
        """When the last of its files was uploaded; None where the index does not say."""
        moments = [file.uploaded for file in self.files]
        return max(m for m in moments if m) if moments and all(moments) else None

    def lacking(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        """The targets that no wheel of it runs on."""
        wheels = [file for file in self.files if file.yanked is None and file.name.endswith(".whl")]
        return tuple(target for target in targets if not any(_runs_on(file, target) for file in wheels))


class Index(Protocol):
    """Where versions are asked for."""

    def versions(self, package: str) -> tuple[Available, ...]:
        """Every version of a package, oldest first. NoPackageError where there is no such package, SilentError where
        no answer comes, InputError where the answer is of no use."""


class SimpleIndex:
    """The indexes and folders that the builder's uv takes packages from."""

    def __init__(self, where: Places | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._places = where
        self._clock = clock

    def versions(self, package: str) -> tuple[Available, ...]:
        project = canonicalize_name(package)
        where = self._places = self._places or places()
        files = [file for place in where.links for file in self._files(place, "") or ()]
        known = False
        for place in where.indexes:
            found = self._files(place, project)
            if found is not None:
                files += found
                known = True
                if not where.merged:
                    break
        versions = group(project, files)
        if versions:
            return versions
        if known:
            raise InputError(
                f"the package index shows no file of {package}",
                where=", ".join(dict.fromkeys(place.shown for place in where.indexes)),
                fix="see whether this is the page of an index, and not of a log-in or a proxy",
            )
        raise NoPackageError(
            f"the package index has no package {package!r}",
            where=", ".join(dict.fromkeys(place.shown for place in (*where.indexes, *where.links))),
            fix="check the spelling, and which index uv is set to (UV_INDEX, UV_DEFAULT_INDEX)",
        )

    def _files(self, place: Place, project: str) -> tuple[File, ...] | None:
        answer = fetch(place, project, self._clock)
        if answer is None:
            return None
        try:
            return read_page(answer)
        except NotAPageError as error:
            raise InputError(
                f"the package index gives no page of {project or 'links'}: {error}",
                where=place.shown,
                fix="see that its address is the one of a Simple API",
            ) from None


def group(project: str, files: Iterable[File]) -> tuple[Available, ...]:
    """The files of a project by version, oldest first. What is no wheel or source distribution of it is left out."""
    found: dict[Version, list[File]] = {}
    for file in files:
        for version in _version_of(project, file.name):
            found.setdefault(version, []).append(file)
    return tuple(Available(version, tuple(found[version])) for version in sorted(found))


def _version_of(project: str, name: str) -> Iterator[Version]:
    """The version that a file's name has; none where it is no file of the project. Quick: there may be thousands."""
    try:
        if name.endswith(".whl"):
            named, version = name.split("-", 2)[:2]
            if canonicalize_name(named) == project:
                yield _version(version)
        else:
            named, parsed = parse_sdist_filename(name)
            if named == project:
                yield parsed
    except ValueError:  # among them InvalidSdistFilename and InvalidVersion
        return


@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    return Version(text)


@lru_cache(maxsize=64)
def _tags(target: Target) -> frozenset[Tag]:
    return frozenset(supported_tags(target))


def _runs_on(file: File, target: Target) -> bool:
    try:
        tags = parse_wheel_filename(file.name)[3]
    except ValueError:  # InvalidWheelFilename, and what follows from odd numbers in it
        return False
    return _python(file.requires_python or "").contains(target.runtime.full_version) and not tags.isdisjoint(
        _tags(target)
    )


@lru_cache(maxsize=256)
def _python(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except ValueError:  # installers read over it too
        return SpecifierSet()
