"""PDM's tables of pyproject.toml that limit a resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from builder.model.text_files import array, table
from builder.requirements.declared import Problems

#: PDM's commands whose default options may select extras and groups.
_SELECTING_COMMANDS = ("install", "sync")
#: Keys of [[tool.pdm.source]] that choose the index of a package.
_UNUSED_SOURCE_KEYS = ("exclude_packages", "include_packages")


class PdmResolution:
    """Reads ``[tool.pdm.resolution]``. Each fault becomes one of ``problems``."""

    def __init__(self, pdm: Mapping[str, Any], where: str, problems: Problems) -> None:
        self._stated = table(pdm, "resolution", where=where)
        self._options = table(pdm, "options", where=where)
        self._sources = array(pdm, "source", where=f"{where}: [tool.pdm]")
        self._file, self._where, self._problems = where, f"{where}: [tool.pdm.resolution]", problems

    def excludes(self) -> list[Any]:
        """Return the packages to leave out."""
        return array(self._stated, "excludes", where=self._where)

    def overrides(self) -> Iterator[str]:
        """Yield the requirements that replace others of the same package."""
        for name, value in table(self._stated, "overrides", where=self._where).items():
            text = (
                f"{name} @ {value}"
                if "://" in str(value)
                else f"{name}{value if str(value)[:1] in '<>=!~' else f'=={value}'}"
            )
            place = f"{self._where.removesuffix(']')}.overrides].{name}"
            if requirement := self._problems.parse(text, place):
                yield str(requirement)

    def settings(self) -> dict[str, tuple[str, ...]]:
        """Return options of uv with the same meaning."""
        return {"prerelease": ("allow",)} if self._stated.get("allow-prereleases") is True else {}

    def not_applied(self) -> Iterator[str]:
        """Yield the settings that choose packages and their indexes: only a lock file made with them has the result."""
        if self._options.get("lock"):
            yield "[tool.pdm.options].lock"
        if self._stated.get("respect-source-order") is True:
            yield "[tool.pdm.resolution].respect-source-order"
        for key in _UNUSED_SOURCE_KEYS:
            if any(isinstance(each, dict) and each.get(key) for each in self._sources):
                yield f"[[tool.pdm.source]].{key}"

    def notes(self) -> Iterator[str]:
        """Yield warnings about default options of PDM's commands, which this program does not have."""
        for command in _SELECTING_COMMANDS:
            if self._options.get(command):
                place = f"{self._file}: [tool.pdm.options].{command}"
                yield f"warning: {place} is not used; select extras and groups with --extra and --group"
