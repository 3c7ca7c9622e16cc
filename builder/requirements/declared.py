"""What a project requires, in one form for all file formats: requirements, sources, bounds, hashes, local packages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.metadata.requires_dist import applies, name_of
from builder.model.errors import InputError
from builder.model.escape import shorten, without_credentials
from builder.model.figures import counted
from builder.resolve.bounds import ProjectIndex

_T = TypeVar("_T")
#: Limits of one project or lock file, and of one requirement or marker.
MAX_PARSED, MAX_REQUIREMENT_CHARACTERS = 50_000, 20_000
#: Limits of one error message.
_MAX_LINES, _MAX_LINE_CHARACTERS = 100, 1000
#: How many unusual characters of a text an error names.
_MAX_NAMED_CHARACTERS = 3


@dataclass(frozen=True)
class Selection:
    """The choice of a project's optional dependencies."""

    extras: tuple[str, ...] = ()
    all_extras: bool = False
    groups: tuple[str, ...] = ()
    default_groups: bool = True
    use_lock: bool = True
    exclude: tuple[str, ...] = ()  #: packages to leave out although others require them
    override: tuple[str, ...] = ()  #: requirements that replace every other requirement of the same package


#: No optional dependencies, the lock file if there is one.
DEFAULT_SELECTION = Selection()


@dataclass(frozen=True)
class Declared:
    """One requirement with the file and line that declare it."""

    text: str
    name: str  #: normalised
    where: str  #: ``requirements.txt:3``

    @cached_property
    def requirement(self) -> Requirement:
        """The parsed text. Callers do not change it."""
        return Requirement(self.text)

    def is_active(self, environment: Mapping[str, str]) -> bool:
        """Whether it applies for these marker values."""
        return applies(self.requirement.marker, environment)


@dataclass(frozen=True)
class LocalPackage:
    """One of the user's own packages: a folder with a project, a source archive or a wheel."""

    path: Path
    where: str
    name: str | None = None  #: normalised; None: take the name from its wheel
    extras: tuple[str, ...] = ()
    marker: Marker | None = None


