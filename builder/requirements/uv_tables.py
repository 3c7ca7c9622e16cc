"""uv's tables of pyproject.toml: sources, indexes, workspaces, constraints, overrides and exclusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape, glob
from os.path import join
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import applies
from builder.model.text_files import array, read_toml, table
from builder.requirements.declared import Problems, Selection
from builder.requirements.indexes import refusal_of_index

#: Settings of [tool.uv] that affect which packages are chosen and that are not applied.
_UNSUPPORTED = (
    "dependency-metadata", "exclude-newer-package", "find-links", "no-binary", "no-binary-package", "no-index",
    "pip", "prerelease-package", "required-environments", "torch-backend",
)  # fmt: skip
#: Keys of [[tool.uv.index]] that affect what is downloaded, or with which credentials.
_UNUSED_INDEX_KEYS = ("authenticate", "ignore-error-codes", "proxy")
#: Settings that are passed on to uv, with their values.
_CHOICES = {
    "index-strategy": ("first-index", "unsafe-first-match", "unsafe-best-match"),
    "prerelease": ("disallow", "allow", "if-necessary", "explicit", "if-necessary-or-explicit"),
    "resolution": ("highest", "lowest", "lowest-direct"),
    "exclude-newer": (),
}


#: Keys of [tool.uv] that only a pyproject.toml has. With a uv.toml beside it, uv takes all other settings from there.
_PROJECT_ONLY = (
    "build-backend", "conflicts", "default-groups", "dependency-groups", "dev-dependencies", "managed", "package",
    "sources", "workspace",
)  # fmt: skip


@dataclass(frozen=True)
class UvTables:
    """uv's settings of a project, combined with those of its workspace's root."""

    root: Path  #: the folder of the workspace's root, else the project's
    sources: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)  #: by normalised name
    indexes: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)
    constraints: Sequence[object] = ()
    overrides: Sequence[object] = ()
    excludes: Sequence[object] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  #: options of uv that choose versions
    unsupported: tuple[str, ...] = ()
    environments: Sequence[object] = ()  #: markers; one of them must hold on the target
    conflicts: Sequence[object] = ()  #: lists of extras and groups that may not be selected together
    group_limits: Mapping[str, object] = field(default_factory=dict)  #: tables with requires-python, by group


def read_uv_tables(folder: Path, document: Mapping[str, Any], problems: Problems) -> UvTables:
    """Read uv's tables for the project in ``folder``."""
    where = str(folder / "pyproject.toml")
    root, top = _workspace(folder.resolve(), document)
    member, shared = table(document, "tool", "uv", where=where), table(top, "tool", "uv", where=str(root))
    if (root / "uv.toml").is_file():
        shared = {**{key: shared[key] for key in _PROJECT_ONLY if key in shared}, **read_toml(root / "uv.toml")}
        member = {key: member[key] for key in _PROJECT_ONLY if key in member}
    place = f"{where}: [tool.uv]"
    indexes: dict[str, str] = {}
    ignored: list[str] = []
    tables = (shared,) if root == folder.resolve() else (shared, member)
    for index in [table(each, where=place) for uv in tables for each in array(uv, "index", where=place)]:
        url = str(index.get("url", ""))
        url = str((root / url).as_uri()) if url and "://" not in url else url
        if index.get("format", "simple") != "simple":
            problems.add(f"{where}: [[tool.uv.index]]", 'format = "flat" is not applied; set UV_FIND_LINKS instead')
        ignored += [key for key in _UNUSED_INDEX_KEYS if key in index]
        if is_named := isinstance(index.get("name"), str):
            indexes[index["name"]] = url
        if not (is_named and index.get("explicit") is True) and (problem := refusal_of_index(url)):
            problems.add(f"{where}: [[tool.uv.index]]", problem)
    for key in ("index-url", "extra-index-url"):
        urls = shared.get(key, [])
        for url in urls if isinstance(urls, list) else [urls]:
            if problem := refusal_of_index(str(url)):
                problems.add(f"{where}: [tool.uv].{key}", problem)
    environments = shared.get("environments")
    return UvTables(
        root,
        dict(_sources(((root, shared), (folder, member)), shared, where, problems)),
        indexes,
        dict(_members(root, shared)),
        array(shared, "constraint-dependencies", where=place),
        array(shared, "override-dependencies", where=place),
        array(shared, "exclude-dependencies", where=place),
        dict(_settings(shared, where, problems)),
        (*(key for key in _UNSUPPORTED if key in shared), *(f"index.{key}" for key in dict.fromkeys(ignored))),
        (environments,) if isinstance(environments, str) else array(shared, "environments", where=place),
        tuple(each for stated in tables for each in array(stated, "conflicts", where=place)),
        table(tables[-1], "dependency-groups", where=place),
    )


