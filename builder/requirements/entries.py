"""One dependency of a pyproject.toml, with its declared source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.requirements.declared import LocalPackage, Problems
from builder.requirements.direct_references import local_package, problem_of_local, problem_of_url
from builder.resolve import uv
from builder.resolve.bounds import ProjectIndex


@dataclass(frozen=True)
class Entry:
    """A requirement, its origin and its source: ``path``, ``url``, ``git``, ``workspace`` or ``index``, as uv's."""

    requirement: Requirement
    where: str
    source: Mapping[str, Any] | None = None
    optional: bool = False
    needs_lock: str | None = None  #: why only a lock file tells the version: ``allow-prereleases``, alternatives

    @property
    def name(self) -> str:
        """The normalised name."""
        return canonicalize_name(self.requirement.name)

    def enriched(self, other: Entry) -> Entry:
        """Return the entry limited by another one of the same package, with its source."""
        requirement = Requirement(str(self.requirement))
        requirement.specifier &= other.requirement.specifier
        return replace(
            self,
            requirement=with_marker(requirement, other.requirement.marker),
            source=other.source,
            needs_lock=f"{self.name}: {other.needs_lock}" if other.needs_lock else None,
        )


def with_marker(requirement: Requirement, marker: Marker | None) -> Requirement:
    """Return the requirement with the condition added to its own marker."""
    if marker is None:
        return requirement
    own = f"({requirement.marker}) and " if requirement.marker else ""
    return Requirement(f"{str(requirement).split(';')[0]} ; {own}({marker})")


@dataclass(frozen=True)
class DeclaredSources:
    """Finds the places of packages in the indexes, folders and workspace members that a project's sources refer to."""

    folder: Path  #: paths are relative to it
    problems: Problems
    indexes: Mapping[str, str] = field(default_factory=dict)  #: URLs by name
    members: Mapping[str, Path] = field(default_factory=dict)  #: folders of the workspace's members by normalised name
    places: dict[str, LocalPackage | ProjectIndex] = field(default_factory=dict)  #: those that were found

    def apply(self, requirement: Requirement, source: Mapping[str, Any], where: str) -> None:
        """Set the URL of the requirement, or record its folder or index in ``places``, as the source states."""
        name = str(canonicalize_name(requirement.name))
        place: LocalPackage | ProjectIndex | str
        try:
            place = self._place_of(name, source, where)
        except (OSError, ValueError) as error:  # a path or URL that the system or urllib rejects
            place = str(error)
        if isinstance(place, str) and place == source.get("url"):
            requirement.url, requirement.specifier = place, SpecifierSet()  # PEP 508 allows only one of them
        elif isinstance(place, str):
            self.problems.add(where, place)
        else:
            self.places[name] = place

    def apply_known(self, requirement: Requirement, source: Mapping[str, Any] | None, where: str) -> bool:
        """Apply a source, but not an unknown index: that is the public one or one of the environment's. Return whether
        it was applied."""
        if not source or ("index" in source and source["index"] not in self.indexes):
            return False
        self.apply(requirement, source, where)
        return True

    def _place_of(self, name: str, source: Mapping[str, Any], where: str) -> LocalPackage | ProjectIndex | str:
        """Return the place that a source names. A string is a problem, or the URL of a wheel."""
        if "git" in source:
            return problem_of_url(f"git+{source['git']}") or ""
        if source.get("workspace") is True:
            member = self.members.get(name)
            return LocalPackage(member, where, name) if member else "is not a member of the workspace"
        if "path" in source:
            path = self.folder / str(source["path"])
            path = path / str(source["subdirectory"]) if "subdirectory" in source else path
            return problem_of_local(path, str(source["path"]), name) or LocalPackage(path, where, name)
        if str(source.get("url")).startswith("file:"):
            return local_package(str(source["url"]), self.folder, where, name=name)
        if "url" in source:
            return problem_of_url(str(source["url"])) or str(source["url"])
        if "index" in source:
            is_public = source["index"] == "pypi"  # Poetry's name for the public index
            url = self.indexes.get(str(source["index"])) or (uv.public_index() if is_public else None)
            return ProjectIndex(str(source["index"]), url) if url else f"there is no index named {source['index']!r}"
        return f"unknown source: {', '.join(map(str, source))}"