@dataclass(frozen=True)
class Requirements:
    """What an app needs."""

    source: Path
    declared: tuple[Declared, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    #: Digests (``sha256:…``) of the files that may be used, by package.
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hashed: bool = False  #: every package must have hashes
    complete: bool = False  #: from a lock file: these are all packages, dependencies included
    #: Packages to include (``-e .``), and the places of packages that ``declare`` requires.
    local: tuple[LocalPackage, ...] = ()
    places: Mapping[str, LocalPackage | ProjectIndex] = field(default_factory=dict)
    #: What local packages require that are not installed themselves (``package = false``), by their names.
    virtual: Mapping[str, tuple[Declared, ...]] = field(default_factory=dict)
    lock: Path | None = None  #: the lock file that the versions come from
    name: str | None = None  #: the project's
    version: str | None = None
    python: SpecifierSet | None = None  #: the Pythons that the project supports
    extras: tuple[str, ...] = ()  #: those that are included
    groups: tuple[str, ...] = ()
    root: Path | None = None  #: members of the project's workspace
    indexes: Mapping[str, str] = field(default_factory=dict)  #: URLs of the indexes that one package may be bound to
    needs_lock: tuple[str, ...] = ()  #: statements that only a lock file can honour, as ``allow-prereleases``
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: see ``Bounds.settings``
    not_applied: tuple[str, ...] = ()  #: settings that choose packages and that only a lock file can honour
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is needed."""
        return not self.declared and not self.local

    @property
    def not_compared(self) -> frozenset[str]:
        """The packages whose requirements do not count, because exclusions or overrides decide about them."""
        return frozenset({*self.excludes, *map(name_of, self.overrides)})

    def with_selection(self, selection: Selection) -> Requirements:
        """Return a copy with the exclusions and overrides of the command line."""
        overridden = {name_of(text) for text in selection.override}
        overrides = tuple(text for text in self.overrides if name_of(text) not in overridden)
        return replace(
            self,
            hashes={name: digests for name, digests in self.hashes.items() if name not in overridden},
            overrides=(*overrides, *selection.override),
            excludes=tuple(dict.fromkeys([*self.excludes, *map(canonicalize_name, selection.exclude)])),
        )


class Problems:
    """Collects the problems of files, to report them together."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._parsed = 0

    def add(self, where: str, what: str) -> None:
        """Add one problem, with the credentials of URLs hidden; one that is there already counts once."""
        self._lines[shorten(without_credentials(f"{where}: {what}"), _MAX_LINE_CHARACTERS)] = None

    def parse(self, text: object, where: str) -> Requirement | None:
        """Parse a requirement (PEP 508). If it is invalid, add a problem and return None."""
        if not isinstance(text, str):
            self.add(where, f"a requirement must be a string, not {type(text).__name__}")
            return None
        return self._parse(Requirement, text, "requirement (PEP 508)", where)

    def parse_marker(self, text: object, where: str) -> Marker | None:
        """Parse a marker (PEP 508). If it is invalid, add a problem and return None; None also for no marker."""
        return None if text is None else self._parse(Marker, str(text), "marker (PEP 508)", where)

    def parse_specifier(self, text: object, where: str) -> SpecifierSet | None:
        """Parse a version specifier (PEP 440). If it is invalid, add a problem and return None."""
        return self._parse(SpecifierSet, str(text), "version specifier (PEP 440)", where)

    def _parse(self, kind: Callable[[str], _T], text: str, noun: str, where: str) -> _T | None:
        self._parsed += 1
        if self._parsed > MAX_PARSED:
            raise InputError(f"there are more than {MAX_PARSED:,} requirements", where=where, fix="remove some of them")
        try:
            if len(text) > MAX_REQUIREMENT_CHARACTERS:  # packaging needs hours for a list of 100,000 versions
                raise ValueError(f"it has more than {MAX_REQUIREMENT_CHARACTERS:,} characters")
            if re.search(r"[0-9]{1000}", text):  # Python may refuse to read it (4,300 digits), which would fail later
                raise ValueError("it has a number of more than 1,000 digits")
            return kind(text)
        except (ValueError, RecursionError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            reason = shorten(without_credentials(first)) + unusual_characters(text)
            self.add(where, f"{shorten(without_credentials(text))!r} is not a {noun}: {reason}")
            return None

    def raise_any(self, file: Path | None = None) -> None:
        """Raise one InputError with every problem of a file, if there are any."""
        if self._lines:
            count = counted(len(self._lines), "problem")
            more = [f"… and {len(self._lines) - _MAX_LINES} more"] if len(self._lines) > _MAX_LINES else []
            raise InputError(
                f"the requirements have {count}:",
                where=str(file) if file else None,
                details=[*list(self._lines)[:_MAX_LINES], *more],
            )


def declare(requirement: Requirement, where: str, text: object = None) -> Declared:
    """Return a requirement with its origin, and the text that the file has for it if given."""
    written = text.strip() if isinstance(text, str) else str(requirement)
    return Declared(written, canonicalize_name(requirement.name), where)


def names_of(names: Iterable[str]) -> str:
    """Join names for a sentence."""
    return ", ".join(sorted(names))


def fix_for_unknown(names: Iterable[str], option: str) -> str:
    """Return the fix for an unknown name of an option: the names that there are."""
    stated = names_of(names)
    return f"it has {stated}" if stated else f"it has none; leave {option} out"


def unusual_characters(text: str) -> str:
    """Return the end of an error's sentence that names characters outside ASCII; empty if there are none."""
    names = [f"U+{ord(each):04X} ({unicodedata.name(each, 'no name')})" for each in dict.fromkeys(text) if each > "~"]
    return f"; it has {', '.join(names[:_MAX_NAMED_CHARACTERS])}, write ASCII characters" if names else ""
