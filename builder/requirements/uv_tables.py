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
    "dependency-metadata", "find-links", "fork-strategy", "no-binary", "no-binary-package", "no-index", "pip",
    "required-environments", "torch-backend",
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
#: The same for single packages: tables of values by name.
_PACKAGE_CHOICES = {"exclude-newer-package": (), "prerelease-package": _CHOICES["prerelease"]}
#: Keys of [tool.uv] that only a pyproject.toml has: uv refuses a uv.toml with one of them.
_PROJECT_ONLY = frozenset(
    {
        "build-backend", "conflicts", "default-groups", "dependency-groups", "dev-dependencies", "environments",
        "managed", "package", "required-environments", "sources", "workspace",
    }
)  # fmt: skip
#: Keys that uv takes from a project's pyproject.toml also if it takes all other settings from a uv.toml.
_OF_PROJECTS = frozenset({"constraint-dependencies", "exclude-dependencies", "override-dependencies"})


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
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: options of uv that choose versions
    unsupported: tuple[str, ...] = ()
    environments: Sequence[object] = ()  #: markers; one of them must hold on the target
    conflicts: Sequence[object] = ()  #: lists of extras and groups that may not be selected together
    group_limits: Mapping[str, object] = field(default_factory=dict)  #: tables with requires-python, by group
    notes: tuple[str, ...] = ()


def read_uv_tables(folder: Path, document: Mapping[str, Any], problems: Problems) -> UvTables:
    """Read uv's tables for the project in ``folder``."""
    where = str(folder / "pyproject.toml")
    root, top = _workspace(folder.resolve(), document)
    member, shared = table(document, "tool", "uv", where=where), table(top, "tool", "uv", where=str(root))
    file, settings = _settings_file(root, top)
    notes: tuple[str, ...] = ()
    with_indexes = {file: settings, root / "pyproject.toml": shared, folder.resolve() / "pyproject.toml": member}
    if file != root / "pyproject.toml":
        notes = tuple(_notes_on_settings(root, file, settings, problems))
        of_project = _PROJECT_ONLY | _OF_PROJECTS
        shared = {
            **{key: value for key, value in settings.items() if key not in of_project},
            **{key: value for key, value in shared.items() if key in of_project},
        }
        member = {key: value for key, value in member.items() if key in of_project}
    place = f"{where}: [tool.uv]"
    tables = (shared,) if root == folder.resolve() else (shared, member)
    indexes, ignored = _indexes(with_indexes, problems)
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
        (*(key for key in _UNSUPPORTED if key in shared), *(f"index.{key}" for key in ignored)),
        (environments,) if isinstance(environments, str) else array(shared, "environments", where=place),
        tuple(each for stated in tables for each in array(stated, "conflicts", where=place)),
        table(tables[-1], "dependency-groups", where=place),
        notes,
    )


def _settings_file(root: Path, top: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]]:
    """Return the file with uv's settings for the project in ``root``, and the settings.

    uv uses a uv.toml, else the [tool.uv] of a pyproject.toml, of the nearest folder that has one of them.
    """
    for folder in (root, *root.parents):
        if (path := folder / "uv.toml").is_file():
            return path, read_toml(path)
        path = folder / "pyproject.toml"
        document = top if folder == root else read_toml(path) if path.is_file() else {}
        if "uv" in table(document, "tool", where=str(path)):
            return path, table(document, "tool", "uv", where=str(path))
    return root / "pyproject.toml", {}


def _notes_on_settings(root: Path, file: Path, settings: Mapping[str, Any], problems: Problems) -> Iterator[str]:
    """Yield notes on uv's settings that are not in the project's pyproject.toml; add those that uv refuses."""
    if file.name == "uv.toml":
        for key in sorted(_PROJECT_ONLY & {*settings}):
            problems.add(f"{file}: {key}", "uv allows it only in [tool.uv] of a pyproject.toml: move it there")
        if unused := sorted(_OF_PROJECTS & {*settings}):
            yield (
                f"warning: {file}: {', '.join(unused)} not used: for a project, uv reads it from [tool.uv] of the "
                "pyproject.toml"
            )
    if file.parent != root and {*settings} - _PROJECT_ONLY - _OF_PROJECTS:
        yield f"uv's settings in {file} apply, because {root / 'pyproject.toml'} has no [tool.uv]"


def _indexes(stated: Mapping[Path, Mapping[str, Any]], problems: Problems) -> tuple[dict[str, str], Sequence[str]]:
    """Return the URLs of the named indexes in files with uv's settings, and the keys of indexes that are not applied.

    uv finds the index of a source in pyproject.toml also if its settings are in a uv.toml. An index that applies to all
    packages is a problem, unless the environment names it.
    """
    indexes: dict[str, str] = {}
    ignored: dict[str, None] = {}
    for file, uv in stated.items():
        table_name = "index" if file.name == "uv.toml" else "tool.uv.index"
        where = f"{file}: [[{table_name}]]"
        for index in [table(each, where=where) for each in array(uv, "index", where=f"{file}: [tool.uv]")]:
            url = str(index.get("url", ""))
            url = str((file.parent.absolute() / url).as_uri()) if url and "://" not in url else url
            if index.get("format", "simple") != "simple":
                problems.add(where, 'format = "flat" is not applied; set UV_FIND_LINKS instead')
            ignored |= dict.fromkeys(key for key in _UNUSED_INDEX_KEYS if key in index)
            if is_named := isinstance(index.get("name"), str):
                indexes[index["name"]] = url
            if not (is_named and index.get("explicit") is True) and (problem := refusal_of_index(url)):
                problems.add(where, problem)
    file, uv = next(iter(stated.items()))
    for key in ("index-url", "extra-index-url"):
        urls = uv.get(key, [])
        for url in urls if isinstance(urls, list) else [urls]:
            if problem := refusal_of_index(str(url)):
                problems.add(f"{file}: {key}", problem)
    return indexes, tuple(ignored)


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


def _settings(uv: Mapping[str, Any], where: str, problems: Problems) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the options of uv that choose versions, each with its values."""
    for key, choices in _CHOICES.items():
        if key in uv and _is_choice(uv[key], choices, f"{where}: [tool.uv].{key}", problems):
            yield key, (uv[key],)
    for key, choices in _PACKAGE_CHOICES.items():
        values = {
            name: "false" if value is False and not choices else value
            for name, value in table(uv, key, where=f"{where}: [tool.uv]").items()
        }
        if values and all(_is_choice(v, choices, f"{where}: [tool.uv].{key}.{n}", problems) for n, v in values.items()):
            yield key, tuple(f"{name}={value}" for name, value in values.items())


def _is_choice(value: object, choices: Sequence[str], where: str, problems: Problems) -> bool:
    is_valid = isinstance(value, str) and (not choices or value in choices)
    if not is_valid:
        problems.add(where, f"must be {' or '.join(choices) or 'a date, time or age'}")
    return is_valid


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
        kept = {key: value for key, value in source.items() if key not in ("marker", "extra", "group", "editable")}
        # uv installs an editable path also if its own [tool.uv] says package = false.
        return {**kept, "package": True} if source.get("editable") is True and "path" in source else kept
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
