"""Choose the layer version number of a release, from the observed state and the ledger.

In this order: the requested number; the number at which the ledger or AWS has the release already; one more than the
highest number anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builder.model.errors import InputError
from builder.model.figures import counted
from builder.model.matrix import Matrix
from publisher.ledger.release import Release
from publisher.reconcile.state import Remote, carries


@dataclass(frozen=True)
class Number:
    """A release's number, with the reason for it."""

    value: int
    reason: str


@dataclass(frozen=True)
class RequestedRelease:
    """The user's request."""

    version: str
    layer_version: int | None = None
    rebuild: str | None = None  #: the reason for a rebuild, if one was requested
    #: The sha256 of each target's zip, by target id, if artifacts were given: they identify a rebuild that was started.
    digests: Mapping[str, str] = field(default_factory=dict)
    allow_gap: bool = False  #: ``layer_version`` may be more than one above the highest


def recorded_number(requested: RequestedRelease, releases: Sequence[Release]) -> Number | None:
    """Return the number from the command line or the ledger; None if neither has one.

    Raises InputError if the number belongs to another release or the release was yanked.
    """
    if requested.layer_version is not None:
        _refuse_taken(requested.layer_version, requested.version, releases)
        return Number(requested.layer_version, "requested with --layer-version")
    same_version = [release for release in releases if release.is_of(requested.version)]
    if requested.rebuild is not None:
        begun = [
            release for release in same_version if release.rebuild is not None and _is_this_rebuild(release, requested)
        ]
        return Number(begun[-1].layer_version, "this rebuild was started there") if begun else None
    if not same_version:
        return None
    newest = same_version[-1]
    if newest.yanked is not None:
        raise InputError(
            f"{newest.package} {newest.version} was yanked on {newest.yanked.date:%Y-%m-%d}: {newest.yanked.reason}",
            where=f"layer version {newest.layer_version}",
            fix="publish it at a new number with --rebuild",
        )
    return Number(newest.layer_version, "the ledger has this release there")


def _is_this_rebuild(release: Release, requested: RequestedRelease) -> bool:
    """Whether the record is of the same rebuild: it is incomplete, or has the same reason and zips."""
    if release.completed is None:
        return release.yanked is None
    bytes_of = {target.id: target.sha256 for target in release.targets}
    same_bytes = bool(requested.digests) and all(
        bytes_of.get(key) == digest for key, digest in requested.digests.items()
    )
    return same_bytes and release.rebuild == requested.rebuild and release.yanked is None


def rebuilt_number(matrix: Matrix, requested: RequestedRelease, remote: Remote) -> Number | None:
    """Return the highest number if AWS holds exactly the given zips there and the ledger does not have it.

    So a rebuild whose process was killed before it was recorded continues at its number.
    """
    for cell, state in remote.cells.items():
        published = state.published
        if (
            published is not None
            and published.number == remote.highest
            and published.sha256 == requested.digests.get(cell.target.id)
            and carries(matrix, cell.target, published, requested.version)
        ):
            return Number(published.number, f"AWS has exactly these zips there, in {cell.region}")
    return None


def seen_number(
    matrix: Matrix, requested: RequestedRelease, remote: Remote, releases: Sequence[Release]
) -> Number | None:
    """Return the number at which AWS holds the release already, or None.

    A number that the ledger has as another release does not count: this release lost a race for it.

    If cells hold it at different numbers, choose the number with the fewest conflicts, then the one that most cells
    hold.
    """
    other_numbers = {r.layer_version for r in releases if _is_another(matrix, requested, remote, r)}
    holders = Counter(
        number
        for cell, state in remote.cells.items()
        for number, version in state.listed.items()
        if number not in other_numbers and carries(matrix, cell.target, version, requested.version)
    )
    if not holders:
        return None

    def conflicts(number: int) -> int:
        return sum(
            state.latest >= number
            and not (number in state.listed and carries(matrix, cell.target, state.listed[number], requested.version))
            for cell, state in remote.cells.items()
        )

    value = min(holders, key=lambda number: (conflicts(number), -holders[number], number))
    return Number(value, f"AWS has this release there in {holders[value]} of {counted(len(remote.cells), 'cell')}")


def _is_another(matrix: Matrix, requested: RequestedRelease, remote: Remote, release: Release) -> bool:
    """Whether the record is of another release, and no cell that it names holds the requested release in AWS."""
    if release.is_of(requested.version) or not release.cells:
        return False
    recorded = {record.key for record in release.cells}
    versions = (
        (cell, state.listed.get(release.layer_version)) for cell, state in remote.cells.items() if cell.key in recorded
    )
    return not any(version and carries(matrix, cell.target, version, requested.version) for cell, version in versions)


def next_number(remote: Remote, releases: Sequence[Release]) -> Number:
    """Return one more than the highest number in AWS and in the ledger."""
    recorded = (
        max((release.layer_version, *(each.layer_version for each in release.versions))) for release in releases
    )
    highest = max([remote.highest, *recorded])
    return Number(highest + 1, f"one more than {highest}, the highest anywhere" if highest else "the first")


def refuse_gap(requested: RequestedRelease, remote: Remote, releases: Sequence[Release]) -> None:
    """Raise InputError if the requested number skips numbers without ``--allow-gap``."""
    following = next_number(remote, releases).value
    if requested.layer_version is not None and requested.layer_version > following and not requested.allow_gap:
        raise InputError(
            f"--layer-version {requested.layer_version} skips numbers: the next one is {following}",
            fix=f"omit --layer-version, or add --allow-gap: every cell then gets a placeholder, a private layer "
            f"version that can never be used, for each number up to {requested.layer_version - 1}",
        )


def drop_other(version: str, number: Number, releases: Sequence[Release]) -> tuple[Release, ...]:
    """Return the records without another release that was started at this number and never published.

    Raises InputError if it was published, because then the ledger and AWS contradict each other.
    """
    remaining = []
    for release in releases:
        if release.layer_version != number.value or release.is_of(version):
            remaining.append(release)
        elif release.cells:
            raise InputError(
                f"layer version {number.value} is {release.version} in the ledger, but AWS holds {version} there",
                fix="see with `layers audit` what differs, and restore the ledger or rebuild it: layers sync",
            )
    return tuple(remaining)


def _refuse_taken(number: int, version: str, releases: Sequence[Release]) -> None:
    for release in releases:
        if release.layer_version != number:
            continue
        if not release.is_of(version):
            raise InputError(
                f"layer version {number} is {release.package} {release.version}, not {version}",
                fix="omit --layer-version: the program finds the number",
            )
        if release.yanked is not None:
            raise InputError(
                f"layer version {number} was yanked: {release.yanked.reason}",
                fix="publish the version at a new number with --rebuild",
            )
