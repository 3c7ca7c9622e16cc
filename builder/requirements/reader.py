"""What an app needs, from its ``requirements.txt`` or ``pyproject.toml``: checked whole, every problem with its line.

Requirements files may include others (``-r``), bind versions (``-c``) and name hashes. What is no released wheel
(addresses, folders, editable installs) is refused, and so are options that choose an index: those are the
environment's to say, and hold for all that the program fetches.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from builder.model.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Options that change nothing here: wheels are all that is ever taken.
_NOTHING = {"--only-binary", "--prefer-binary", "--no-build-isolation", "--trusted-host"}
_INDEX = {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index"}
_ADDRESS = re.compile(r"^[./~]|://|^git\+|\.(whl|zip|tar\.gz|tgz)$|^[A-Za-z]:\\")
_RELEASED = "a layer is made of released wheels only; publish it to an index of yours, or put its files into the app"


@dataclass(frozen=True)
class Asked:
    """One requirement, and the place that asks for it."""

    text: str
    name: str  #: normalised
    where: str  #: ``requirements.txt:3``


@dataclass(frozen=True)
class Requirements:
    """What an app needs."""

    source: Path
    asked: tuple[Asked, ...] = ()
    constraints: tuple[str, ...] = ()
    #: sha256 of the files that may be taken, by package.
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hashed: bool = False  #: every package must have hashes
    name: str | None = None  #: of the project, where there is one
    version: str | None = None
    python: SpecifierSet | None = None  #: the Pythons that the project takes


def find_requirements(app: Path) -> Path | None:
    """The nearest file that says what the app needs: in its folder, else in the one above."""
    folder = app.absolute()
    for path in (each / name for each in (folder, folder.parent) for name in ("requirements.txt", "pyproject.toml")):
        if path.is_file() and (path.suffix != ".toml" or _says_what_is_needed(path)):
            return path
    return None


def read_requirements(path: Path) -> Requirements:
    """What a requirements file or pyproject.toml asks for. InputError names every problem at once."""
    return _read_project(path) if path.suffix == ".toml" else _Reader(path).read()


# -- pyproject.toml ----------------------------------------------------------------------------------------------------


def _says_what_is_needed(path: Path) -> bool:
    """Whether it is a project's, and not only a place for the settings of tools."""
    document = _load(path)
    return "project" in document or "poetry" in document.get("tool", {})


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", where=str(path)) from None


def _read_project(path: Path) -> Requirements:
    document = _load(path)
    project = document.get("project")
    fix = "write the packages into a requirements.txt and name it with --requirements"
    if not isinstance(project, dict):
        poetry = "has Poetry's dependencies" if "poetry" in document.get("tool", {}) else "has no [project]"
        raise InputError(f"{poetry}; [project].dependencies is what is read", where=str(path), fix=fix)
    if "dependencies" in project.get("dynamic", []):
        raise InputError("the dependencies are dynamic: only a build would tell them", where=str(path), fix=fix)
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list):
        raise InputError("[project].dependencies is no list", where=str(path))
    problems: list[str] = []
    asked = []
    for index, text in enumerate(dependencies):
        where = f"{path.name}: [project].dependencies[{index}]"
        if isinstance(found := _requirement(str(text), where), Asked):
            asked.append(found)
        else:
            problems.append(found)
    try:
        python = SpecifierSet(project["requires-python"]) if "requires-python" in project else None
    except (InvalidSpecifier, TypeError):
        python = None
        problems.append(f"{path.name}: [project].requires-python: {project['requires-python']!r} is none")
    _refuse(problems)
    return Requirements(path, tuple(asked), name=project.get("name"), version=project.get("version"), python=python)


# -- requirements files ------------------------------------------------------------------------------------------------


