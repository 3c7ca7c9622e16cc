"""Choose the version to release, from the index, the ledger, the policy and the time. Pure.

The newest version that the policy allows is chosen, if it is newer than every recorded one. Versions between the two
are skipped: users of a layer want the newest, and each release takes a number in every cell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from packaging.version import InvalidVersion, Version

from builder.model.durations import in_words
from builder.model.escape import shorten
from builder.model.figures import counted
from builder.model.matrix_keys import Releases
from builder.model.target import Target
from publisher.ledger.release import Release
from publisher.watch.package_index import AvailableVersion


@dataclass(frozen=True)
class Proposal:
    """A version to release, and why."""

    version: str
    reason: str


@dataclass(frozen=True)
class HeldBack:
    """A version that is newer than every release and must not be released now."""

    version: str
    reason: str
    until: datetime | None = None  #: when the reason ends, if that is known


@dataclass(frozen=True)
class Choice:
    """The policy's decision about the versions on the index."""

    release: Proposal | None
    held_back: tuple[HeldBack, ...]  #: newest first


def recorded_versions(releases: Iterable[Release]) -> frozenset[Version]:
    """Return the versions of all releases, yanked ones included: none of them is new."""
    versions = set()
    for release in releases:
        with suppress(InvalidVersion):  # from a description that `layers sync` found
            versions.add(Version(release.version))
    return frozenset(versions)


def choose(
    policy: Releases,
    on_index: Iterable[AvailableVersion],
    recorded: Collection[Version],
    targets: Sequence[Target],
    now: datetime,
) -> Choice:
    """Return the newest version that may be released now, and why no newer one may."""
    last = max(recorded, default=None)
    newer = sorted((a for a in on_index if last is None or a.version > last), key=lambda a: a.version, reverse=True)
    held_versions: list[HeldBack] = []
    for place, candidate in enumerate(newer):
        held_back = _reason_to_hold_back(candidate, policy, last, targets, now)
        if held_back is None:
            passed = sum(not each.version.is_prerelease for each in newer[place + 1 :]) if last else 0
            return Choice(Proposal(candidate.name, _reason(last, passed)), tuple(held_versions))
        held_versions.append(held_back)
    return Choice(None, tuple(held_versions))


def newest_on_index(on_index: Iterable[AvailableVersion], targets: Sequence[Target] = ()) -> AvailableVersion | None:
    """Return the newest stable version that is not yanked and has wheels for all these targets."""
    usable = (a for a in on_index if not a.version.is_prerelease and a.yanked is None)
    for candidate in sorted(usable, key=lambda a: a.version, reverse=True):
        if not candidate.targets_without_wheel(targets):
            return candidate
    return None


def no_wheels(targets: Sequence[Target]) -> str:
    """Return the reason for a version without wheels for these targets."""
    return f"it has no wheel for {', '.join(target.id for target in targets)}"


def _reason_to_hold_back(
    candidate: AvailableVersion, policy: Releases, last: Version | None, targets: Sequence[Target], now: datetime
) -> HeldBack | None:
    """Return why a version must not be released now, or None."""
    version = candidate.version
    if version.is_prerelease:
        return HeldBack(candidate.name, "a pre-release")
    if candidate.yanked is not None:
        return HeldBack(candidate.name, "yanked" + (f": {shorten(candidate.yanked)}" if candidate.yanked else ""))
    if policy.policy == "by-hand":
        return HeldBack(candidate.name, "the matrix has the policy by-hand")
    if policy.policy == "minor" and last is not None and _minor(version) <= _minor(last):
        return HeldBack(candidate.name, f"the matrix has the policy minor, and {last} is released")
    if missing := candidate.targets_without_wheel(targets):
        return HeldBack(candidate.name, no_wheels(missing))
    if policy.minimum_age is None:
        return None
    if candidate.uploaded is None:
        return HeldBack(candidate.name, "the index has no upload time of it, and the matrix has minimum_age")
    ripe = candidate.uploaded + policy.minimum_age
    if now < ripe:
        return HeldBack(candidate.name, f"younger than {in_words(policy.minimum_age)}", ripe)
    return None


def _minor(version: Version) -> tuple[int, int, int]:
    return version.epoch, version.major, version.minor


def _reason(last: Version | None, passed: int) -> str:
    if last is None:
        return "it is the newest version that may be released, and the ledger is empty"
    skipped = counted(passed, "version between them is", "versions between them are")
    return f"it is newer than {last}, the newest in the ledger" + (f"; {skipped} skipped" if passed else "")
