"""Read requirements files as pip, pip-compile, pipenv, uv, Poetry, conda and PowerShell write them.

A file may include others (``-r``, ``-c``), hashes and the user's own packages (``-e .``). A line that cannot be
honoured is a problem with its file and line: no line is ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.requirements.declared import (
    Declared,
    LocalPackage,
    Problems,
    Requirements,
    declared,
    without_credentials,
)
from builder.requirements.indexes import no_index_is_set, refusal_of_index
from builder.requirements.text_files import read_text

#: pip's options that cannot change which wheels are used.
_HARMLESS = frozenset(
    {
        "--only-binary", "--prefer-binary", "--no-build-isolation", "--trusted-host", "--no-cache-dir", "--use-feature",
        "--use-pep517", "--no-use-pep517", "--disable-pip-version-check", "--no-input", "--quiet", "-q", "--timeout",
        "--retries", "--progress-bar", "--no-color", "--upgrade", "-U", "--no-compile", "--config-settings", "--cert",
        "--exists-action", "--no-warn-script-location", "--verbose", "-v", "--use-deprecated", "--cache-dir",
    }
)  # fmt: skip
_LONG = {
    "-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links",
    "--pypi-url": "--index-url",
}  # fmt: skip
_PATH = re.compile(
    r"^\.{1,2}($|[\\/\[ ;])|^[~/\\]|^[A-Za-z]:[\\/]|^file:|^[^ ;@<>=!]*[\\/]|^[^ ;@]+\.(whl|zip|tar\.gz|tgz)\b"
)
_MAX_PATH_CHARACTERS = 4096
#: More than any layer can have: reading 100,000 takes a minute.
MAX_REQUIREMENTS = 20_000
_URL = re.compile(r"^(?!file:)[a-z][a-z0-9+.-]*://")
_VCS = re.compile(r"^(git|hg|svn|bzr)\+")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def read_requirements_file(path: Path, text: str | None = None) -> Requirements:
    """Read a requirements file. ``text`` replaces its content. Raises one InputError with all problems."""
    reader = _Reader(path)
    reader.file(path, constraints=False, text=text)
    return reader.result()


class _Reader:
    """Reads a requirements file and those that it includes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[tuple[Path, bool]] = set()
        self._declared: list[Declared] = []
        self._constraints: list[str] = []
        self._local: list[LocalPackage] = []
        self._places: dict[str, LocalPackage] = {}
        self._hashes: dict[str, frozenset[str]] = {}
        self._hashed = False
        self._settings: dict[str, str] = {}
        self._problems = Problems()
        self._count = 0

    def result(self) -> Requirements:
        """Return the requirements. Raises InputError if there was a problem."""
        self._problems.raise_any()
        return Requirements(
            self._path,
            tuple(self._declared),
            tuple(self._constraints),
            hashes=self._hashes,
            hashed=self._hashed or bool(self._hashes),
            local=tuple(self._local),
            places=self._places,
            settings=self._settings,
        )

    def file(self, path: Path, *, constraints: bool, text: str | None = None) -> None:
        """Read one file; skip a file that was read before, so that files may include each other."""
        key = (path.resolve(), constraints)
        if key in self._seen:
            return
        self._seen.add(key)
        for number, line in _lines(read_text(path, coding_line=True) if text is None else text):
            where = f"{path.name}:{number}"
            self._count += 1
            if self._count > MAX_REQUIREMENTS:
                raise InputError(
                    f"there are more than {MAX_REQUIREMENTS:,} requirements, more than a layer can have",
                    where=f"{path}:{number}",
                    fix="name only the packages that the app imports",
                )
            line = re.sub(r"\$\{([A-Z0-9_]+)\}", lambda match: os.environ.get(match[1], match[0]), line)
            try:
                if line.startswith("-"):
                    self._option(line, path, where, constraints)
                else:
                    self._line(line, path, where, constraints)
            except (OSError, ValueError) as error:  # a path or URL that the system or urllib rejects
                self._problems.add(where, shorten(without_credentials(str(error))))

    def _option(self, line: str, path: Path, where: str, constraints: bool) -> None:
        match = re.match(r"(--[a-z0-9-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(.*)", line)
        name, value = (match[1], match[2].strip().strip("\"'")) if match else (line, "")
        name = _LONG.get(name, name)
        problem = None
        if name in ("--requirement", "--constraint"):
            problem = self._include(path, value, constraints=constraints or name == "--constraint")
        elif name == "--editable":
            self._line(value, path, where, constraints, editable=True)
        elif name == "--require-hashes":
            self._hashed = True
        elif name in ("--index-url", "--extra-index-url", "--find-links"):
            links = name == "--find-links"
            place = str((path.parent / value).resolve()) if links and "://" not in value else value
            problem = refusal_of_index(place, find_links=links)
        elif name == "--no-index":
            problem = None if no_index_is_set() else "--no-index: set UV_NO_INDEX=1 and UV_FIND_LINKS instead"
        elif name == "--no-binary" and value != ":none:":
            problem = f"--no-binary {value}: only wheels are used, and nothing is built from source; remove the option"
        elif name == "--pre":
            self._settings = {"prerelease": "allow"}
        elif name not in _HARMLESS and name != "--no-binary":
            problem = f"{name} is not an option of requirements files, or not possible with wheels only"
        if problem:
            self._problems.add(where, problem)

    def _include(self, path: Path, value: str, *, constraints: bool) -> str | None:
        """Read an included file. Return its problem, or None."""
        if "://" in value and not value.startswith("file:"):
            return f"{without_credentials(value)} is a URL; download the file and name its path"
        other = _local_path(value, path)
        if not other.is_file():
            return f"no such file: {value}"
        self.file(other, constraints=constraints)
        return None

    def _line(self, line: str, path: Path, where: str, constraints: bool, *, editable: bool = False) -> None:
        text, *options = re.split(r"(?<!\s)\s+(?=--[a-z])", line)  # without the first group, many spaces take minutes
        problem = _advice_for_line(text)
        if problem:
            self._problems.add(where, problem)
            return
        if editable or (_PATH.search(text) and not _URL.match(text)):
            self._local_line(text, path, where)
            return
        requirement = self._problems.parse(_named_url(text), where)
        if requirement is None:
            return
        if requirement.url and not self._record_place(requirement, path, where, constraints):
            return
        declaration = declared(requirement, where, None if "@" in text or requirement.url else text)
        self._hash_options(declaration, options, where)
        if constraints:
            self._constraints.append(declaration.text)
        else:
            self._declared.append(declaration)

    def _local_line(self, text: str, path: Path, where: str) -> None:
        """Read a line that is a path: ``-e .``, ``./lib[api]``, ``wheels/x.whl; python_version < '3.12'``."""
        bare, _, marker_text = text.partition(";")
        if len(bare) > _MAX_PATH_CHARACTERS:
            self._problems.add(where, f"{shorten(bare)} is too long for a path (File name too long)")
            return
        marker = self._problems.parse_marker(marker_text.strip() or None, where)
        match = re.fullmatch(r"(.*?)(?:\[([^\]]*)\])?(?:#.*)?", bare.strip())
        place, extras = (match[1], match[2]) if match else (bare.strip(), "")
        local = _local_path(place, path)
        if problem := problem_of_local(local, place):
            self._problems.add(where, problem)
            return
        names = tuple(part.strip() for part in (extras or "").split(",") if part.strip())
        self._local.append(LocalPackage(local, where, extras=names, marker=marker))

    def _record_place(self, requirement: Requirement, path: Path, where: str, constraints: bool) -> bool:
        """Record the place of ``name @ URL``, and remove the URL if it is local. Return whether it can be used."""
        url = requirement.url or ""
        problem = None
        if url.startswith("file:") or "://" not in url:
            local = _local_path(url.partition("#")[0], path)
            name = canonicalize_name(requirement.name)
            problem = problem_of_local(local, url, name=name)
            self._places[name] = LocalPackage(local, where, name)
            requirement.url = None
        else:
            problem = problem_of_url(url)
        if constraints and not problem and not requirement.url:
            problem = "a path in a constraints file is not supported; name it in the requirements file"
        if problem:
            self._problems.add(where, f"{requirement.name}: {problem}")
        return not problem

    def _hash_options(self, declaration: Declared, options: list[str], where: str) -> None:
        hashes = set()
        for option in options:
            if match := re.fullmatch(r"--hash[=\s]\s*sha256:([0-9a-fA-F]{64})", option):
                hashes.add(match[1].lower())
            elif option.split("=")[0].split()[0] in _HARMLESS:
                continue
            elif not re.fullmatch(r"--hash[=\s]\s*sha(384|512):[0-9a-fA-F]+", option):
                self._problems.add(where, f"{option} is not supported; hashes are --hash=sha256:…")
        if not hashes and any(option.startswith("--hash") for option in options):
            self._problems.add(
                where,
                f"{declaration.name} has no sha256 among its hashes; add --hash=sha256:… (`pip hash WHEEL` prints it)",
            )
        if hashes:
            self._hashes[declaration.name] = self._hashes.get(declaration.name, frozenset()) | hashes


