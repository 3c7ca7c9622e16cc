"""The observed state of AWS, as values. ``observe`` fills it; number and plan are computed from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from builder.model.matrix import Cell, Matrix
from builder.model.matrix_keys import Permission
from builder.model.target import Target
from builder.model.versions import same_version
from publisher.aws.gateway import Failure, Grant, ListedVersion, PublishedVersion
from publisher.ledger.release import Release

#: The description of every placeholder starts with this text.
PLACEHOLDER_DESCRIPTION = "Reserved number, no release"


@dataclass(frozen=True)
class CellState:
    """The state of one cell in AWS. ``latest`` is 0 if the layer has no version."""

    latest: int = 0
    #: Listed versions by number: the newest, and older ones if they were read.
    listed: Mapping[int, ListedVersion] = field(default_factory=dict)
    #: The layer version at the release's number; None if there is none, or if ``latest`` is lower.
    published: PublishedVersion | None = None
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True)
class Remote:
    """The state of every cell in a region that responded, and the other regions with the reason."""

    cells: Mapping[Cell, CellState]
    unreachable: Mapping[str, Failure] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        """The highest number that AWS has assigned anywhere in the matrix."""
        return max((state.latest for state in self.cells.values()), default=0)


def with_recorded_numbers(remote: Remote, releases: Sequence[Release]) -> Remote:
    """Raise ``latest`` to the numbers in the ledger: lists lag, and do not show a layer whose versions were all
    deleted, although its numbers continue.
    """
    assigned: dict[tuple[str, str], int] = {}
    for release in releases:
        for record in release.versions:
            assigned[record.key] = max(assigned.get(record.key, 0), record.layer_version)
    cells = {
        cell: replace(state, latest=max(state.latest, assigned.get(cell.key, 0)))
        for cell, state in remote.cells.items()
    }
    return replace(remote, cells=cells)


def version_in(matrix: Matrix, target: Target, description: str) -> str | None:
    """Return the package version in a description that matches the matrix's template, or None."""
    mark = "\0"
    text = matrix.description.replace("{version}", mark, 1).format(
        package=matrix.package,
        version=mark,
        python_version=target.python,
        python=target.python_field,
        architecture=str(target.architecture),
    )
    before, _, after = text.partition(mark)
    rest = re.escape(after).replace(re.escape(mark), "(?P=version)")
    match = re.fullmatch(f"{re.escape(before)}(?P<version>[0-9][0-9A-Za-z.!+-]*?){rest}", description)
    return match["version"] if match else None


def is_placeholder(layer_version: ListedVersion) -> bool:
    """Whether a layer version only occupies its number."""
    return layer_version.description.startswith(PLACEHOLDER_DESCRIPTION)


def carries(matrix: Matrix, target: Target, layer_version: ListedVersion, version: str) -> bool:
    """Whether a layer version's description has this package version."""
    carried = version_in(matrix, target, layer_version.description)
    return carried is not None and same_version(carried, version)


def other_compatibility(
    target: Target, layer_version: ListedVersion
) -> Iterator[tuple[Literal["runtime", "architecture"], str]]:
    """Yield each compatibility field of a layer version that does not have the target. A field that is empty fits."""
    if layer_version.runtimes and (runtime := target.runtime.api_name) not in layer_version.runtimes:
        yield "runtime", f"its CompatibleRuntimes are {', '.join(layer_version.runtimes)}, not {runtime}"
    if layer_version.architectures and (own := target.architecture.api_name) not in layer_version.architectures:
        yield "architecture", f"its CompatibleArchitectures are {', '.join(layer_version.architectures)}, not {own}"


def is_granted(grants: tuple[Grant, ...], permission: Permission) -> bool:
    """Whether these grants include the matrix's permission."""
    return any(
        grant.principal == permission.principal and grant.organization == permission.organization for grant in grants
    )
