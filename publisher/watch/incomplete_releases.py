"""Find the incomplete releases that another publish can complete, from the matrix and the ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.model.matrix import Cell, Matrix
from publisher.ledger.release import Release, newest_of


@dataclass(frozen=True)
class IncompleteRelease:
    """A release to complete. ``missing`` is empty if every cell is there and the record is not marked complete."""

    layer_version: int
    version: str
    missing: tuple[str, ...]


def incomplete(matrix: Matrix, releases: Sequence[Release]) -> tuple[IncompleteRelease, ...]:
    """Return the releases that another publish of their version completes, by their number.

    These are the newest one, if it misses cells of the matrix, and every one that was started and never completed.
    Yanked releases, and cells that no run can bring to the number, are left out: retrying them does not help.
    """
    return tuple(sorted(_incomplete_releases(matrix, releases), key=lambda each: each.layer_version))


def newest_release(releases: Sequence[Release]) -> Release | None:
    """Return the newest release that is not yanked."""
    return newest_of(release for release in releases if release.yanked is None)


def _incomplete_releases(matrix: Matrix, releases: Sequence[Release]) -> Iterator[IncompleteRelease]:
    newest = newest_release(releases)
    # A version that was rebuilt is completed at its last number.
    for release in {release.version: release for release in sorted(releases, key=lambda r: r.layer_version)}.values():
        if release.yanked is not None or (release.completed is not None and release != newest):
            continue
        public = {cell.key for cell in release.cells if cell.public}
        missing = [cell for cell in matrix.cells if cell.key not in public]
        reachable = [cell for cell in missing if not _is_number_taken(cell, release, releases)]
        if reachable or (not missing and release.completed is None):
            yield IncompleteRelease(release.layer_version, release.version, tuple(cell.id for cell in reachable))


def _is_number_taken(cell: Cell, release: Release, releases: Sequence[Release]) -> bool:
    """Return whether another layer version has the release's number in this cell: AWS never assigns one twice."""
    key, number = cell.key, release.layer_version
    if release.cell(*key) is not None:
        return False  # published, and not public yet
    return any(each.key == key and each.layer_version >= number for other in releases for each in other.versions)
