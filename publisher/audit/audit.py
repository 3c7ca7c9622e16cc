"""Compare the ledger with AWS, cell by cell, and find layer versions that the ledger does not have.

Reads only. Each finding names the cell, what is wrong, and the command that fixes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from builder.model.errors import FailureClass
from builder.model.matrix import Cell, Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import each_item
from publisher.aws.gateway import Failure, Grant, Lambda, ListedVersion, PublishedVersion
from publisher.ledger.release import CellRecord, Release
from publisher.reconcile.state import carries, is_granted, is_placeholder, other_compatibility, version_in

Problem = Literal[
    "missing", "unrecorded", "bytes", "version", "signature", "private", "public", "shared", "runtime", "architecture",
    "number", "unexpected", "foreign", "unreachable", "parameter",
]  # fmt: skip


@dataclass(frozen=True)
class Drift:
    """One difference between the ledger and AWS."""

    region: str
    target: str
    layer_version: int | None
    problem: Problem
    detail: str
    remedy: str

    @property
    def cells(self) -> list[str]:
        """The row of a table."""
        return [self.region, self.target, str(self.layer_version or ""), self.problem, self.detail, self.remedy]


@dataclass(frozen=True)
class CellView:
    """The state of one cell in AWS: all versions, details of the recorded ones, and the grants of each."""

    listed: tuple[ListedVersion, ...]
    published: Mapping[int, PublishedVersion]
    grants: Mapping[int, tuple[Grant, ...]]


@dataclass(frozen=True)
class Audit:
    """The result of an audit."""

    checked: int  #: recorded layer versions that were compared
    drifts: tuple[Drift, ...]
    unreachable: Mapping[str, Failure]  #: by region


def audit(matrix: Matrix, releases: Sequence[Release], lambdas: Mapping[str, Lambda], progress: Progress) -> Audit:
    """Compare every cell with AWS, in three requests for each recorded version and one for each other version."""
    progress.begin("Auditing", len(matrix.regions))
    views, unreachable = each_item(matrix.cells, lambda cell: _view(lambdas[cell.region], cell, releases), progress)
    return compare(matrix, releases, views, unreachable)


def _view(gateway: Lambda, cell: Cell, releases: Sequence[Release]) -> CellView:
    name = cell.target.layer_name
    versions = gateway.versions(name)
    recorded = {release.layer_version for release in releases if release.cell(cell.region, cell.target.id)}
    by_number = {number: gateway.get(name, number) for number in sorted(recorded)}
    published = {number: version for number, version in by_number.items() if version is not None}
    unrecorded = {version.number for version in versions} - recorded
    return CellView(
        versions, published, {number: gateway.grants(name, number) for number in sorted(unrecorded | set(published))}
    )


def compare(
    matrix: Matrix, releases: Sequence[Release], views: Mapping[Cell, CellView], unreachable: Mapping[str, Failure]
) -> Audit:
    """Return what differs between the ledger and what was read. Pure."""
    drifts = [unreachable_drift(region, failure) for region, failure in unreachable.items()]
    checked = 0
    for cell, view in views.items():
        for release in releases:
            record = release.cell(cell.region, cell.target.id)
            if record is None:
                drifts += _report_absent(cell, release, releases)
            else:
                checked += 1
                drifts += _compare_recorded(matrix, cell, release, record, view)
        drifts += _report_unrecorded(matrix, cell, view, releases)
    return Audit(checked, tuple(drifts), unreachable)


def unreachable_drift(region: str, failure: Failure, problem: str = "the region") -> Drift:
    """Return the finding for a region that could not be read: nothing is known to differ."""
    temporary = failure.failure_class is FailureClass.TEMPORARY
    remedy = failure.advice or ("run `layers audit` again later" if temporary else "see the error")
    return Drift(region, "*", None, "unreachable", f"{problem} cannot be read: {failure}", remedy)


def _report_absent(cell: Cell, release: Release, releases: Sequence[Release]) -> Iterator[Drift]:
    """Report a cell that is missing in the newest release. Older releases are not checked: the cell may be newer."""
    if release != releases[-1] or release.yanked:
        return
    yield Drift(
        cell.region, cell.target.id, release.layer_version, "missing",
        f"the ledger has no {release.version} here", f"layers publish --version {release.version}",
    )  # fmt: skip


def _compare_recorded(
    matrix: Matrix, cell: Cell, release: Release, record: CellRecord, view: CellView
) -> Iterator[Drift]:
    number = release.layer_version
    again = f"layers publish --version {release.version}"
    published = view.published.get(number)
    problems: Iterable[tuple[Problem, str, str]]
    if published is None:
        problems = [("missing", "recorded, but not in AWS", f"{again} --rebuild (AWS never assigns a number twice)")]
    else:
        grants = view.grants.get(number, ())
        problems = (
            *_other_content(matrix, cell, release, record, published, f"{again} --rebuild"),
            *_other_grants(matrix, cell, release, grants, again),
            *((*problem, f"{again} --rebuild") for problem in other_compatibility(cell.target, published)),
        )
    for problem, detail, remedy in problems:
        yield Drift(cell.region, cell.target.id, number, problem, detail, remedy)


def _other_content(
    matrix: Matrix, cell: Cell, release: Release, record: CellRecord, published: PublishedVersion, again: str
) -> Iterator[tuple[Problem, str, str]]:
    if published.sha256 != record.sha256:
        detail = f"AWS has sha256 {published.sha256[:12]}…, the ledger {record.sha256[:12]}…"
        yield "bytes", detail, f"find out who published this; then {again}"
    target = release.target(cell.target.id)
    if target and target.signed_by and published.signed_by not in (None, target.signed_by):
        detail = f"signed by {published.signed_by}, the ledger has {target.signed_by}"
        yield "signature", detail, f"find out who signed this; then {again}"
    version = version_in(matrix, cell.target, published.description)
    if version is not None and not carries(matrix, cell.target, published, release.version):
        detail = f"its description has version {version}, the ledger {release.version}"
        yield "version", detail, f"find out who published this; then {again}"


def _other_grants(
    matrix: Matrix, cell: Cell, release: Release, grants: tuple[Grant, ...], again: str
) -> Iterator[tuple[Problem, str, str]]:
    number = release.layer_version
    if release.yanked:
        if grants:
            yank = f"layers yank --layer-version {number} --reason …"
            yield "public", f"yanked, but granted to {_names(grants)}", yank
        return
    if not is_granted(grants, matrix.permission):
        yield "private", "the matrix's permission is missing", again
    for grant in grants:
        if not is_granted((grant,), matrix.permission):
            detail = f"granted to {_names([grant])}, which is not the matrix's permission"
            yield "public" if _is_public(grant) else "shared", detail, _revoke_command(cell, number, grant)


def _is_public(grant: Grant) -> bool:
    return grant.principal == "*" and grant.organization is None


def _names(grants: Iterable[Grant]) -> str:
    return ", ".join(
        f"organization {grant.organization}"
        if grant.organization
        else "everybody (*)"
        if grant.principal == "*"
        else f"account {grant.principal}"
        for grant in grants
    )


def _revoke_command(cell: Cell, number: int, grant: Grant) -> str:
    return (
        f"aws lambda remove-layer-version-permission --region {cell.region} --layer-name {cell.target.layer_name} "
        f"--version-number {number} --statement-id {grant.statement_id}"
    )


def _report_unrecorded(matrix: Matrix, cell: Cell, view: CellView, releases: Sequence[Release]) -> Iterator[Drift]:
    """Report versions of a cell that are in no release, with their grants."""
    recorded = {release.layer_version for release in releases if release.cell(cell.region, cell.target.id)}
    numbers = {
        each.layer_version for release in releases for each in release.unexpected_versions if each.key == cell.key
    }
    for version in view.listed:
        if version.number in recorded:
            continue
        grants = view.grants.get(version.number, ())
        if is_placeholder(version) and not grants:
            continue
        problem, detail, remedy = _classify(matrix, cell, version, version.number in numbers, releases, not grants)
        if grants and problem != "unrecorded":
            detail = f"{detail}, granted to {_names(grants)}"
            problem, remedy = "public", _revoke_command(cell, version.number, grants[0])
        yield Drift(cell.region, cell.target.id, version.number, problem, detail, remedy)


def _classify(
    matrix: Matrix, cell: Cell, layer_version: ListedVersion, recorded: bool, releases: Sequence[Release], private: bool
) -> tuple[Problem, str, str]:
    """Return problem, detail and remedy of a version in no release. ``recorded``: recorded as an unexpected version."""
    version = version_in(matrix, cell.target, layer_version.description)
    if recorded:
        detail = "an unexpected version, private: another run published the layer at the same time"
        return "unexpected", detail, "nothing: the next release skips it"
    if version is None:
        description = repr(layer_version.description[:60]) if layer_version.description else "no description"
        detail = f"a version of no release: {description}"
        return "foreign", detail, "find out who published it; the next release skips it"
    numbers = [release.layer_version for release in releases if release.version == version and release.cells]
    if not numbers or layer_version.number in numbers:
        return "unrecorded", f"{version} is published here, and the ledger does not have it", "layers sync"
    if private and layer_version.number < numbers[-1]:
        detail = f"{version}, private, from a run that was killed: it is published with number {numbers[-1]}"
        return "unexpected", detail, "nothing: the next release skips it"
    return "number", f"{version} has number {layer_version.number} here and {numbers[0]} elsewhere", "layers sync"
