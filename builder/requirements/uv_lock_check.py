"""Compare a uv.lock with the projects that it was made for, as ``uv lock --check`` does, but without an index."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.model.text_files import array, read_toml, table
from builder.requirements.declarations import Declarations
from builder.requirements.declared import Problems
from builder.requirements.entries import Entry
from builder.requirements.uv_tables import UvTables, read_uv_tables

#: Sources that the lock states instead of a version range.
_WITHOUT_VERSIONS = ("directory", "editable", "git", "path", "url", "virtual")
_EXTRA = re.compile(r"extra == '([^']*)'")
_MAIN = "dependencies"
#: What a key in [project].dynamic leaves to a build, as the first word of a part.
_DYNAMIC = {"dependencies": _MAIN, "optional-dependencies": "extra"}


@dataclass(frozen=True)
class _Required:
    """A requirement without its marker, which uv simplifies in the lock."""

    part: str  #: ``dependencies``, ``extra NAME``, ``group NAME``, or the kind of a setting
    name: str
    extras: frozenset[str] = frozenset()
    versions: SpecifierSet | None = None  #: None: from a source

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}{self.versions or ''}" + ("" if self.part == _MAIN else f" ({self.part})")

    def fits(self, other: _Required) -> bool:
        """Whether both are the same requirement, as far as both state versions."""
        same_package = (self.part, self.name, self.extras) == (other.part, other.name, other.extras)
        return same_package and (self.versions is None or other.versions is None or self.versions == other.versions)


def local_names(document: Mapping[str, Any], lock: Path) -> dict[Path, str]:
    """Return the names of the local packages in a uv.lock by their places."""
    return {place: canonicalize_name(str(package.get("name"))) for place, package in _local_entries(document, lock)}


def _local_entries(document: Mapping[str, Any], lock: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for package in array(document, "package", where=str(lock)):
        source = table(package, "source", where=str(lock))
        place = next((value for key, value in source.items() if key in _WITHOUT_VERSIONS), None)
        if place is not None:
            yield (lock.parent / str(place)).resolve(), package


def find_differences(
    document: Mapping[str, Any], lock: Path, project: Path, local: Collection[Path]
) -> Iterator[tuple[str, str, str]]:
    """Yield the file that states something else than the lock, the package's name, and the difference.

    ``document`` is the content of ``lock``, ``project`` is the project's folder, ``local`` has the folders of the local
    packages that it uses. What only a build of a project can tell (``dynamic``) is not compared.
    """
    folder, name = project.resolve(), str(lock)
    manifest = table(document, "manifest", where=name)
    entries = _local_entries(document, lock)
    compared = [(package, place) for place, package in entries if place == folder or place in local]
    if "dependency-groups" in manifest:  # a root that is not a package
        compared.append(({"metadata": {"requires-dev": manifest["dependency-groups"]}}, folder))
    for package, locked_folder in compared:
        if (path := locked_folder / "pyproject.toml").is_file():
            where = "pyproject.toml" if locked_folder == folder else str(path)
            yield from ((where, *each) for each in _compare(package, path, name))
    uv = read_uv_tables(folder, read_toml(folder / "pyproject.toml"), Problems())
    locked = [
        each for kind in ("constraint", "override") for each in _locked_requirements(manifest, f"{kind}s", kind, name)
    ]
    locked += [_Required("exclude", canonicalize_name(str(each))) for each in array(manifest, "excludes", where=name)]
    has_constraints = "constraints" in manifest or any("metadata" in package for package, _ in compared)
    stated = [each for each in _settings(uv) if has_constraints or each.part != "constraint"]
    yield from (("[tool.uv]", *each) for each in _differences(stated, locked))


def _compare(package: Mapping[str, Any], path: Path, lock: str) -> Iterator[tuple[str, str]]:
    """Yield the differences between a package's requirements in the lock and in its pyproject.toml."""
    project = Declarations(path)
    parts = {
        _MAIN: list(project.main([])),
        **{f"extra {name}": entries for name, entries in project.extras().items()},
        **{f"group {name}": entries for name, entries in project.groups().items()},
    }
    uv = read_uv_tables(path.parent, project.document, Problems())
    sources = frozenset({*uv.sources, *uv.members})
    stated = [
        r for part in parts for r in _stated_requirements((entry.requirement for entry in parts[part]), part, sources)
    ]
    if "metadata" not in package:
        yield from _differences_of_names(parts, package, project.name, lock)
        return
    metadata = table(package, "metadata", where=lock)
    locked = list(_locked_requirements(metadata, "requires-dist", _MAIN, lock))
    groups = table(metadata, "requires-dev", where=lock)
    for group in groups:
        locked += _locked_requirements(groups, group, f"group {canonicalize_name(group)}", lock)
    dynamic = {_DYNAMIC.get(key) for key in project.dynamic}

    def is_compared(each: _Required) -> bool:
        return each.name != project.name and each.part.split()[0] not in dynamic

    yield from _differences(list(filter(is_compared, stated)), list(filter(is_compared, locked)))


