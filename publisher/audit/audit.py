"""The audit: is what the ledger says still true in AWS, cell by cell, and is there anything that it does not say.

Reads only. Each finding names the cell, what is wrong, and which command would mend it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from builder.model.matrix import Cell, Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import each_region, in_lanes
from publisher.aws.gateway import Failure, Grant, Held, Lambda, Listed
from publisher.ledger.release import CellRecord, Release
from publisher.reconcile.state import RESERVED, is_granted, version_in

Problem = Literal[
    "missing", "unrecorded", "bytes", "private", "public", "runtime", "architecture", "number", "surplus", "foreign",
    "silent", "parameter",
]  # fmt: skip


@dataclass(frozen=True)
class Drift:
    """One thing that is not as recorded."""

    region: str
    target: str
    layer_version: int | None
    problem: Problem
    detail: str
    remedy: str


@dataclass(frozen=True)
class CellView:
    """What AWS shows of one cell: the numbers there, and those versions that are recorded, read whole."""

    listed: tuple[Listed, ...]
    held: Mapping[int, tuple[Held, tuple[Grant, ...]]]


@dataclass(frozen=True)
class Audit:
    """What an audit looked at and found."""

    checked: int  #: recorded layer versions that were compared
    drifts: tuple[Drift, ...]


def audit(matrix: Matrix, releases: Sequence[Release], lambdas: Mapping[str, Lambda], progress: Progress) -> Audit:
    """Compare every recorded cell with AWS."""
    progress.begin("Auditing", len(matrix.regions))

    def look(region: str) -> dict[Cell, CellView]:
        cells = [Cell(region, target) for target in matrix.targets]
        return dict(zip(cells, in_lanes(lambda cell: _view(lambdas[region], cell, releases), cells), strict=True))

    answers, silent = each_region(matrix.regions, look, progress)
    views = {cell: view for region in matrix.regions for cell, view in answers.get(region, {}).items()}
    return compare(matrix, releases, views, silent)


def _view(gateway: Lambda, cell: Cell, releases: Sequence[Release]) -> CellView:
    name = cell.target.layer_name
    listed = gateway.versions(name)
    recorded = {release.layer_version for release in releases if release.cell(cell.region, cell.target.id)}
    held: dict[int, tuple[Held, tuple[Grant, ...]]] = {}
    for number in sorted(recorded):
        there = gateway.get(name, number)
        if there is not None:
            held[number] = (there, gateway.grants(name, number))
    return CellView(listed, held)


def compare(
    matrix: Matrix, releases: Sequence[Release], views: Mapping[Cell, CellView], silent: Mapping[str, Failure]
) -> Audit:
    """What differs between the records and what was seen. Pure."""
    drifts = [
        Drift(region, "*", None, "silent", f"the region does not answer: {reason}", "layers audit, later")
        for region, reason in silent.items()
    ]
    checked = 0
    for cell, view in views.items():
        for release in releases:
            record = release.cell(cell.region, cell.target.id)
            if record is None:
                drifts += _absent(cell, release, releases)
            else:
                checked += 1
                drifts += _recorded(matrix, cell, release, record, view)
        drifts += _unrecorded(matrix, cell, view, releases)
    return Audit(checked, tuple(drifts))


def _absent(cell: Cell, release: Release, releases: Sequence[Release]) -> Iterator[Drift]:
    """A cell that a release does not have: said of the newest release only; older ones may be from before the cell."""
    if release != releases[-1] or release.yanked:
        return
    yield Drift(
        cell.region, cell.target.id, release.layer_version, "missing",
        f"the ledger has no {release.version} here", f"layers publish --version {release.version}",
    )  # fmt: skip


def _recorded(matrix: Matrix, cell: Cell, release: Release, record: CellRecord, view: CellView) -> Iterator[Drift]:
    number = release.layer_version

    def drift(problem: Problem, detail: str, remedy: str) -> Drift:
        return Drift(cell.region, cell.target.id, number, problem, detail, remedy)

    again = f"layers publish --version {release.version}"
    if number not in view.held:
        yield drift("missing", "recorded, but not in AWS", f"{again} --rebuild (a number never comes back)")
        return
    held, grants = view.held[number]
    if held.sha256 != record.sha256:
        detail = f"AWS has {held.sha256[:12]}…, the ledger {record.sha256[:12]}…"
        yield drift("bytes", detail, f"find out who did this; then {again} --rebuild")
    if release.yanked and grants:
        yield drift("public", "yanked, but still granted", f"layers yank --layer-version {number} --reason …")
    if not release.yanked and not is_granted(grants, matrix.permission):
        yield drift("private", "the matrix's permission is missing", again)
    runtime, architecture = cell.target.runtime.api_name, cell.target.architecture.api_name
    if held.runtimes and runtime not in held.runtimes:
        yield drift("runtime", f"says {', '.join(held.runtimes)}, not {runtime}", f"{again} --rebuild")
    if held.architectures and architecture not in held.architectures:
        yield drift("architecture", f"says {', '.join(held.architectures)}, not {architecture}", f"{again} --rebuild")


def _unrecorded(matrix: Matrix, cell: Cell, view: CellView, releases: Sequence[Release]) -> Iterator[Drift]:
    recorded = {release.layer_version for release in releases if release.cell(cell.region, cell.target.id)}
    surplus = {
        each.layer_version
        for release in releases
        for each in release.surplus
        if each.key == (cell.region, cell.target.id)
    }
    for listed in view.listed:
        if listed.number not in recorded and not listed.description.startswith(RESERVED):
            problem, detail, remedy = _stranger(matrix, cell, listed, listed.number in surplus, releases)
            yield Drift(cell.region, cell.target.id, listed.number, problem, detail, remedy)


def _stranger(
    matrix: Matrix, cell: Cell, listed: Listed, surplus: bool, releases: Sequence[Release]
) -> tuple[Problem, str, str]:
    """What a version is that the ledger does not have: problem, detail, remedy."""
    version = version_in(matrix, cell.target, listed.description)
    if surplus:
        detail = "a version too many, private, from a run that met another one"
        return "surplus", detail, "none needed: it harms nobody, and the next release passes it"
    if version is None:
        said = repr(listed.description[:60]) if listed.description else "no description"
        detail = f"a version that no release names: {said}"
        return "foreign", detail, "find out who made it; the next release passes it"
    elsewhere = next((r.layer_version for r in releases if r.version == version), None)
    if elsewhere is None or elsewhere == listed.number:
        return "unrecorded", f"{version} stands here, and the ledger does not have it", "layers sync"
    return "number", f"{version} stands at {listed.number} here and at {elsewhere} elsewhere", "layers sync"
