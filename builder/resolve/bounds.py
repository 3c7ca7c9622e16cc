"""The limits of a resolution besides its requirements: constraints, overrides, exclusions and indexes of packages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit


@dataclass(frozen=True)
class ProjectIndex:
    """A package index that a project declares."""

    name: str
    url: str

    def authenticate(self, url: str, variables: Mapping[str, str]) -> str:
        """Return the URL of one of the index's files with the index's credentials, if it has none and the same origin.

        They are in the index's URL or in uv's variables for its name. uv uses them only where it knows the index.
        """
        prefix = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', self.name.upper())}_"
        stated = [quote(variables.get(prefix + each, ""), safe="") for each in ("USERNAME", "PASSWORD")]
        index, file = urlsplit(self.url), urlsplit(url)
        in_url, _, host = index.netloc.rpartition("@")
        account = ":".join(stated) if any(stated) else in_url
        if not account or (file.scheme, file.netloc) != (index.scheme, host):
            return url
        return urlunsplit(file._replace(netloc=f"{account}@{host}"))


@dataclass(frozen=True)
class Bounds:
    """The limits of one resolution. All names are normalised."""

    #: Apply to packages that are needed, and add none. ``name @ URL`` gives the place of a package.
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()  #: replace every other requirement of the same package
    excludes: tuple[str, ...] = ()  #: packages to leave out although others require them
    complete: bool = False  #: the requirements are a whole lock: add no dependencies
    #: Packages that may come from one index only, with the project's requirement of each.
    index_of: Mapping[str, tuple[ProjectIndex, str]] = field(default_factory=dict)
    #: uv's settings that choose versions, by option: ``{"prerelease": ("allow",)}``. They replace the program's own.
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Digests (``sha256:…``) of the allowed wheels, by package. A package that is missing here may use any wheel.
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def options(self, folder: Path) -> list[str]:
        """Write the bounds as files into ``folder`` and return the uv options that use them."""
        chosen = {"resolution": ("highest",), **self.settings}
        options = [part for name, values in chosen.items() for value in values for part in (f"--{name}", value)]
        options += ["--no-deps"] if self.complete else []
        files = {"--constraints": self.constraints, "--overrides": self.overrides, "--excludes": self.excludes}
        for option, lines in files.items():
            if lines:
                path = folder / f"{option.strip('-')}.txt"
                path.write_text("\n".join(lines) + "\n", "utf-8")
                options += [option, str(path)]
        if self.index_of:
            (folder / "pyproject.toml").write_text(self._project(), "utf-8")
            options.append("pyproject.toml")
        return options

    def _project(self) -> str:
        """Return a pyproject.toml with ``index_of``, because uv binds a package to an index only in a project."""
        text = json.dumps  # JSON strings and lists of strings are valid TOML
        indexes = {index.name: index.url for index, _ in self.index_of.values()}
        return "\n".join(
            [
                "[project]\nname = 'app'\nversion = '0'",
                f"dependencies = {text([required for _, required in self.index_of.values()])}",
                "[tool.uv.sources]",
                *(f"{text(name)} = {{ index = {text(index.name)} }}" for name, (index, _) in self.index_of.items()),
                *(f"[[tool.uv.index]]\nname = {text(n)}\nurl = {text(u)}\nexplicit = true" for n, u in indexes.items()),
            ]
        )


NO_BOUNDS = Bounds()
