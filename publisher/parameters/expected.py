"""Which parameters should be there, by the ledger, and what differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Wanted:
    """The parameters of one region. ``retired``: what must not stand under a name that has nothing to point to."""

    parameters: tuple[Parameter, ...]
    retired: Mapping[str, frozenset[str]]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that matters."""
        return (*(each.name for each in self.parameters), *self.retired)


def wanted(matrix: Matrix, releases: Sequence[Release]) -> dict[str, Wanted]:
    """The parameters of each region of the matrix.

    Complete releases only: a number is of use once it is right everywhere. A yanked one gets none; what it had
    stays, since the ARN is still true, but ``latest`` goes back to the release before, and away where there is none.
    """
    if matrix.parameters is None:
        return {}
    prefix = matrix.parameters.prefix
    return {region: _region(prefix, region, releases) for region in matrix.regions}


def _region(prefix: str, region: str, releases: Sequence[Release]) -> Wanted:
    parameters: dict[str, Parameter] = {}
    yanked: dict[str, set[str]] = {}
    for release in sorted(releases, key=lambda release: release.layer_version):
        for cell in (cell for cell in release.cells if cell.region == region):
            folder = f"{prefix}/{cell.python}/{cell.architecture}"
            if release.yanked:
                yanked.setdefault(f"{folder}/{LATEST}", set()).add(cell.arn)
            elif release.completed and cell.public:
                for word in (str(release.layer_version), LATEST):  # the last release that comes by is the latest
                    parameters[f"{folder}/{word}"] = _parameter(f"{folder}/{word}", release, cell)
    retired = {name: frozenset(arns) for name, arns in yanked.items() if name not in parameters}
    return Wanted(tuple(parameters[name] for name in sorted(parameters)), retired)


def _parameter(name: str, release: Release, cell: CellRecord) -> Parameter:
    description = (
        f"{release.package} {release.version}, layer version {release.layer_version} "
        f"(Python {cell.python}, {cell.architecture})"
    )
    return Parameter(name, cell.arn, cell.key[1], release.layer_version, description)


def to_write(wanted: Wanted, seen: Mapping[str, str]) -> tuple[Parameter, ...]:
    """The parameters that are missing or hold something else."""
    return tuple(each for each in wanted.parameters if seen.get(each.name) != each.arn)


def to_remove(wanted: Wanted, seen: Mapping[str, str]) -> tuple[str, ...]:
    """The names that point to a yanked release and have no other to point to."""
    return tuple(name for name, arns in wanted.retired.items() if seen.get(name) in arns)
