"""Parse poetry.lock, pdm.lock and Pipfile.lock into the packages that they lock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import applies
from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.model.target import Target
from builder.model.text_files import array, table
from builder.requirements.declared import Problems
from builder.requirements.lock_graph import LockedPackage
from builder.requirements.poetry_constraints import to_specifiers
from builder.requirements.poetry_tables import poetry_entries

_LINUX = re.compile(r"linux|manylinux")
_POETRY_SOURCES = {"directory": "path", "file": "path", "url": "url", "git": "git"}


#: The newest formats of poetry.lock, pdm.lock and Pipfile.lock that are known: keys below the root, and major version.
_FORMATS = {
    "poetry.lock": ("metadata", "lock-version", 2),
    "pdm.lock": ("metadata", "lock_version", 4),
    "Pipfile.lock": ("_meta", "pipfile-spec", 6),
}


def check_format(document: Mapping[str, Any], path: Path) -> None:
    """Raise InputError if the lock file has a newer format than those that are known."""
    section, key, newest = _FORMATS[path.name]
    stated = str(table(document, section, where=str(path)).get(key, newest))
    major = stated.partition(".")[0]
    if not (major.isascii() and major.isdigit() and len(major) < 10 and int(major) <= newest):
        raise InputError(
            f"has the format {key} {shorten(stated)}, which is not supported (at most {newest})",
            where=str(path),
            fix="lock with an older version of the tool, or resolve again with --no-lock",
        )


def parse_poetry_lock(
    document: Mapping[str, Any], path: Path, environment: Mapping[str, str], problems: Problems
) -> list[LockedPackage]:
    """Return the packages of a poetry.lock, of Poetry 1 or 2."""
    old_files = table(document, "metadata", "files", where=str(path))  # before Poetry 1.3
    packages = []
    for package, where in _packages(document, path, problems):
        name = canonicalize_name(package["name"])
        files = array(package, "files", where=where) or array(old_files, package["name"], where=where)
        source = table(package, "source", where=where)
        kind = _POETRY_SOURCES.get(str(source.get("type")))
        markers = package.get("markers")
        if isinstance(markers, dict):  # markers by group; a group that is missing here has the package unconditionally
            texts = list(markers.values()) if {*map(str, array(package, "groups", where=where))} <= {*markers} else []
        else:
            texts = [markers] if markers else []
        parsed = [marker for text in texts if (marker := problems.parse_marker(text, where))]
        dependencies = table(package, "dependencies", where=where)
        extras: dict[str, tuple[Requirement, ...]] = {
            canonicalize_name(extra): tuple(_poetry_extra(required, where, problems))
            for extra, required in table(package, "extras", where=where).items()
        }
        requires = (e.requirement for e in poetry_entries(dependencies, where, problems) if not e.optional)
        packages.append(
            LockedPackage(
                name,
                package["version"],
                where,
                _hashes(files),
                {kind: source.get("url")} if kind else None,
                not parsed or any(_applies(marker, environment) for marker in parsed),
                tuple(requires),
                extras,
            )
        )
    return packages


def parse_pdm_lock(
    document: Mapping[str, Any], path: Path, environment: Mapping[str, str], problems: Problems
) -> list[LockedPackage]:
    """Return the packages of a pdm.lock. An entry with extras adds their requirements to the package's own entry."""
    packages: dict[tuple[str, str], LockedPackage] = {}
    of_extras: dict[tuple[str, str], dict[str, tuple[Requirement, ...]]] = {}
    for package, where in _packages(document, path, problems):
        name, version = canonicalize_name(package["name"]), package["version"]
        requires = tuple(
            each
            for text in array(package, "dependencies", where=where)
            if (each := problems.parse(text, where)) is not None
        )
        for extra in array(package, "extras", where=where):
            of_extras.setdefault((name, version), {})[canonicalize_name(str(extra))] = requires
        marker = problems.parse_marker(package.get("marker"), where)
        source: dict[str, Any] = {key: package[key] for key in ("path", "url", "git") if key in package}
        files = array(package, "files", where=where)
        entry = LockedPackage(
            name,
            version,
            where,
            _hashes(files),
            source or None,
            marker is None or _applies(marker, environment),
            () if package.get("extras") else requires,
            of_extras.setdefault((name, version), {}),
        )
        if (name, version) not in packages or not package.get("extras"):
            packages[name, version] = entry
    return list(packages.values())


