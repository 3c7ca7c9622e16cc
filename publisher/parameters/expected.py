"""Compute which parameters should exist, from the ledger, and what differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.model.matrix import Matrix
from publisher.ledger.release import CellRecord, Release

LATEST = "latest"


@dataclass(frozen=True)
class Parameter:
    """A parameter as it should be."""

    name: str
    arn: str
    target: str  #: ``py3.12-x86_64``
    layer_version: int
    description: str


@dataclass(frozen=True)
class ExpectedParameters:
    """The parameters of one region.

    ``retired``: name → ARNs, where all releases that the name can point to are yanked. A parameter with one of these
    ARNs is removed.
    """

    parameters: tuple[Parameter, ...]
    retired: Mapping[str, frozenset[str]]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name to read."""
        return (*(each.name for each in self.parameters), *self.retired)


def expected_parameters(matrix: Matrix, releases: Sequence[Release]) -> dict[str, ExpectedParameters]:
    """Return the parameters of each region of the matrix.

    Only complete releases have parameters, because a number can be used everywhere only then. A yanked release keeps
    the one by its number, since its ARN does not change. The names by version and ``latest`` return to an
    earlier release, or are removed if there is none.
    """
    if matrix.parameters is None:
        return {}
    prefix = matrix.parameters.prefix
    return {region: _region(prefix, region, releases) for region in matrix.regions}


def version_name(version: str) -> str:
    """Return a package version as a part of a parameter's name, where ``+`` and ``!`` are not allowed."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", version)


def _region(prefix: str, region: str, releases: Sequence[Release]) -> ExpectedParameters:
    parameters: dict[str, Parameter] = {}
    yanked: dict[str, set[str]] = {}
    for release in sorted(releases, key=lambda release: release.layer_version):
        for cell in (cell for cell in release.cells if cell.region == region):
            numbered = f"{prefix}/{cell.python}/{cell.architecture}/{release.layer_version}"
            if release.yanked:
                for name in _movable_names(prefix, release, cell):
                    yanked.setdefault(name, set()).add(cell.arn)
            elif release.completed and cell.public:
                for name in (numbered, *_movable_names(prefix, release, cell)):  # a later release replaces an earlier
                    parameters[name] = _parameter(name, release, cell)
    retired = {name: frozenset(arns) for name, arns in yanked.items() if name not in parameters}
    return ExpectedParameters(tuple(parameters[name] for name in sorted(parameters)), retired)


def _movable_names(prefix: str, release: Release, cell: CellRecord) -> Iterator[str]:
    """Return the names that may point to another release later: by package version, and the latest."""
    yield f"{prefix}/{cell.python}/{cell.architecture}/{LATEST}"
    yield f"{prefix}/py{cell.python}/{cell.architecture}/{LATEST}"
    yield f"{prefix}/py{cell.python}/{cell.architecture}/{version_name(release.version)}"


def _parameter(name: str, release: Release, cell: CellRecord) -> Parameter:
    description = (
        f"{release.package} {release.version}, layer version {release.layer_version} "
        f"(Python {cell.python}, {cell.architecture})"
    )
    return Parameter(name, cell.arn, cell.key[1], release.layer_version, description)


def to_write(plan: ExpectedParameters, stored: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Return the parameters that are missing or have another value."""
    return tuple(each for each in plan.parameters if stored.get(each.name) != each.arn)


def to_remove(plan: ExpectedParameters, stored: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that point to a yanked release and have no other one to point to."""
    return tuple(name for name, arns in plan.retired.items() if stored.get(name) in arns)