def problem_of_url(url: str) -> str | None:
    """Return why a direct reference cannot be used; None for the URL of a wheel."""
    shown = without_credentials(url)
    if _VCS.match(url) or url.startswith("ssh:"):
        return (
            f"{shown} is a version control URL, and only wheels are used; "
            "clone it and name the folder, or build a wheel and name its path"
        )
    if not urlsplit(url).path.endswith(".whl"):
        return f"{shown} is not the URL of a wheel (.whl); download it and name its path, or name a wheel"
    return None


def problem_of_local(place: Path, written: str, name: str | None = None) -> str | None:
    """Return why a path cannot be used as a package, or None."""
    if "/croot/" in written or "/home/conda/" in written or "/feedstock_root/" in written:
        return (
            f"{written} is a folder of conda's build machine; "
            f"write the version instead: {name or 'name'}==… (`pip list --format=freeze` prints it)"
        )
    if place.is_file():
        return None if place.name.endswith(_ARCHIVES) else f"{written} is neither a wheel nor a source archive"
    if not place.is_dir():
        return f"no such file or directory: {without_credentials(written)}"
    if not any((place / each).is_file() for each in ("pyproject.toml", "setup.py", "setup.cfg")):
        return f"{written} has no pyproject.toml or setup.py, so it is not a package"
    return None