def pythons_of(document: Mapping[str, Any], lock: str) -> str:
    """Return the Pythons that a uv.lock, poetry.lock or pdm.lock was made for, as it states them."""
    metadata = table(document, "metadata", where=lock)
    stated = (document.get("requires-python"), metadata.get("python-versions"), metadata.get("requires_python"))
    targets = [each for each in array(metadata, "targets", where=lock) if isinstance(each, dict)]
    return next(map(str, filter(None, stated)), " || ".join(str(each.get("requires_python", "*")) for each in targets))


def pdm_targets_elsewhere(document: Mapping[str, Any], target: Target) -> list[str]:
    """Return the platforms that a pdm.lock was made for, if none is the target's: its packages may be missing then."""
    entries = array(table(document, "metadata", where="pdm.lock"), "targets", where="pdm.lock: [metadata]")
    platforms = {str(each.get("platform", "")) for each in entries if isinstance(each, dict)}
    is_for_target = any(
        not each or (_LINUX.match(each) and each.endswith((target.architecture, "linux"))) for each in platforms
    )
    return [] if is_for_target else sorted(platforms)


def parse_pipfile_lock(
    document: Mapping[str, Any],
    path: Path,
    groups: tuple[str, ...],
    environment: Mapping[str, str],
    problems: Problems,
) -> list[LockedPackage]:
    """Return the packages of a Pipfile.lock that are in ``default`` or one of the groups, and apply to the target."""
    packages = []
    for section in dict.fromkeys(["default", *("develop" if group == "dev-packages" else group for group in groups)]):
        for name, entry in table(document, section, where=str(path)).items():
            where = f"{path.name}: {section}.{name}"
            if not isinstance(entry, dict):
                problems.add(where, "must be an object")
                continue
            marker = problems.parse_marker(entry.get("markers"), where)
            if marker is not None and not _applies(marker, environment):
                continue
            source = {key: str(entry[key]) for key in ("path", "git", "index") if key in entry}
            if "file" in entry:
                source["url" if "://" in str(entry["file"]) else "path"] = str(entry["file"])
            version = re.sub(r"^={2,3}|^\*$", "", str(entry.get("version", "")))  # "*": pipenv locked no version
            hashes = frozenset(map(str, array(entry, "hashes", where=where)))
            packages.append(LockedPackage(canonicalize_name(name), version, where, hashes, source or None))
    return packages


def _packages(document: Mapping[str, Any], path: Path, problems: Problems) -> Iterator[tuple[dict[str, Any], str]]:
    packages = document.get("package", [])
    if not isinstance(packages, list):
        raise InputError("[[package]] must be an array of tables", where=str(path), fix="lock the project again")
    for number, package in enumerate(packages):
        where = f"{path.name}: package[{number}]"
        if not isinstance(package, dict) or not all(isinstance(package.get(key), str) for key in ("name", "version")):
            problems.add(where, "must be a table with a name and a version")
            continue
        yield package, f"{path.name}: {package['name']}"


def _hashes(files: Iterable[Any]) -> frozenset[str]:
    return frozenset(str(each["hash"]) for each in files if isinstance(each, dict) and "hash" in each)


def _poetry_extra(required: Any, where: str, problems: Problems) -> Iterator[Requirement]:
    """Yield what an extra requires: names with constraints in parentheses, as Poetry writes them."""
    for text in required if isinstance(required, list) else []:
        match = re.fullmatch(r"([\w.-]+(?:\[[^\]]*\])?)\s*(?:\(([^)]*)\))?\s*(;.*)?", str(text))
        if match is None:
            problems.add(where, f"{text!r} is not a requirement")
            continue
        try:
            specifiers = to_specifiers(match[2] or "*")
        except ValueError:
            specifiers = []  # the lock has only one version of it
        specifier = specifiers[0] if len(specifiers) == 1 else ""
        if (requirement := problems.parse(f"{match[1]}{specifier} {match[3] or ''}", where)) is not None:
            yield requirement


def _applies(marker: Marker, environment: Mapping[str, str]) -> bool:
    """Whether a package's own marker holds, ignoring conditions on extras, which ``find_reachable`` evaluates."""
    text = re.sub(r"""extra\s*(==|!=|in|not in)\s*("[^"]*"|'[^']*')""", "python_version >= '0'", str(marker))
    return applies(Marker(text), environment)