def _differences_of_names(
    parts: Mapping[str, Sequence[Entry]], package: Mapping[str, Any], project: str | None, lock: str
) -> Iterator[tuple[str, str]]:
    """Yield what a package in the lock requires and its pyproject.toml does not.

    For a lock without the metadata of its projects: uv 0.13 writes it with ``preview = true``.
    """
    locked = {_MAIN: package.get("dependencies", [])}
    for key, kind in (("optional-dependencies", "extra"), ("dev-dependencies", "group")):
        locked |= {
            f"{kind} {canonicalize_name(each)}": value for each, value in table(package, key, where=lock).items()
        }
    extras = {entry.name for part, entries in parts.items() if part.startswith("extra ") for entry in entries}
    for part in locked:
        names = {entry.name for entry in parts.get(part, ())}
        names |= extras if project in names else set()  # the project requires its own extras
        for each in array(locked, part, where=lock):
            required = _Required(part, canonicalize_name(str(table(each, where=lock).get("name"))))
            if required.name not in names:
                yield required.name, f"{required} is no longer required"


def _differences(stated: Sequence[_Required], locked: Sequence[_Required]) -> Iterator[tuple[str, str]]:
    yield from ((each.name, f"{each} is not in the lock") for each in stated if not any(map(each.fits, locked)))
    yield from ((each.name, f"{each} is no longer required") for each in locked if not any(map(each.fits, stated)))


def _stated_requirements(
    requirements: Iterable[Requirement], part: str, sources: frozenset[str]
) -> Iterator[_Required]:
    for each in requirements:
        name = canonicalize_name(each.name)
        versions = None if each.url or name in sources else each.specifier
        yield _Required(part, name, frozenset(map(canonicalize_name, each.extras)), versions)


def _locked_requirements(document: Mapping[str, Any], key: str, part: str, lock: str) -> Iterator[_Required]:
    for each in array(document, key, where=lock):
        entry = table(each, where=lock)
        extra = _EXTRA.search(str(entry.get("marker", "")))
        from_source = any(key in entry for key in _WITHOUT_VERSIONS)
        yield _Required(
            f"extra {extra[1]}" if extra else part,
            canonicalize_name(str(entry.get("name"))),
            frozenset(canonicalize_name(str(name)) for name in array(entry, "extras", where=lock)),
            None if from_source else _specifier(str(entry.get("specifier", "")), lock),
        )


def _specifier(text: str, lock: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except ValueError:
        raise InputError(
            f"{shorten(text)!r} is not a version specifier (PEP 440)", where=lock, fix="run `uv lock`"
        ) from None


def _settings(uv: UvTables) -> Iterator[_Required]:
    problems = Problems()
    for kind, texts in (("constraint", uv.constraints), ("override", uv.overrides)):
        parsed = [each for text in texts if (each := problems.parse(text, kind))]
        yield from _stated_requirements(parsed, kind, frozenset(uv.sources))
    yield from (_Required("exclude", canonicalize_name(str(name))) for name in uv.excludes)
