"""The hash of a project's file that pipenv, Poetry and PDM write into their lock files, to tell whether it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

_PIPFILE_TABLES = frozenset({"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv"})
_POETRY_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
_PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")


def pipfile_has_changed(pipfile: Mapping[str, Any], lock: Mapping[str, Any]) -> bool:
    """Whether the Pipfile differs from the one that pipenv locked; False if the hashes cannot be compared.

    For a Pipfile without sources, pipenv hashes those of its author's pip.conf.
    """
    locked = str(_at(lock, "_meta", "hash").get("sha256", ""))
    return bool(locked) and "source" in pipfile and locked not in set(_pipfile_hashes(pipfile))


def poetry_project_has_changed(project: Mapping[str, Any], lock: Mapping[str, Any]) -> bool:
    """Whether pyproject.toml differs from the one that Poetry locked; False if the lock has no hash."""
    locked = str(_at(lock, "metadata").get("content-hash", ""))
    return bool(locked) and locked not in set(_poetry_hashes(project))


def pdm_project_has_changed(project: Mapping[str, Any], lock: Mapping[str, Any]) -> bool:
    """Whether pyproject.toml differs from the one that PDM locked; False if the lock has no hash of a known kind."""
    locked = str(_at(lock, "metadata").get("content_hash", ""))
    return locked.startswith("sha256:") and locked != f"sha256:{_pdm_hash(project)}"


def _pipfile_hashes(pipfile: Mapping[str, Any]) -> Iterator[str]:
    """Yield pipenv's hash: since 2026 with normalised names, before as they are written."""
    for name_of in (canonicalize_name, str):
        sections = {
            {"packages": "default", "dev-packages": "develop"}.get(section, section): {
                name_of(name): value for name, value in _at(pipfile, section).items()
            }
            for section in {*pipfile, "packages", "dev-packages"} - (_PIPFILE_TABLES - {"packages", "dev-packages"})
        }
        meta = {"sources": pipfile["source"], "requires": pipfile.get("requires", {})}
        yield _sha256({"_meta": meta, **sections}, separators=(",", ":"))


def _poetry_hashes(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield Poetry's hash: since 2.3 with the dependency groups, before without them."""
    table = _at(document, "tool", "poetry")
    project = {key: value for key in _PROJECT_KEYS if (value := _at(document, "project").get(key)) is not None}
    for groups in (_at(document, "dependency-groups"), {}):
        optional = bool(project or groups)  # otherwise Poetry hashes its own tables even if they are missing
        keys = [key for key in _POETRY_KEYS if key in table or not optional] + ["group"] * ("group" in table)
        poetry = {key: table.get(key) for key in keys}
        relevant: dict[str, Any] = {"project": project} if project else {}
        relevant |= {"dependency-groups": groups} if groups else {}
        yield _sha256({**relevant, "tool": {"poetry": poetry}} if relevant else poetry)


def _pdm_hash(document: Mapping[str, Any]) -> str:
    project, pdm = _at(document, "project"), _at(document, "tool", "pdm")
    groups: dict[str, list[Any]] = {}
    for stated in (_at(document, "dependency-groups"), _at(pdm, "dev-dependencies")):
        for name, entries in stated.items():
            groups.setdefault(canonicalize_name(name), []).extend(entries if isinstance(entries, list) else [])
    return _sha256(
        {
            "sources": pdm.get("source", []),
            "dependencies": project.get("dependencies", []),
            "dev-dependencies": groups,
            "optional-dependencies": project.get("optional-dependencies", {}),
            "requires-python": project.get("requires-python", ""),
            "resolution": pdm.get("resolution", {}),
        }
    )


def _sha256(content: Mapping[str, Any], separators: tuple[str, str] | None = None) -> str:
    text = json.dumps(content, sort_keys=True, separators=separators, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _at(document: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        document = document.get(key, {}) if isinstance(document, dict) else {}
    return document if isinstance(document, dict) else {}
