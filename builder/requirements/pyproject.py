"""Read pyproject.toml: the dependencies that it declares, with the selected extras and groups, and their sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.metadata.requires_dist import applies, name_of
from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.model.recorded_fields import MAX_VERSION_LENGTH
from builder.model.text_files import array, read_toml, table
from builder.requirements.declarations import Declarations, is_package, is_workspace_root, unread_tables
from builder.requirements.declared import (
    Declared,
    LocalPackage,
    Requirements,
    Selection,
    declare,
    fix_for_unknown,
    names_of,
)
from builder.requirements.entries import DeclaredSources, Entry, with_marker
from builder.requirements.indexes import named_indexes
from builder.requirements.pdm_tables import PdmResolution
from builder.requirements.uv_limits import check_conflicts, check_environments, check_groups
from builder.requirements.uv_tables import chosen_source, read_uv_tables

_DYNAMIC_EXTRAS = (
    "the build backend states the extras (optional-dependencies is dynamic), and only files of setuptools are read: "
    "require the project in a requirements file, with its extras: `.[{}]`"
)


def read_pyproject(
    path: Path, selection: Selection, environment: Mapping[str, str], parents: frozenset[Path] = frozenset()
) -> Requirements:
    """Return the project's requirements for these marker values. Raises one InputError with all problems.

    ``parents`` are the files of the projects that require this one, which are not read again.
    """
    project = _Project(path, selection, environment, parents | {path.resolve()})
    requirements = project.read()
    project.problems.raise_any(path)
    return requirements


class _Project:
    """A project with the selection of its optional dependencies."""

    def __init__(
        self, path: Path, selection: Selection, environment: Mapping[str, str], parents: frozenset[Path]
    ) -> None:
        self.parents, self.virtual = parents, dict[str, Requirements]()
        self.path, self.where, self.selection, self.environment = path, path.name, selection, environment
        self.stated = Declarations(path)
        self.document, self.problems, self.name = self.stated.document, self.stated.problems, self.stated.name
        self.uv = read_uv_tables(path.parent, self.document, self.problems)
        self.pdm = PdmResolution(self.stated.pdm, self.where, self.problems)
        self.notes: list[str] = [*self.uv.notes, *self.pdm.notes()]
        self.extras: list[str] = []  #: the chosen ones, as the groups
        self.groups: list[str] = []
        self.own_extras: set[str] = set()  #: that the project requires of itself

    def read(self) -> Requirements:
        extras, groups = self.stated.extras(), self.stated.groups()
        self.extras, self.groups = self._selected_names(extras, groups)
        self._check_limits()
        self._name_unread_tables()
        nested: list[Requirements] = []
        main = list(self.stated.main(nested))
        self.notes += self.stated.unknown_members(self.extras, main)
        if not is_package(self.document, self.where):
            self._refuse_itself(main)
        chosen = [entry for name in self.extras for entry in extras[name]]
        chosen += [entry for name in self.groups for entry in groups[name]]
        entries = list(self._replace_itself([*main, *chosen], extras))
        included_groups = self.stated.with_included(self.groups)
        self._note_rest("extra", {*extras} - {*self.extras} - self.own_extras)
        self._note_rest("group", {*groups} - included_groups)
        self._note_environments()
        indexes = {**self.uv.indexes, **named_indexes(), **self.stated.source_indexes()}
        available = DeclaredSources(self.path.parent, self.problems, indexes, self.uv.members)
        included = Selection((*self.extras, *self.own_extras), groups=tuple(included_groups))
        declared = [self._declare(entry, included, available) for entry in entries]
        return self._requirements(entries, declared, [*nested, *self.virtual.values()], available)

    def _requirements(
        self,
        entries: Sequence[Entry],
        declared: Sequence[Declared],
        nested: Sequence[Requirements],
        available: DeclaredSources,
    ) -> Requirements:
        """Return the project's requirements with those that it reads from other files (``nested``)."""
        uv, pdm = self.uv, self.pdm
        overrides = (*self.stated.texts(uv.overrides, "override"), *pdm.overrides())
        constraints = tuple(self.stated.texts(uv.constraints, "constraint"))
        limited = {name_of(text) for text in (*constraints, *overrides)} - {entry.name for entry in entries}
        needs_lock = [f"{each.where}: {each.needs_lock}" for each in entries if each.needs_lock]
        needs_lock += [
            f"{self.where}: [tool.uv.sources].{name}: not a dependency" for name in sorted(limited & {*uv.sources})
        ]
        is_included = self.name and is_package(self.document, str(self.path))
        itself = (LocalPackage(self.path.parent, str(self.path), self.name),) if is_included else ()
        return Requirements(
            self.path,
            (*declared, *(each for part in nested for each in part.declared)),
            (*constraints, *(each for part in nested for each in part.constraints)),
            overrides,
            tuple(canonicalize_name(str(name)) for name in (*uv.excludes, *pdm.excludes(), *self.virtual)),
            local=(*itself, *(each for part in nested for each in part.local)),
            places={**available.places, **{name: place for part in nested for name, place in part.places.items()}},
            virtual={name: part.declared for name, part in self.virtual.items()},
            name=self.name,
            version=self._version(),
            python=self.stated.python(self.environment["python_full_version"]),
            extras=tuple(self.extras),
            groups=tuple(self.groups),
            root=uv.root,
            indexes=available.indexes,
            needs_lock=tuple(needs_lock),
            settings={
                **pdm.settings(),
                **uv.settings,
                **{name: value for part in nested for name, value in part.settings.items()},
            },
            not_applied=(*(f"[tool.uv].{key}" for key in uv.unsupported), *pdm.not_applied()),
            notes=tuple(self.notes),
        )

    def _check_limits(self) -> None:
        """Add a problem for each limit of uv that excludes the target or the selection."""
        uv, python = self.uv, self.environment["python_full_version"]
        check_environments(uv.environments, self.environment, self.where, self.problems)
        check_conflicts(uv.conflicts, self.name, self.extras, self.groups, self.where, self.problems)
        check_groups(uv.group_limits, self.groups, python, self.where, self.problems)

    def _note_environments(self) -> None:
        if environments := self.stated.hatch_environments():
            self.notes.append(f"not included: the dependencies of Hatch's environments {names_of(environments)}")
        if self.stated.rye.get("dev-dependencies"):
            self.notes.append("not included: [tool.rye].dev-dependencies")

    def _name_unread_tables(self) -> None:
        """Name the tables that are not read: an error if the file states no requirements besides them."""
        if is_workspace_root(self.document, self.where):
            self.problems.add(
                self.where, "is the root of a uv workspace and no project; name the pyproject.toml of a member"
            )
        for each in unread_tables(self.document, self.where):
            if self.stated.project or self.stated.poetry:
                self.notes.append(f"warning: {self.where}: {each}")
            else:
                self.problems.add(self.where, f"{each}; state the requirements in [project].dependencies")

    def _selected_names(
        self, extras: Mapping[str, object], groups: Mapping[str, object]
    ) -> tuple[list[str], list[str]]:
        chosen_extras = (
            list(extras) if self.selection.all_extras else list(map(canonicalize_name, self.selection.extras))
        )
        if self.selection.all_extras and "optional-dependencies" in self.stated.dynamic and not extras:
            self.problems.add(f"{self.where}: [project].dynamic", _DYNAMIC_EXTRAS.format("NAME"))
        chosen_groups = list(map(canonicalize_name, self.selection.groups))
        uv = table(self.document, "tool", "uv", where=self.where)
        if self.selection.default_groups:
            place = f"{self.where}: [tool.uv]"
            names = list(groups) if uv.get("default-groups") == "all" else array(uv, "default-groups", where=place)
            chosen_groups += [canonicalize_name(str(name)) for name in names]
        for kind, option, chosen, available in (
            ("extra", "--extra", chosen_extras, extras),
            ("dependency group", "--group", chosen_groups, groups),
        ):
            for name in chosen:
                if name not in available:
                    self.problems.raise_any()  # such as a group that includes itself, or is stated twice
                    if kind != "extra":
                        asked_for = [str(canonicalize_name(each)) for each in self.selection.groups]
                        option = "--group" if name in asked_for else "[tool.uv].default-groups"
                    fix = fix_for_unknown(available, option)
                    if kind == "extra" and "optional-dependencies" in self.stated.dynamic:
                        fix = _DYNAMIC_EXTRAS.format(name)
                    raise InputError(f"the project has no {kind} {name!r}", where=f"{self.path}: {option}", fix=fix)
        return list(dict.fromkeys(chosen_extras)), list(dict.fromkeys(chosen_groups))

    def _note_rest(self, kind: str, names: set[str]) -> None:
        if names:
            noun = "dependency group" if kind == "group" else kind
            self.notes.append(f"not included: {noun} {names_of(names)} (--{kind} NAME includes one)")

    def _version(self) -> str | None:
        """Return the project's version. uv and Poetry refuse one that is none, too."""
        stated = self.stated.project.get("version", self.stated.poetry.get("version"))
        try:
            is_valid = stated is None or len(str(Version(stated))) <= MAX_VERSION_LENGTH
        except (ValueError, TypeError):
            is_valid = False
        if not is_valid:
            self.problems.add(self.where, f"[project].version: {shorten(str(stated))!r} is not a version (PEP 440)")
        return stated if is_valid and isinstance(stated, str) else None

    def _refuse_itself(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.name == self.name and not entry.requirement.extras:
                fix = "rename the project if it needs the package of this name, otherwise remove the requirement"
                self.problems.add(entry.where, f"{entry.requirement} requires the project itself: {fix}")

    def _replace_itself(self, entries: Sequence[Entry], extras: Mapping[str, list[Entry]]) -> Iterator[Entry]:
        """Replace a requirement on the project itself (``proj[api]``) by its extras: no index has this project."""
        queue, seen = list(entries), set()
        for entry in queue:
            if entry.name != self.name:
                yield entry
                continue
            for extra in map(canonicalize_name, entry.requirement.extras):
                if extra not in extras:
                    self.problems.add(entry.where, f"the project has no extra {extra!r}; it has {names_of(extras)}")
                elif (extra, str(entry.requirement.marker)) not in seen:
                    seen.add((extra, str(entry.requirement.marker)))
                    self.own_extras.add(extra)
                    marker = entry.requirement.marker
                    queue += [
                        replace(each, requirement=with_marker(each.requirement, marker)) for each in extras[extra]
                    ]

    def _declare(self, entry: Entry, included: Selection, available: DeclaredSources) -> Declared:
        """Return the requirement of an entry, and record where its package comes from."""
        requirement, source = entry.requirement, entry.source
        if options := self.uv.sources.get(entry.name):
            source = chosen_source(
                options, entry.where, included, self.environment, self.problems, has_conflicts=bool(self.uv.conflicts)
            )
        elif entry.name in self.uv.members and not (source or requirement.url):
            self.problems.add(
                entry.where,
                f"{entry.name} is a member of the workspace, but has no entry in [tool.uv.sources]; "
                f"add {entry.name} = {{ workspace = true }}",
            )
        if requirement.url and not source:
            source = {"url": requirement.url}
        requirement.url = None
        active = applies(requirement.marker, self.environment)
        if source and active:
            available.apply(requirement, source, f"{entry.where}: {entry.name}")
            self._add_virtual(entry, source, available)
        return declare(requirement, entry.where)

    def _add_virtual(self, entry: Entry, source: Mapping[str, object], available: DeclaredSources) -> None:
        """Read the dependencies of a local package that uv does not install itself (``package = false``)."""
        place = available.places.get(entry.name)
        path = place.path / "pyproject.toml" if isinstance(place, LocalPackage) else None
        if path is None or not path.is_file() or path.resolve() in self.parents:
            return
        stated = table(read_toml(path), "tool", "uv", where=str(path)).get("package")
        if source.get("package", stated) is False:
            extras = tuple(entry.requirement.extras)
            found = read_pyproject(path, Selection(extras, default_groups=False), self.environment, self.parents)
            first = self.virtual.get(entry.name, replace(found, declared=()))
            declared = tuple(dict.fromkeys((*first.declared, *found.declared)))
            places = {**first.places, **found.places}
            self.virtual[entry.name] = Requirements(path, declared, places=places)
