"""What was seen in AWS: the remote state, as values. ``observe`` fills them; number and plan are made from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from builder.model.matrix import Cell, Matrix
from builder.model.matrix_keys import Permission
from builder.model.target import Target
from publisher.aws.gateway import Failure, Grant, Held, Listed
from publisher.ledger.release import CellRecord, FillerRecord, Release, SurplusRecord

#: Begins the description of a version that only holds a number, so that it is told from a release on sight.
RESERVED = "Reserved number, no release"


@dataclass(frozen=True)
class CellState:
    """One cell. ``latest`` 0: the layer has no version."""

    latest: int = 0
    #: What lists showed, by number: the newest version, and older ones where they had to be looked at.
    listed: Mapping[int, Listed] = field(default_factory=dict)
    #: What stands at the release's number; None: nothing, or not looked at since ``latest`` is below it.
    held: Held | None = None
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True)
class Remote:
    """Everything seen: each cell's state, and why regions could not be read."""

    cells: Mapping[Cell, CellState]
    silent: Mapping[str, Failure] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        """The highest number that AWS has given out anywhere in the matrix."""
        return max((state.latest for state in self.cells.values()), default=0)


def counted(remote: Remote, releases: Sequence[Release]) -> Remote:
    """The remote state with the numbers that the ledger knows AWS gave out, which lists may not show: they lag, and
    a layer whose versions were deleted is in none, though its numbers go on."""
    given: dict[tuple[str, str], int] = {}
    for release in releases:
        records: tuple[CellRecord | FillerRecord | SurplusRecord, ...]
        records = (*release.cells, *release.fillers, *release.surplus)
        for record in records:
            key = record.region, f"py{record.python}-{record.architecture}"
            given[key] = max(given.get(key, 0), record.layer_version)
    cells = {
        cell: replace(state, latest=max(state.latest, given.get((cell.region, cell.target.id), 0)))
        for cell, state in remote.cells.items()
    }
    return replace(remote, cells=cells)


def version_in(matrix: Matrix, target: Target, description: str) -> str | None:
    """The package version that a description written by the matrix's template names; None where it is another text."""
    match = _pattern(matrix.description, matrix.package, target).fullmatch(description)
    return match["version"] if match else None


def carries(matrix: Matrix, target: Target, listed: Listed, version: str) -> bool:
    """Whether a layer version says that it holds this package version."""
    found = version_in(matrix, target, listed.description)
    return found is not None and _same_version(found, version)


def is_granted(grants: tuple[Grant, ...], permission: Permission) -> bool:
    """Whether these grants give what the matrix wants."""
    return any(
        grant.principal == permission.principal and grant.organization == permission.organization for grant in grants
    )


@lru_cache(maxsize=256)
def _pattern(template: str, package: str, target: Target) -> re.Pattern[str]:
    mark = "\0"
    text = template.replace("{version}", mark, 1).format(
        package=package,
        version=mark,
        python_version=target.python,
        python=target.python_field,
        architecture=str(target.architecture),
    )
    before, _, after = text.partition(mark)
    rest = re.escape(after).replace(re.escape(mark), "(?P=version)")
    return re.compile(f"{re.escape(before)}(?P<version>[0-9][0-9A-Za-z.!+-]*?){rest}")


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False