def _local_path(text: str, path: Path) -> Path:
    """Return the absolute path for a local path in a line of the file ``path``."""
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    place = Path(text.replace("\\", "/"))
    place = place.expanduser() if text.startswith("~/") else place
    beside = path.parent / place
    return beside if beside.exists() or not place.exists() else place  # pip resolves it from the current folder


def _named_url(text: str) -> str:
    """Return ``name @ URL`` for a line that is only the URL of a wheel."""
    url, _, marker = text.partition(" ;")
    if not _URL.match(text):
        return text
    try:
        name = parse_wheel_filename(unquote(urlsplit(url.strip()).path.rsplit("/", 1)[-1]))[0]
    except InvalidWheelFilename:
        return f"unnamed @ {text}"
    return f"{name} @ {url.strip()}" + (f" ;{marker}" if marker else "")


def _advice_for_line(text: str) -> str | None:
    """Return advice for lines that other tools write and that no index can serve."""
    if re.fullmatch(r"pkg[-_]resources==0\.0\.0", text.strip()):
        return "pkg-resources==0.0.0 is not a package; Debian's pip freeze writes it by mistake: remove the line"
    if re.fullmatch(r"[A-Za-z0-9_.-]+=[^=<>!~\s]+(=\S*)?", text.strip()):
        return f"{text.strip()} is conda's format; write name==version (`pip list --format=freeze` prints it)"
    if _VCS.match(text):
        return problem_of_url(text)
    bare = " ".join(text.split())
    if match := re.fullmatch(r"([A-Za-z0-9_.-]+) ?(?:\^|@|~|=>|=<| ) ?v?(\d[\w.]*)", bare):
        shown = shorten(f"{match[1]}=={match[2]}")
        return f"{shorten(bare)!r} is not a requirement (PEP 508); write {shown}, or use >=, <= or ~="
    return None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines, without comments and empty lines; join lines that end with a backslash."""
    pending, first = "", 0
    for number, line in enumerate([*re.split(r"\r\n|\r|\n", text), ""], 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        first = first or number
        if bare.endswith("\\"):
            pending += bare[:-1].rstrip() + " "
            continue
        if joined := (pending + bare).strip():
            yield first, joined
        pending, first = "", 0
