"""Read requirements files as pip, pip-compile, pipenv, uv, Poetry, conda and PowerShell write them.

A file may include others (``-r``, ``-c``), hashes and the user's own packages (``-e .``). A line that cannot be
honoured is a problem with its file and line: no line is ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name

from builder.metadata.requirement_lines import logical_lines
from builder.metadata.requires_dist import applies
from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.model.text_files import read_text
from builder.requirements.declared import Declared, LocalPackage, Problems, Requirements, declare
from builder.requirements.direct_references import (
    URL,
    advice_for_line,
    local_package,
    named_url,
    path_of,
    problem_of_host,
    problem_of_url,
)
from builder.requirements.indexes import no_index_is_set, refusal_of_index
from builder.resolve.wheel_choice import DIGEST_LENGTHS

#: pip's options without a value that this program applies, or that cannot change which wheels are used.
_FLAGS = frozenset(
    {
        "--pre", "--no-index", "--require-hashes", "--no-require-hashes", "--prefer-binary", "--no-build-isolation",
        "--no-cache-dir", "--use-pep517", "--no-use-pep517", "--disable-pip-version-check", "--no-input", "--quiet",
        "-q", "--no-color", "--upgrade", "-U", "--no-compile", "--no-warn-script-location", "--verbose", "-v",
    }
)  # fmt: skip
#: The same with a value.
_HARMLESS = _FLAGS | {
    "--only-binary", "--no-binary", "--trusted-host", "--use-feature", "--timeout", "--retries", "--progress-bar",
    "--config-settings", "--cert", "--exists-action", "--use-deprecated", "--cache-dir", "--all-releases",
    "--only-final",
}  # fmt: skip
#: pip's options that choose pre-releases of packages, and uv's strategy with the same meaning.
_PRERELEASES = {"--all-releases": "allow", "--only-final": "disallow"}
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
#: The start of an option after others or after a requirement. Without the first group, many spaces take minutes.
_OPTION_START = re.compile(r"(?<!\s)\s+(?=--?[a-zA-Z])")
_HASH = re.compile(
    rf"--hash[=\s]\s*({'|'.join(f'{kind}:[0-9a-fA-F]{{{length}}}' for kind, length in DIGEST_LENGTHS.items())})"
)
_NAMED = re.compile(r"^[A-Za-z0-9_.-]+\s*(\[[^\]]*\])?\s*@\s")


def read_requirements_file(
    path: Path, text: str | None = None, environment: Mapping[str, str] | None = None
) -> Requirements:
    """Read a requirements file. ``text`` replaces its content. Raises one InputError with all problems.

    With the marker values of an ``environment``, URLs for other environments are not read, as with pip.
    """
    reader = _FileReader(path, environment)
    reader.file(path, constraints=False, text=text)
    return reader.result()


class _FileReader:
    """Reads a requirements file and those that it includes."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None) -> None:
        self._path, self._environment = path, environment
        self._seen: set[tuple[Path, bool]] = set()
        self._declared: list[Declared] = []
        self._constraints: list[str] = []
        self._packages: list[LocalPackage] = []
        self._places: dict[str, LocalPackage] = {}
        self._hashes: dict[str, frozenset[str]] = {}
        self._hashed = False
        self._without_hash: list[str] = []  # where paths are named
        self._partial = False  # --no-require-hashes
        self._prereleases: dict[str, str] = {}  # uv's strategies by name; "" for all packages
        self._problems = Problems()
        self._count = 0

    def result(self) -> Requirements:
        """Return the requirements. Raises InputError if there was a problem."""
        if self._hashed:
            for where in self._without_hash:
                self._problems.add(where, "has no hash, but --require-hashes is set; name a wheel with --hash=sha256:…")
        self._problems.raise_any()
        return Requirements(
            self._path,
            tuple(self._declared),
            tuple(self._constraints),
            hashes=self._hashes,
            hashed=self._hashed or (bool(self._hashes) and not self._partial),
            local=tuple(self._packages),
            places=self._places,
            settings=self._settings(),
        )

    def _settings(self) -> dict[str, tuple[str, ...]]:
        """Return the options of uv for pip's ``--pre``, ``--all-releases`` and ``--only-final``."""
        everywhere = self._prereleases.get("")
        single = tuple(f"{name}={strategy}" for name, strategy in self._prereleases.items() if name)
        stated = {"prerelease": (everywhere,) if everywhere else (), "prerelease-package": single}
        return {option: values for option, values in stated.items() if values}

    def file(self, path: Path, *, constraints: bool, text: str | None = None) -> None:
        """Read one file; skip a file that was read before, so that files may include each other."""
        key = (path.resolve(), constraints)
        if key in self._seen:
            return
        self._seen.add(key)
        for number, line in logical_lines(read_text(path, coding_line=True) if text is None else text):
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
                    self._options(line, path, where, constraints)
                else:
                    self._line(line, path, where, constraints)
            except (OSError, ValueError) as error:  # a path or URL that the system or urllib rejects
                self._problems.add(where, str(error))

    def _options(self, line: str, path: Path, where: str, constraints: bool) -> None:
        """Read a line of options: pip allows several on one line."""
        for text in _OPTION_START.split(line):
            match = re.match(r"(--[a-z0-9-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(.*)", text)
            name, value = (match[1], match[2].strip()) if match else (text, "")
            name = _LONG.get(name, name)
            value = re.sub(r"""^(["'])([^"']*)\1""", r"\2", value)
            if value and name in _FLAGS:
                self._problems.add(where, f"{name} has no value; write {shorten(value)!r} on a line of its own")
            elif name == "--editable":
                self._line(value, path, where, constraints, editable=True)
            elif problem := self._option(name, value, path, constraints):
                self._problems.add(where, problem)

    def _option(self, name: str, value: str, path: Path, constraints: bool) -> str | None:
        """Apply one option. Return its problem, or None."""
        if constraints and name == "--requirement":
            return "-r in a constraints file installs packages with pip, but not with uv; write -c, or move the line"
        if name in ("--requirement", "--constraint"):
            return self._include(path, value, constraints=constraints or name == "--constraint")
        if name in ("--index-url", "--extra-index-url", "--find-links"):
            links = name == "--find-links"
            place = str((path.parent / value).resolve()) if links and "://" not in value else value
            return refusal_of_index(place, find_links=links)
        if name == "--no-index":
            return None if no_index_is_set() else "--no-index: set UV_NO_INDEX=1 and UV_FIND_LINKS instead"
        if name == "--no-binary" and value != ":none:":
            return f"--no-binary {value}: only wheels are used, and nothing is built from source; remove the option"
        if name not in _HARMLESS:
            return f"{name} is not an option of requirements files, or not possible with wheels only"
        if name == "--require-hashes":
            self._hashed = True
        elif name == "--no-require-hashes":
            self._partial = True
        elif name == "--pre":
            self._prereleases[""] = "allow"
        elif name in _PRERELEASES:
            self._set_prereleases(value, _PRERELEASES[name])
        return None

    def _set_prereleases(self, value: str, strategy: str) -> None:
        """Apply pip's list of packages: ``:all:`` replaces what was stated before, ``:none:`` removes it."""
        for name in value.split(","):
            if name == ":all:":
                self._prereleases = {"": strategy}
            elif name == ":none:":
                self._prereleases = {key: each for key, each in self._prereleases.items() if each != strategy}
            else:
                self._prereleases[canonicalize_name(name.strip())] = strategy

    def _include(self, path: Path, value: str, *, constraints: bool) -> str | None:
        """Read an included file. Return its problem, or None."""
        if "://" in value and not value.startswith("file:"):
            return f"{value} is a URL; download the file and name its path"
        if problem := problem_of_host(value):
            return problem
        other = path_of(value, path.parent)
        if not other.is_file():
            return f"no such file: {value}"
        self.file(other, constraints=constraints)
        return None

    def _line(self, line: str, path: Path, where: str, constraints: bool, *, editable: bool = False) -> None:
        text, *options = _OPTION_START.split(line)
        if problem := advice_for_line(text):
            self._problems.add(where, problem)
            return
        if (editable and not _NAMED.match(text)) or (_PATH.search(text) and not URL.match(text)):
            self._local_line(text, path, where, options, constraints)
            return
        requirement = self._problems.parse(named_url(text), where)
        if requirement is None:
            return
        name, url = canonicalize_name(requirement.name), requirement.url or ""
        if url and self._environment and not applies(requirement.marker, self._environment):
            return
        if url.startswith("file:") or (url and "://" not in url):
            place = self._local(url, path, where, options, constraints, name)
            if place is None:
                return
            self._places[name], requirement.url = place, None
        elif url and (problem := problem_of_url(url)):
            self._problems.add(where, f"{requirement.name}: {problem}")
            return
        elif digests := self._hash_options(name, options, where):
            self._hashes[name] = self._hashes.get(name, frozenset()) | digests
        declaration = declare(requirement, where, None if "@" in text or requirement.url else text)
        if constraints:
            self._constraints.append(declaration.text)
        else:
            self._declared.append(declaration)

    def _local_line(self, text: str, path: Path, where: str, options: list[str], constraints: bool) -> None:
        """Read a line that is a path: ``-e .``, ``./lib[api]``, ``wheels/x.whl; python_version < '3.12'``."""
        bare, _, marker_text = text.partition(";")
        if len(bare) > _MAX_PATH_CHARACTERS:
            self._problems.add(where, f"{shorten(bare)} is too long for a path (File name too long)")
            return
        marker = self._problems.parse_marker(marker_text.strip() or None, where)
        match = re.fullmatch(r"([^#]*?)(?:\[([^\]]*)\])?(#.*)?", bare.strip())
        written, extras = (match[1] + (match[3] or ""), match[2]) if match else (bare.strip(), None)
        names = tuple(part.strip() for part in (extras or "").split(",") if part.strip())
        if place := self._local(written, path, where, options, constraints):
            self._packages.append(replace(place, extras=names or place.extras, marker=marker))

    def _local(
        self, text: str, path: Path, where: str, options: list[str], constraints: bool, name: str | None = None
    ) -> LocalPackage | None:
        """Return the package at a path. If it cannot be used, add a problem and return None."""
        digests = self._hash_options(name or shorten(text), options, where)
        place = local_package(text, path.parent, where, name=name, digests=digests)
        if constraints:
            place = "a path in a constraints file is not supported; name it in the requirements file"
        elif any(re.match("-C|--config-setting", each) for each in options):
            place = "--config-settings is not possible; build the wheel with it and name the wheel's path"
        if isinstance(place, str):
            self._problems.add(where, f"{name}: {place}" if name else place)
            return None
        if not digests and not re.search(r"[#&](sha\d+|md5)=", text):
            self._without_hash.append(where)
        return place

    def _hash_options(self, name: str, options: list[str], where: str) -> frozenset[str]:
        """Return the digests (``sha256:…``) among the options after a requirement."""
        hashes = set()
        for option in options:
            if match := _HASH.fullmatch(option):
                hashes.add(match[1].lower())
            elif option.split("=")[0].split()[0] not in _HARMLESS:
                self._problems.add(
                    where, f"{name}: {shorten(option)} is not supported; hashes are --hash=sha256:…, sha384 or sha512"
                )
        return frozenset(hashes)
