"""What bounds a resolution besides its requirements: constraints, overrides, exclusions and the indexes of packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Index:
    """A package index that a project declares."""

    name: str
    url: str


@dataclass(frozen=True)
class Bounds:
    """Bounds of one resolution. All names are normalised."""

    #: Hold for packages that are needed, and add none. ``name @ URL`` says where a package comes from.
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()  #: replace what any package requires of these names
    excludes: tuple[str, ...] = ()  #: names that are left out, whoever requires them
    complete: bool = False  #: the requirements are the whole lock: add no dependencies
    #: Packages that come from one index and from no other, with what the project requires of them.
    index_of: Mapping[str, tuple[Index, str]] = field(default_factory=dict)
    #: sha256 of the wheels that may be used, by package; for a package that is not here, any.
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def options(self, folder: Path) -> list[str]:
        """Write the bounds as files into ``folder`` and return uv's options that name them."""
        options = ["--no-deps"] if self.complete else []
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
        """Return a project that requires the packages of ``index_of``: only a project can bind one to an index."""
        text = json.dumps  # JSON strings and lists of strings are TOML too
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
