"""Which layer version number a release has. Pure: the arguments were observed or recorded before.

In order: the requested number; the number at which the release was started, according to the ledger or to AWS; one
more than the highest number anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from publisher.ledger.release import Release
from publisher.reconcile.state import Remote, carries


@dataclass(frozen=True)
class Number:
    """A release's number, and in words where it comes from."""

    value: int
    reason: str


@dataclass(frozen=True)
class Wanted:
    """What the user requested."""

    version: str
    layer_version: int | None = None
    rebuild: str | None = None  #: the reason for a rebuild, if one was requested
    #: The sha256 of each target's zip, by target id, if zips were given: a rebuild that was started is found by them.
    digests: Mapping[str, str] = field(default_factory=dict)
    allow_gap: bool = False  #: ``layer_version`` may be more than one above the highest


def recorded_number(wanted: Wanted, releases: Sequence[Release]) -> Number | None:
    """The number from the command line or the ledger; None if AWS has to be asked.

    InputError if the number belongs to another release or the release was yanked.
    """
    if wanted.layer_version is not None:
        _refuse_taken(wanted.layer_version, wanted.version, releases)
        return Number(wanted.layer_version, "requested with --layer-version")
    same = [release for release in releases if release.is_of(wanted.version)]
    if wanted.rebuild is not None:
        begun = [release for release in same if release.rebuild is not None and _is_this_rebuild(release, wanted)]
        return Number(begun[-1].layer_version, "where this rebuild was started") if begun else None
    if not same:
        return None
    newest = same[-1]
    if newest.yanked is not None:
        raise InputError(
            f"{newest.package} {newest.version} was yanked on {newest.yanked.date:%Y-%m-%d}: {newest.yanked.reason}",
            where=f"layer version {newest.layer_version}",
            fix="publish it at a new number with --rebuild",
        )
    return Number(newest.layer_version, "where the ledger has this release")


def _is_this_rebuild(release: Release, wanted: Wanted) -> bool:
    """Whether a run for the same rebuild made this release: it is incomplete, or has the same reason and bytes."""
    if release.completed is None:
        return release.yanked is None
    bytes_of = {target.id: target.sha256 for target in release.targets}
    same = bool(wanted.digests) and all(bytes_of.get(key) == digest for key, digest in wanted.digests.items())
    return same and release.rebuild == wanted.rebuild and release.yanked is None


def rebuilt_number(matrix: Matrix, wanted: Wanted, remote: Remote) -> Number | None:
    """The highest number, if AWS already holds the given zips of this version there and no ledger has it.

    A rebuild whose process died before it was recorded goes on where it was started.
    """
    for cell, state in remote.cells.items():
        held = state.held
        if held is None or held.number != remote.highest or held.sha256 != wanted.digests.get(cell.target.id):
            continue
        if carries(matrix, cell.target, held, wanted.version):
            return Number(held.number, f"where AWS holds exactly these zips, in {cell.region}")
    return None


def seen_number(matrix: Matrix, wanted: Wanted, remote: Remote) -> Number | None:
    """The number at which AWS holds the release already; None if there is none.

    If cells hold it at different numbers, the number with the fewest conflicts is taken, then the one that most cells
    hold.
    """
    holders = Counter(
        number
        for cell, state in remote.cells.items()
        for number, listed in state.listed.items()
        if carries(matrix, cell.target, listed, wanted.version)
    )
    if not holders:
        return None

    def conflicts(number: int) -> int:
        return sum(
            state.latest >= number
            and not (number in state.listed and carries(matrix, cell.target, state.listed[number], wanted.version))
            for cell, state in remote.cells.items()
        )

    value = min(holders, key=lambda number: (conflicts(number), -holders[number], number))
    return Number(value, f"where AWS holds this release in {holders[value]} of {len(remote.cells)} cells")


def next_number(remote: Remote, releases: Sequence[Release]) -> Number:
    """One more than the highest number that AWS has assigned or the ledger knows."""
    recorded = (
        max((release.layer_version, *(each.layer_version for each in release.versions))) for release in releases
    )
    highest = max([remote.highest, *recorded])
    return Number(highest + 1, f"one more than {highest}, the highest anywhere" if highest else "the first")


def refuse_gap(wanted: Wanted, remote: Remote, releases: Sequence[Release]) -> None:
    """InputError if the requested number skips numbers and the user did not allow that."""
    following = next_number(remote, releases).value
    if wanted.layer_version is not None and wanted.layer_version > following and not wanted.allow_gap:
        raise InputError(
            f"--layer-version {wanted.layer_version} skips numbers: the next one is {following}",
            fix=f"leave --layer-version out, or add --allow-gap: every cell then gets a placeholder, a private layer "
            f"version that can never be used, for each number up to {wanted.layer_version - 1}",
        )


def without_other(version: str, number: Number, releases: Sequence[Release]) -> tuple[Release, ...]:
    """The records without another release that was started at this number and never published.

    InputError if it was published: the ledger and AWS then disagree on what the number is.
    """
    kept = []
    for release in releases:
        if release.layer_version != number.value or release.is_of(version):
            kept.append(release)
        elif release.cells:
            raise InputError(
                f"layer version {number.value} is {release.version} in the ledger, but AWS holds {version} there",
                fix="see with `layers audit` what differs, and restore the ledger or rebuild it: layers sync",
            )
    return tuple(kept)


def _refuse_taken(number: int, version: str, releases: Sequence[Release]) -> None:
    for release in releases:
        if release.layer_version != number:
            continue
        if not release.is_of(version):
            raise InputError(
                f"layer version {number} is {release.package} {release.version}, not {version}",
                fix="leave --layer-version out; the program finds the number",
            )
        if release.yanked is not None:
            raise InputError(
                f"layer version {number} was yanked: {release.yanked.reason}",
                fix="publish the version at a new number with --rebuild",
            )