class _Reader:
    """Reads a requirements file and those that it includes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[tuple[Path, bool]] = set()
        self._asked: list[Asked] = []
        self._constraints: list[str] = []
        self._hashes: dict[str, frozenset[str]] = {}
        self._hashed = False
        self._problems: list[str] = []

    def read(self) -> Requirements:
        self._file(self._path, constraints=False)
        _refuse(self._problems)
        return Requirements(
            self._path, tuple(self._asked), tuple(self._constraints), self._hashes, self._hashed or bool(self._hashes)
        )

    def _file(self, path: Path, *, constraints: bool) -> None:
        key = (path.resolve(), constraints)
        if key in self._seen:  # files may include each other
            return
        self._seen.add(key)
        for number, line in _lines(_text(path)):
            where = f"{path.name}:{number}"
            if problem := self._option(line, path, where, constraints) if line[0] == "-" else None:
                self._problems.append(f"{where}: {problem}")
            elif line[0] != "-":
                self._line(line, where, constraints)

    def _option(self, line: str, path: Path, where: str, constraints: bool) -> str | None:
        """Do what an option says; gives what is wrong with it."""
        match = re.match(r"(--[a-z-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(.*)", line)
        name, value = (match[1], match[2].strip().strip("\"'")) if match else (line, "")
        if name in ("-r", "--requirement", "-c", "--constraint"):
            if "://" in value:
                return f"{value} is an address; keep a copy of the file beside this one"
            other = path.parent / value
            if not other.is_file():
                return f"there is no file {value}"
            self._file(other, constraints=constraints or name in ("-c", "--constraint"))
        elif name == "--require-hashes":
            self._hashed = True
        elif name in ("-e", "--editable"):
            return f"{value} is an editable install; {_RELEASED}"
        elif name in _INDEX:
            return f"{name} is not read here; set UV_DEFAULT_INDEX, UV_INDEX or UV_FIND_LINKS in the environment"
        elif name == "--pre":
            return "--pre is not read here; name the version (==2.0rc1), and it is taken"
        elif name not in _NOTHING:
            return f"{name} is not known, or not possible with wheels only"
        return None

    def _line(self, line: str, where: str, constraints: bool) -> None:
        text, *options = re.split(r"\s+(?=--[a-z])", line)
        found = _requirement(text, where)
        if not isinstance(found, Asked):
            self._problems.append(found)
            return
        hashes = set()
        for option in options:
            if match := re.fullmatch(r"--hash[=\s]\s*sha256:([0-9a-fA-F]{64})", option):
                hashes.add(match[1].lower())
            elif not re.fullmatch(r"--hash[=\s]\s*sha(384|512):[0-9a-fA-F]+", option):
                self._problems.append(f"{where}: {option} is not known here; hashes are --hash=sha256:…")
        if len(hashes) < len(options) and not hashes:
            self._problems.append(f"{where}: {found.name} has no sha256 among its hashes")
        if hashes:
            self._hashes[found.name] = self._hashes.get(found.name, frozenset()) | hashes
        if constraints:
            self._constraints.append(found.text)
        else:
            self._asked.append(found)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, without comments, joined where one ends with a backslash."""
    held, first = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        first = first or number
        if bare.endswith("\\"):
            held += bare[:-1].rstrip() + " "
            continue
        if joined := (held + bare).strip():
            yield first, joined
        held, first = "", 0


def _requirement(text: str, where: str) -> Asked | str:
    """A requirement, or what is wrong with it."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if _ADDRESS.search(text.split(";")[0].strip()):
            return f"{where}: {text} is an address or a folder; {_RELEASED}"
        return f"{where}: {text!r} is no requirement: {str(error).splitlines()[0]}"
    if _ADDRESS.search(requirement.name):  # a wheel beside the file has a good name too
        return f"{where}: {text} is a file; {_RELEASED}"
    if requirement.url:
        return f"{where}: {requirement.name} is taken from an address; {_RELEASED}"
    return Asked(text, canonicalize_name(requirement.name), where)


def _refuse(problems: list[str]) -> None:
    if problems:
        found = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(f"the requirements have {found}:", details=problems)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