def _sources(
    tables: Sequence[tuple[Path, Mapping[str, Any]]], shared: Mapping[str, Any], where: str, problems: Problems
) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
    """Yield the sources of each name, of a later table after those of an earlier one."""
    without = {canonicalize_name(str(name)) for name in array(shared, "no-sources-package", where=where)}
    for base, uv in tables if shared.get("no-sources") is not True else ():
        for name, value in table(uv, "sources", where=where).items():
            anchored = tuple(_anchor_paths(value, base, f"{where}: [tool.uv.sources].{name}", problems))
            if canonicalize_name(name) not in without:
                yield canonicalize_name(name), anchored


def _settings(uv: Mapping[str, Any], where: str, problems: Problems) -> Iterator[tuple[str, str]]:
    for key, choices in _CHOICES.items():
        if key in uv and (not isinstance(uv[key], str) or (choices and uv[key] not in choices)):
            problems.add(f"{where}: [tool.uv].{key}", f"must be {' or '.join(choices) or 'a date, time or age'}")
        elif key in uv:
            yield key, uv[key]


def chosen_source(
    options: Sequence[Mapping[str, Any]],
    where: str,
    selection: Selection,
    environment: Mapping[str, str],
    problems: Problems,
    *,
    has_conflicts: bool,
) -> Mapping[str, Any] | None:
    """Return the source that applies to the target: that of a selected extra or group, otherwise the first.

    uv locks all extras and groups together, so the source of one applies to the package everywhere, unless it conflicts
    with others.
    """
    applicable = []
    for source in options:
        marker = problems.parse_marker(source.get("marker"), where)
        if applies(marker, environment):
            applicable.append(source)
    selected = [
        each
        for each in applicable
        if _is_in(each.get("extra"), selection.extras) and _is_in(each.get("group"), selection.groups)
    ]
    for source in selected or (() if has_conflicts else applicable):
        return {key: value for key, value in source.items() if key not in ("marker", "extra", "group", "editable")}
    return None


def _is_in(name: object, names: Sequence[str]) -> bool:
    return name is None or canonicalize_name(str(name)) in names


def _anchor_paths(value: Any, base: Path, where: str, problems: Problems) -> Iterator[Mapping[str, Any]]:
    """Yield the sources of a name, their paths relative to the file that states them."""
    for source in value if isinstance(value, list) else [value]:
        if not isinstance(source, dict):
            problems.add(where, "a source must be a table")
        else:
            yield {**source, "path": str(base / str(source["path"]))} if "path" in source else source


def _workspace(folder: Path, document: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder and document of the workspace's root, or the project's own outside a workspace."""
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if not path.is_file():
            continue
        root = document if parent == folder else read_toml(path)
        uv = table(root, "tool", "uv", where=str(path))
        if "workspace" in uv and (parent == folder or folder in dict(_members(parent, uv)).values()):
            return parent, root
    return folder, document


def _members(root: Path, uv: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield the name and folder of each member of the workspace."""
    where = str(root / "pyproject.toml")
    workspace = table(uv, "workspace", where=where)
    excluded = {path.resolve() for path in _globs(root, array(workspace, "exclude", where=where))}
    folders = [root, *_globs(root, array(workspace, "members", where=where))]
    for path in folders if workspace else []:
        if path.resolve() not in excluded and (path / "pyproject.toml").is_file():
            name = table(read_toml(path / "pyproject.toml"), "project", where=str(path)).get("name")
            if isinstance(name, str):
                yield canonicalize_name(name), path.resolve()


def _globs(root: Path, patterns: Sequence[object]) -> Iterator[Path]:
    for pattern in patterns:
        full = join(escape(str(root)), str(pattern))  # noqa: PTH118 - pathlib drops a final slash
        yield from map(Path, sorted(glob(full, recursive=True)))  # noqa: PTH207 - pathlib globs only below a folder
