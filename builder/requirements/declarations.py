"""What a pyproject.toml declares: dependencies, extras and groups in the tables of PEP 621, PEP 735 and the tools."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.errors import ExceptionGroup
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.metadata.requirement_lines import logical_lines
from builder.model.text_files import array, read_text, read_toml, table
from builder.requirements.declared import Problems, Requirements
from builder.requirements.entries import Entry
from builder.requirements.indexes import refusal_of_index
from builder.requirements.poetry_tables import poetry_entries, poetry_python
from builder.requirements.requirements_file import read_requirements_file

_Groups = dict[str, list[Any]]
#: Tables of other tools that state requirements and are not read, with the reason.
_UNREAD = {
    ("flit", "metadata"): "flit's old format",
    ("pixi", "dependencies"): "conda packages are not wheels",
    ("pixi", "pypi-dependencies"): "only pixi reads it",
}
#: Hatch's "context formatting": ``{root:parent:uri}``, ``{env:NAME:default}``.
_HATCH_FOLDER = re.compile(r"\{(root|home)((?::parent)*)(?::(uri|real))?\}")
_HATCH_DEPENDENCIES = {"dependencies", "extra-dependencies"}
_HATCH_VARIABLE = re.compile(r"\{env:(\w+)(?::([^{}]*))?\}")


def _folder_of(match: re.Match[str], root: Path) -> str:
    """Return the folder that a variable of Hatch stands for."""
    folder = root if match[1] == "root" else Path.home()
    for _ in range(match[2].count(":")):
        folder = folder.parent
    return folder.as_uri() if match[3] == "uri" else str(folder)


def is_project(document: Mapping[str, Any], where: str) -> bool:
    """Whether a pyproject.toml declares dependencies, and not only settings of tools."""
    tool = table(document, "tool", where=where)
    stated = "project" in document or "dependency-groups" in document or "poetry" in tool
    return stated or bool(unread_tables(document, where))


def is_workspace_root(document: Mapping[str, Any], where: str) -> bool:
    """Whether a pyproject.toml is the root of a uv workspace and no project."""
    workspace = table(document, "tool", "uv", "workspace", where=where)
    return bool(workspace) and not is_project(document, where)


def unread_tables(document: Mapping[str, Any], where: str) -> list[str]:
    """Return the tables of other tools that state requirements and that nothing reads, each with the reason."""
    return [
        f"[{'.'.join(('tool', *keys))}] is not used: {reason}"
        for keys, reason in _UNREAD.items()
        if table(document, "tool", *keys, where=where)
    ]


def is_package(document: Mapping[str, Any], where: str) -> bool:
    """Whether installers build and install the project itself, by the rules of uv, Poetry and PDM."""
    uv_package = table(document, "tool", "uv", where=where).get("package")
    if isinstance(uv_package, bool):
        return uv_package
    if table(document, "tool", "poetry", where=where).get("package-mode") is False:
        return False
    if table(document, "tool", "pdm", where=where).get("distribution") is False:
        return False
    return "build-system" in document


class Declarations:
    """Reads the tables of one pyproject.toml. Each fault becomes one of ``problems``."""

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, path.name
        self.problems = Problems()
        self.document = read_toml(path)
        self.project = table(self.document, "project", where=str(path))
        self.poetry = table(self.document, "tool", "poetry", where=str(path))
        self.pdm = table(self.document, "tool", "pdm", where=str(path))
        self.rye = table(self.document, "tool", "rye", where=str(path))
        #: What the build backend states in place of [project].
        self.dynamic = frozenset(map(str, array(self.project, "dynamic", where=f"{path}: [project]")))
        name = self.project.get("name", self.poetry.get("name"))
        if name is not None and not isinstance(name, str):
            self.problems.add(self.where, "[project].name must be a string")
        self.name = canonicalize_name(name) if isinstance(name, str) else None

    def main(self, nested: list[Requirements]) -> Iterator[Entry]:
        if "dependencies" in self.dynamic and not self.poetry.get("dependencies"):
            nested.extend(self._dynamic())
        elif self.project:
            yield from self._with_poetry(self._entries_of(self.project, "dependencies", "[project]"))
            if "dependencies" not in self.project:
                yield from (entry for entry in self._poetry_entries if not entry.optional)
        else:
            yield from (entry for entry in self._poetry_entries if not entry.optional)

    def _with_poetry(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Add what Poetry's own table states for the same package, as Poetry does: source, version and marker."""
        for entry in entries:
            more = [each for each in self._poetry_entries if each.name == entry.name]
            yield from (entry.enriched(each) for each in more)
            if not more:
                yield entry

    @cached_property
    def _poetry_entries(self) -> list[Entry]:
        dependencies = table(self.poetry, "dependencies", where=self.where)
        return list(poetry_entries(dependencies, f"{self.where}: [tool.poetry.dependencies]", self.problems))

    def _dynamic(self) -> Iterator[Requirements]:
        """Yield dependencies that setuptools reads from files; any other dynamic ones need a build of the project."""
        paths = self._setuptools_files("dependencies")
        yield from map(read_requirements_file, paths)
        if not paths and not is_package(self.document, self.where):
            self.problems.add(
                self.where, "[project].dependencies is dynamic, and there is no [build-system] to build it"
            )

    def _setuptools_files(self, *keys: str) -> list[Path]:
        """Return the files from which setuptools reads a dynamic field."""
        files = table(self.document, "tool", "setuptools", "dynamic", *keys, where=self.where).get("file", [])
        return [self.path.parent / str(each) for each in ([files] if isinstance(files, str) else files)]

    def extras(self) -> dict[str, list[Entry]]:
        stated = table(self.project, "optional-dependencies", where=self.where)
        entries: dict[str, list[Entry]] = {
            canonicalize_name(name): list(
                self._with_poetry(self._entries_of(stated, name, "[project.optional-dependencies]"))
            )
            for name in stated
        }
        if "optional-dependencies" in self.dynamic:
            entries |= self._extras_of_setuptools()
        for name, members in table(self.poetry, "extras", where=self.where).items():
            names = [canonicalize_name(str(member)) for member in members] if isinstance(members, list) else []
            entries[canonicalize_name(name)] = [
                entry for member in names for entry in self._poetry_entries if entry.name == member
            ]
        return entries

    def unknown_members(self, extras: Sequence[str], main: Sequence[Entry]) -> Iterator[str]:
        """Yield warnings about names in Poetry's extras that are no dependencies: Poetry ignores them."""
        known = {entry.name for entry in (*main, *self._poetry_entries)}
        for extra, members in table(self.poetry, "extras", where=self.where).items():
            names = map(str, members) if isinstance(members, list) and canonicalize_name(extra) in extras else ()
            for name in names:
                if canonicalize_name(name) not in known:
                    place = f"{self.where}: [tool.poetry.extras].{extra}"
                    yield f"warning: {place}: {name} is not a dependency, so the extra does not add it"

    def _extras_of_setuptools(self) -> dict[str, list[Entry]]:
        """Return the extras that setuptools reads from files, which have requirements and comments only."""
        key = "optional-dependencies"
        return {
            canonicalize_name(name): [
                Entry(requirement, f"{path.name}:{number}")
                for path in self._setuptools_files(key, name)
                for number, text in logical_lines(read_text(path))
                if (requirement := self.problems.parse(text, f"{path.name}:{number}")) is not None
            ]
            for name in table(self.document, "tool", "setuptools", "dynamic", key, where=self.where)
        }

    def groups(self) -> dict[str, list[Entry]]:
        stated: _Groups = table(self.document, "dependency-groups", where=self.where)
        by_group: dict[str, list[Entry]] = {}
        for name in stated:
            try:
                texts: Sequence[str] = resolve_dependency_groups(stated, name)
            except (ValueError, TypeError, LookupError, ExceptionGroup) as error:
                causes = error.exceptions if isinstance(error, ExceptionGroup) else [error]
                for cause in causes:
                    self.problems.add(self.where, f"[dependency-groups].{name}: {cause}")
                continue
            by_group[canonicalize_name(name)] = list(self._entries(texts, f"[dependency-groups].{name}"))
        uv = {"dev": table(self.document, "tool", "uv", where=self.where).get("dev-dependencies", [])}
        for legacy in (table(self.pdm, "dev-dependencies", where=self.where), uv):
            for name in legacy:
                if required := list(self._entries_of(legacy, name, "dev-dependencies")):
                    by_group.setdefault(canonicalize_name(name), []).extend(required)
        old = table(self.poetry, "dev-dependencies", where=self.where)
        groups = {**table(self.poetry, "group", where=self.where), **({"dev": {"dependencies": old}} if old else {})}
        for name, group in groups.items():
            place = f"{self.where}: [tool.poetry.group.{name}.dependencies]"
            entries = poetry_entries(table(group, "dependencies", where=place), place, self.problems)
            by_group.setdefault(canonicalize_name(name), []).extend(entries)
        stated_entries = {name: list(entries) for name, entries in by_group.items()}
        for name in map(canonicalize_name, groups):
            for other in self.with_included([name]) - {name}:
                if other in stated_entries:
                    by_group[name] += stated_entries[other]
                else:
                    self.problems.add(self.where, f"[tool.poetry.group.{name}] includes the unknown group {other!r}")
        return by_group

    def with_included(self, groups: Sequence[str]) -> set[str]:
        """Return the groups with those that they include (PEP 735, and Poetry's ``include-groups``)."""
        tables = table(self.document, "dependency-groups", where=self.where)
        stated: _Groups = {canonicalize_name(name): each for name, each in tables.items()}
        poetry = {canonicalize_name(name): each for name, each in table(self.poetry, "group", where=self.where).items()}
        names: set[str] = set()
        queue = list(groups)
        while queue:
            if (name := queue.pop()) not in names:
                names.add(name)
                entries = (each for each in array(stated, name, where=self.where) if isinstance(each, dict))
                queue += [canonicalize_name(str(each["include-group"])) for each in entries if "include-group" in each]
                group = table(poetry, name, where=self.where)
                place = f"{self.where}: [tool.poetry.group.{name}]"
                queue += [canonicalize_name(str(each)) for each in array(group, "include-groups", where=place)]
        return names

    def hatch_environments(self) -> list[str]:
        """Return Hatch's environments that have dependencies of their own."""
        environments = table(self.document, "tool", "hatch", "envs", where=self.where)
        return [name for name, each in environments.items() if isinstance(each, dict) and {*each} & _HATCH_DEPENDENCIES]

    def source_indexes(self) -> dict[str, str]:
        """Return the sources of Poetry, PDM and Rye by name; refuse those that apply to all packages."""
        indexes: dict[str, str] = {}
        for tool, document, key in (
            ("poetry", self.poetry, "source"), ("pdm", self.pdm, "source"), ("rye", self.rye, "sources"),
        ):  # fmt: skip
            for source in array(document, key, where=f"{self.where}: [tool.{tool}]"):
                if isinstance(source, dict) and "url" in source:
                    name = str(source.get("name"))
                    indexes[name.lower() if tool == "poetry" else name] = str(source["url"])
                    links = source.get("type") == "find_links"
                    problem = refusal_of_index(str(source["url"]), find_links=links)
                    if problem and source.get("priority") != "explicit":
                        self.problems.add(f"{self.where}: [[tool.{tool}.{key}]]", problem)
        return indexes

    def python(self, python: str) -> SpecifierSet | None:
        if "requires-python" not in self.project:
            dependencies = table(self.poetry, "dependencies", where=self.where)
            return poetry_python(dependencies, python, f"{self.where}: [tool.poetry.dependencies]", self.problems)
        return self.problems.parse_specifier(
            self.project["requires-python"], f"{self.where}: [project].requires-python"
        )

    def _entries_of(self, document: Mapping[str, Any], key: str, title: str) -> Iterator[Entry]:
        """Yield the requirements in an array of a table; ``title`` names the table in messages."""
        return self._entries(array(document, key, where=f"{self.where}: {title}"), f"{title}.{key}")

    def _entries(self, texts: Iterable[object], where: str) -> Iterator[Entry]:
        for text in texts:
            place = self._line(text, where)
            if editable := re.match(r"-e\s+(\S+?)#egg=([\w.-]+)(\[.*\])?$", str(text)):  # PDM's development groups
                text = f"{editable[2]}{editable[3] or ''} @ {editable[1]}"
            if (requirement := self.problems.parse(self.expand_variables(text), place)) is not None:
                yield Entry(requirement, place)

    def expand_variables(self, text: Any) -> Any:
        """Replace PDM's and Hatch's variables: the project's folder, those above it, and of the environment."""
        if not isinstance(text, str):
            return text
        if "{" not in text:
            return text
        root = self.path.parent.resolve()
        text = _HATCH_FOLDER.sub(lambda match: _folder_of(match, root), text)
        text = _HATCH_VARIABLE.sub(lambda match: os.environ.get(match[1], match[2] or match[0]), text)
        return text.replace("file:///${PROJECT_ROOT}", root.as_uri())

    def _line(self, text: object, where: str) -> str:
        """Return the file and line of a requirement."""
        number = self._line_numbers.get(str(text))
        return f"{self.where}:{number}" if number else f"{self.where}: {where}"

    @cached_property
    def _line_numbers(self) -> dict[str, int]:
        """The first line of each quoted text."""
        numbers: dict[str, int] = {}
        for number, line in enumerate(read_text(self.path).splitlines(), 1):
            for match in re.finditer(r""""([^"]*)"|'([^']*)'""", line):
                numbers.setdefault(match[1] if match[2] is None else match[2], number)
        return numbers

    def texts(self, values: Sequence[object], kind: str) -> Iterator[str]:
        for value in values:
            if requirement := self.problems.parse(value, self._line(value, f"[tool.uv].{kind}-dependencies")):
                yield str(requirement)
