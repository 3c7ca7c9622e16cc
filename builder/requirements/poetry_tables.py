"""Translate dependency tables of Poetry and Pipfiles to requirements (PEP 508)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.requirements.declared import Problems
from builder.requirements.entries import Entry
from builder.requirements.poetry_constraints import to_specifiers

#: Keys of a dependency that do not affect which package is used.
_HARMLESS = {"develop", "editable", "optional", "version", "extras", "markers", "python", "platform"}
_MARKER_KEYS = {
    "sys_platform", "python_version", "python_full_version", "os_name", "platform_machine", "platform_system",
    "platform_python_implementation", "implementation_name",
}  # fmt: skip
_NOT_A_SOURCE = {"branch", "tag", "rev", "ref", "subdirectory", "allow-prereleases"}
_SOURCES = {"path": "path", "file": "path", "url": "url", "git": "git", "source": "index", "index": "index"}


def poetry_entries(dependencies: Mapping[str, Any], where: str, problems: Problems) -> Iterator[Entry]:
    """Yield the entries of a table of dependencies, without ``python``."""
    for name, value in dependencies.items():
        if canonicalize_name(name) == "python":
            continue
        place = f"{where}.{name}"
        for each in value if isinstance(value, list) else [value]:
            if entry := _entry(name, each, place, problems):
                yield entry


def poetry_python(dependencies: Mapping[str, Any], python: str, where: str, problems: Problems) -> SpecifierSet | None:
    """Return the specifier of the Pythons that the project supports: of alternatives, the one with this Python."""
    value = dependencies.get("python")
    text = value.get("version") if isinstance(value, dict) else value
    if text is None:
        return None
    try:
        specifiers = [SpecifierSet(each) for each in to_specifiers(str(text))]
        return next((each for each in specifiers if each.contains(python)), specifiers[0])
    except ValueError as error:
        problems.add(f"{where}.python", str(error))
        return None


def _entry(name: str, value: Any, where: str, problems: Problems) -> Entry | None:
    table = value if isinstance(value, dict) else {"version": value}
    version = table.get("version", "*")
    if not isinstance(version, str):
        problems.add(where, "a dependency must be a version constraint or a table")
        return None
    try:
        specifiers = to_specifiers(version)
        markers = list(_markers(table))
    except ValueError as error:
        problems.add(where, str(error))
        return None
    unknown = set(table) - _HARMLESS - _MARKER_KEYS - set(_SOURCES) - _NOT_A_SOURCE
    if unknown:
        problems.add(where, f"unknown key {', '.join(sorted(unknown))}")
    extras = table.get("extras", [])
    if not isinstance(extras, list):
        problems.add(where, "extras must be an array")
        return None
    text = name + (f"[{','.join(map(str, extras))}]" if extras else "")
    text += specifiers[0] if len(specifiers) == 1 else ""  # a lock file chooses one of the alternatives
    text += f" ; {' and '.join(markers)}" if markers else ""
    requirement = problems.parse(text, where)
    if requirement is None:
        return None
    source = {_SOURCES[key]: str(place) for key, place in table.items() if key in _SOURCES}
    if "source" in table:  # Poetry compares names without regard to case
        source["index"] = source["index"].lower()
    source |= {"subdirectory": table["subdirectory"]} if "subdirectory" in table else {}
    needs_lock = "alternatives (||) have no PEP 440 form" if len(specifiers) > 1 else None
    if table.get("allow-prereleases") is True:
        needs_lock = "allow-prereleases = true"
    return Entry(requirement, where, source or None, bool(table.get("optional")), needs_lock)


def _markers(table: Mapping[str, Any]) -> Iterator[str]:
    if markers := table.get("markers"):
        yield f"({markers})"
    pythons = [" and ".join(_python_markers(each)) for each in to_specifiers(str(table.get("python", "*")))]
    if all(pythons):
        yield f"({' or '.join(f'({each})' for each in pythons)})"
    for key in _MARKER_KEYS & set(table):  # Pipfile's
        yield f"{key} {table[key]}"
    if platform := table.get("platform"):
        yield f"sys_platform == '{platform}'"


def _python_markers(specifier: str) -> Iterator[str]:
    for each in SpecifierSet(specifier):
        key = "python_full_version" if each.version.count(".") > 1 else "python_version"
        yield f"{key} {each.operator} '{each.version}'"
