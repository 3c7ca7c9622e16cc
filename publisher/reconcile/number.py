"""Which layer version number a release has. Pure: everything it needs was seen or recorded before.

In order: the number asked for; the number at which the release was begun, by the ledger or by what AWS holds; one
more than the highest number anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import Version

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from publisher.ledger.release import Release
from publisher.reconcile.state import Remote, carries


@dataclass(frozen=True)
class Number:
    """A release's number and how it was found, in words for the plan."""

    value: int
    reason: str


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    version: str
    layer_version: int | None = None
    rebuild: str | None = None  #: the reason of a rebuild, where one was asked for
    #: The sha256 of each target's zip, by target id, where the zips are given: so a rebuild is known that was begun.
    digests: Mapping[str, str] = field(default_factory=dict)


def recorded_number(wanted: Wanted, releases: Sequence[Release]) -> Number | None:
    """The number by the command line or the ledger; None where AWS has to be asked.

    InputError where the number belongs to another release or the release was yanked.
    """
    if wanted.layer_version is not None:
        _refuse_taken(wanted.layer_version, wanted.version, releases)
        return Number(wanted.layer_version, "asked for by --layer-version")
    same = [release for release in releases if Version(release.version) == Version(wanted.version)]
    if wanted.rebuild is not None:
        begun = [release for release in same if release.rebuild is not None and _is_this_rebuild(release, wanted)]
        return Number(begun[-1].layer_version, "where this rebuild was begun") if begun else None
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
    """Whether a run for the same rebuild made this release: it is not complete, or has the same reason and bytes."""
    if release.completed is None:
        return True
    bytes_of = {target.id: target.sha256 for target in release.targets}
    same = bool(wanted.digests) and all(bytes_of.get(key) == digest for key, digest in wanted.digests.items())
    return same and release.rebuild == wanted.rebuild and release.yanked is None


def rebuilt_number(matrix: Matrix, wanted: Wanted, remote: Remote) -> Number | None:
    """The highest number, where AWS holds the given zips of this version there already, and nobody recorded it.

    So a rebuild whose runner died before its record was kept goes on where it was begun.
    """
    for cell, state in remote.cells.items():
        held = state.held
        if held is None or held.number != remote.highest or held.sha256 != wanted.digests.get(cell.target.id):
            continue
        if carries(matrix, cell.target, held, wanted.version):
            return Number(held.number, f"where AWS holds these very zips, in {cell.region}")
    return None


def seen_number(matrix: Matrix, wanted: Wanted, remote: Remote) -> Number | None:
    """The number at which AWS holds the release already; None where it holds none.

    Where cells hold it at different numbers (a run of old that was repeated), the number that leaves no cell in
    conflict is taken, and of those the one that most cells hold.
    """
    holders = Counter(
        number
        for cell, state in remote.cells.items()
        for number, listed in state.listed.items()
        if carries(matrix, cell.target, listed, wanted.version)
    )
    if not holders:
        return None

    def blocked(number: int) -> int:
        return sum(
            state.latest >= number
            and not (number in state.listed and carries(matrix, cell.target, state.listed[number], wanted.version))
            for cell, state in remote.cells.items()
        )

    value = min(holders, key=lambda number: (blocked(number), -holders[number], number))
    return Number(value, f"where AWS holds this release in {holders[value]} of {len(remote.cells)} cells")


def next_number(remote: Remote, releases: Sequence[Release]) -> Number:
    """One more than the highest number that AWS gave out or the ledger knows of."""
    recorded = (
        number
        for release in releases
        for number in (
            release.layer_version,
            *(filler.layer_version for filler in release.fillers),
            *(surplus.layer_version for surplus in release.surplus),
        )
    )
    highest = max([remote.highest, *recorded])
    return Number(highest + 1, f"one more than {highest}, the highest anywhere" if highest else "the first")


def without_other(version: str, number: Number, releases: Sequence[Release]) -> tuple[Release, ...]:
    """The records without one of another release at this number that was begun and never published.

    InputError where it was published: then the ledger and AWS speak of different releases.
    """
    kept = []
    for release in releases:
        if release.layer_version != number.value or Version(release.version) == Version(version):
            kept.append(release)
        elif release.cells:
            raise InputError(
                f"layer version {number.value} is {release.version} in the ledger, but AWS holds {version} there",
                fix="see with `layers audit` what differs, and restore the ledger or make it again: layers sync",
            )
    return tuple(kept)


def _refuse_taken(number: int, version: str, releases: Sequence[Release]) -> None:
    for release in releases:
        if release.layer_version != number:
            continue
        if Version(release.version) != Version(version):
            raise InputError(
                f"layer version {number} is {release.package} {release.version}, not {version}",
                fix="leave --layer-version out; the program finds the number",
            )
        if release.yanked is not None:
            raise InputError(
                f"layer version {number} was yanked: {release.yanked.reason}",
                fix="publish the version at a new number with --rebuild",
            )
