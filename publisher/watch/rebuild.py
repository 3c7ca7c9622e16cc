"""Find out whether a rebuild fixes advisories about bundled packages, because it contains other versions of them.

An advisory alone is no reason: if a new build contains the same version, a rebuild gives every cell a new number for
the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from builder.model.artifact import Locked
from builder.model.errors import InputError, LayersError
from builder.model.figures import counted
from builder.model.matrix import Matrix
from builder.model.target import Target
from publisher.ledger.release import Release
from publisher.watch.advisories import Advisory, AdvisorySource, Pin
from publisher.watch.incomplete_releases import newest_release

#: Returns the lock of a new build of a version for a target. LayersError if there is none.
Resolve = Callable[[str, Target], Sequence[Locked]]
#: Resolutions that run at the same time.
_MAX_RESOLUTIONS = 3


@dataclass(frozen=True)
class PackageAdvisory:
    """An advisory about a package of the newest release, and the targets that contain the package."""

    id: str
    aliases: tuple[str, ...]
    package: str
    version: str
    fixed: tuple[str, ...]  #: the versions that fix it
    targets: tuple[str, ...]


@dataclass(frozen=True)
class UnfixedAdvisory(PackageAdvisory):
    """An advisory that a rebuild does not fix."""

    reason: str


@dataclass(frozen=True)
class AdvisoryReport:
    """The advisories about the newest release."""

    release: Release | None  #: None if nothing is published
    fixed: tuple[PackageAdvisory, ...] = ()  #: by a rebuild
    unfixed: tuple[UnfixedAdvisory, ...] = ()
    unknown: tuple[str, ...] = ()  #: packages that the service does not know, and targets without a lock


def examine(
    matrix: Matrix, releases: Sequence[Release], advisories: AdvisorySource, resolve: Resolve
) -> AdvisoryReport:
    """Return the advisories for the packages of the newest release, and whether a rebuild fixes them."""
    release = newest_release([each for each in releases if each.cells])
    if release is None:
        return AdvisoryReport(None)
    locks = {target.id: _pins(target.lock) for target in release.targets if target.lock is not None}
    bundled = {pin for pins in locks.values() for pin in pins}
    known_advisories = advisories.of(bundled)
    if bundled and not known_advisories:
        raise InputError(
            f"the advisory service knows none of the {counted(len(bundled), 'package')}, so it has probably failed",
            where="--advisories",
            fix="use another service: PIP_AUDIT_VULNERABILITY_SERVICE=osv, or pypi",
        )
    hits_by_target = {
        target: hits
        for target, pins in locks.items()
        if (hits := [(pin, advisory) for pin in pins for advisory in known_advisories.get(pin, ())])
    }
    today = _new_build(matrix, release.version, hits_by_target, resolve)
    new_pins = {pin for lock in today.values() if not isinstance(lock, str) for pin in lock}
    affected_names = {pin.name for hits in hits_by_target.values() for pin, _ in hits}
    remaining = {
        **known_advisories,
        **advisories.of({pin for pin in new_pins if pin.name in affected_names and pin not in known_advisories}),
    }
    affected: dict[tuple[Pin, Advisory, str | None], list[str]] = {}
    for target, hits in hits_by_target.items():
        for pin, advisory in hits:
            affected.setdefault((pin, advisory, _unfixed_reason(pin, advisory, today[target], remaining)), []).append(
                target
            )
    fixed: list[PackageAdvisory] = []
    unfixed: list[UnfixedAdvisory] = []
    for (pin, advisory, reason), targets in affected.items():
        facts = (advisory.id, advisory.aliases, pin.name, pin.version, advisory.fixed, tuple(targets))
        if reason is None:
            fixed.append(PackageAdvisory(*facts))
        else:
            unfixed.append(UnfixedAdvisory(*facts, reason))
    unlocked = [f"{each.id} (no lock is recorded)" for each in release.targets if each.lock is None]
    unknown = {f"{pin.name} {pin.version}" for pin in bundled if pin not in known_advisories}
    return AdvisoryReport(release, tuple(fixed), tuple(unfixed), (*unlocked, *sorted(unknown)))


def _pins(lock: Collection[Locked]) -> tuple[Pin, ...]:
    return tuple(Pin(canonicalize_name(locked.name), locked.version) for locked in lock)


def _new_build(
    matrix: Matrix, version: str, targets: Collection[str], resolve: Resolve
) -> Mapping[str, tuple[Pin, ...] | str]:
    """Return the packages of a new build for each of these targets, or why there is none."""

    def pins_of_new_build(target_id: str) -> tuple[Pin, ...] | str:
        target = next((each for each in matrix.targets if each.id == target_id), None)
        if target is None:
            return "the matrix no longer has this target"
        try:
            return _pins(resolve(version, target))
        except LayersError as error:
            return f"it cannot be built again: {error.what}"

    with ThreadPoolExecutor(max_workers=_MAX_RESOLUTIONS) as pool:
        return dict(zip(targets, pool.map(pins_of_new_build, targets), strict=True))


def _unfixed_reason(
    pin: Pin, advisory: Advisory, today: tuple[Pin, ...] | str, remaining: Mapping[Pin, tuple[Advisory, ...]]
) -> str | None:
    """Return why a rebuild does not fix this; None if it does."""
    if isinstance(today, str):
        return today
    now = next((each for each in today if each.name == pin.name), None)
    if now is None:
        return None  # a new build does not contain the package
    if now == pin:
        return "a new build contains the same version" if advisory.fixed else "no fixed version is known"
    if now not in remaining:
        return f"a new build contains {now.version}, which the service does not know"
    if any(advisory.same_as(other) for other in remaining[now]):
        return f"a new build contains {now.version}, which the advisory names too"
    return None
