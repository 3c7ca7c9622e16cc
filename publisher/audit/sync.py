"""Rebuild the ledger from AWS: for an account that has layers already, and for a ledger that was lost.

A layer version belongs to a release if its description matches the matrix's template and has a package version. The
ledger keeps all its facts: cells in AWS are added, and facts that AWS does not have (locks, SBOMs) stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from builder.model.clock import utc_now
from builder.model.matrix import Cell, Matrix
from builder.model.progress import Progress
from builder.model.stop import Stop
from publisher.aws.fanout import each_item
from publisher.aws.gateway import Failure, Lambda
from publisher.ledger.folder import Ledger
from publisher.ledger.recorder import cell_record
from publisher.ledger.release import CellRecord, Release, TargetRecord, Yanked
from publisher.reconcile.state import is_granted, version_in


@dataclass(frozen=True)
class Found:
    """A layer version whose description has a package version."""

    cell: Cell
    version: str
    record: CellRecord
    signed_by: str | None


@dataclass(frozen=True)
class Synced:
    """The recorded releases, descriptions of versions that belong to none, and the unreachable regions."""

    releases: tuple[Release, ...]
    left_out: tuple[str, ...]
    unreachable: Mapping[str, Failure]


def sync(matrix: Matrix, ledger: Ledger, lambdas: Mapping[str, Lambda], progress: Progress, stop: Stop) -> Synced:
    """Read every version of every cell and record the releases among them.

    Raises IncompleteError if ``stop`` is set before all of them are read.
    """
    recorded = {release.layer_version: release for release in ledger.releases()}
    cells, unreachable = _read_all(matrix, lambdas, progress)
    stop.check("nothing was written; run the same command again")
    unexpected = {(each.key, each.layer_version) for r in recorded.values() for each in r.unexpected_versions}
    cells = [f for f in cells if f.record.public or (f.record.key, f.record.layer_version) not in unexpected]
    merged, left_out = merge(matrix, cells, recorded)
    merged = with_yanks(matrix, merged, recorded, utc_now())
    for release in merged:
        ledger.update(release.layer_version, lambda now, release=release: _merge_record(now, release, recorded))  # type: ignore[misc]
    return Synced(merged, left_out, unreachable)


def _merge_record(now: Release | None, release: Release, recorded: Mapping[int, Release]) -> Release:
    """Return the record to write. If another process changed it after it was read, only add the missing cells."""
    if now is not None and now != recorded.get(release.layer_version):
        if not now.is_of(release.version):
            return now
        release = now.with_cells(*(cell for cell in release.cells if now.cell(*cell.key) is None))
    if release.yanked is None:
        return release
    # The policies that were read may not show the yank yet.
    return release.with_cells(*(cell.model_copy(update={"public": False}) for cell in release.cells))


def _read_all(
    matrix: Matrix, lambdas: Mapping[str, Lambda], progress: Progress
) -> tuple[list[Found], Mapping[str, Failure]]:
    """Return every layer version whose description has a package version, and the unreachable regions."""
    progress.begin("Reading every version", len(matrix.regions))

    def read(cell: Cell) -> list[Found]:
        gateway = lambdas[cell.region]
        return [
            found
            for each in gateway.versions(cell.target.layer_name)
            if (version := version_in(matrix, cell.target, each.description))
            and (found := _read(matrix, gateway, cell, version, each.number))
        ]

    by_cell, unreachable = each_item(matrix.cells, read, progress)
    return [found for cell_versions in by_cell.values() for found in cell_versions], unreachable


def _read(matrix: Matrix, gateway: Lambda, cell: Cell, version: str, number: int) -> Found | None:
    published = gateway.get(cell.target.layer_name, number)
    if published is None:
        return None
    public = is_granted(gateway.grants(cell.target.layer_name, number), matrix.permission)
    return Found(cell, version, cell_record(cell, published, public=public), published.signed_by)


def merge(
    matrix: Matrix, cells: Sequence[Found], recorded: Mapping[int, Release]
) -> tuple[tuple[Release, ...], tuple[str, ...]]:
    """Return the known releases with these findings added, and a line for each version of no release. Pure."""
    numbers = sorted({each.record.layer_version for each in cells} | set(recorded))
    releases: list[Release] = []
    left_out: list[str] = []
    for number in numbers:
        at_this_number = [each for each in cells if each.record.layer_version == number]
        if not at_this_number:
            releases.append(recorded[number])
            continue
        most_common = Counter(each.version for each in at_this_number).most_common(1)[0][0]
        version = recorded[number].version if number in recorded else most_common
        fitting = [each for each in at_this_number if each.version == version]
        left_out += [
            f"{each.cell.id}: layer version {number} is {each.version}, but the release is {version}"
            for each in at_this_number
            if each.version != version
        ]
        if fitting:
            releases.append(_release(matrix, number, version, fitting, recorded.get(number)))
    return tuple(releases), tuple(left_out)


def with_yanks(
    matrix: Matrix, releases: Sequence[Release], recorded: Mapping[int, Release], now: datetime
) -> tuple[Release, ...]:
    """Return the releases; mark as yanked those that were not recorded and are private.

    A release that is private in every cell was yanked, or its run was stopped before it granted anything. It counts as
    yanked if all its cells are there, or if a later release is public: otherwise the next run could make public again
    what somebody yanked. ``layers yank --undo`` reverses that.
    """
    public = [release.layer_version for release in releases if release.public]
    marked = []
    for release in releases:
        whole = {cell.key for cell in release.cells} >= {cell.key for cell in matrix.cells}
        private = release.layer_version not in public and (whole or max(public, default=0) > release.layer_version)
        if private and release.cells and release.layer_version not in recorded:
            yanked = Yanked(date=now, reason="private in every cell when the ledger was rebuilt from AWS")
            completed = max(record.published for record in release.cells) if whole else None
            release = release.model_copy(update={"yanked": yanked, "completed": completed})
        marked.append(release)
    return tuple(marked)


def _release(matrix: Matrix, number: int, version: str, cells: Sequence[Found], recorded: Release | None) -> Release:
    records = [each.record for each in cells]
    begun = min(record.published for record in records)
    release = (recorded or Release.started(matrix, version, number, begun)).with_cells(*records)
    missing = [t for t in matrix.targets if release.target(t.id) is None and any(f.cell.target == t for f in cells)]
    for target in missing:
        of_target = [record for record in release.cells if record.key[1] == target.id]
        same_bytes = len({record.sha256 for record in of_target}) == 1
        release = release.with_targets(
            TargetRecord(
                **target.fields,
                sha256=of_target[0].sha256 if same_bytes else None,
                size=of_target[0].size if same_bytes else None,
                signed_by=next((f.signed_by for f in cells if f.cell.target == target), None) if same_bytes else None,
            )
        )
    if release.completed or not release.is_public_in(matrix.cells):
        return release
    return release.model_copy(update={"completed": max(record.published for record in release.cells)})
