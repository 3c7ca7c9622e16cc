"""Which release a rebuild would mend: advisories name what it bundles, and a build of today holds something better.

An advisory alone is no reason: where the same version would be installed again, a rebuild would give every cell a new
number for the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from builder.model.artifact import Locked
from builder.model.errors import InputError, LayersError
from builder.model.matrix import Matrix
from builder.model.target import Target
from publisher.ledger.release import Release
from publisher.watch.advisories import Advisories, Advisory, Pin
from publisher.watch.incomplete_releases import newest_release

#: A target's lock for a version, as a build of today would have it. LayersError where there is none.
Resolve = Callable[[str, Target], Sequence[Locked]]
#: Questions to the index at once.
_ASKING = 3


@dataclass(frozen=True)
class Named:
    """A bundled package that an advisory names, and in which targets."""

    advisory: Advisory
    package: str
    version: str
    targets: tuple[str, ...]
    reason: str | None = None  #: why a rebuild does not mend it; None where it does


@dataclass(frozen=True)
class Findings:
    """What the advisories say of the newest release."""

    release: Release | None  #: None where nothing is published
    mended: tuple[Named, ...] = ()  #: by a rebuild
    unmended: tuple[Named, ...] = ()
    unknown: tuple[str, ...] = ()  #: what could not be asked: packages that the service does not know, targets


def examine(matrix: Matrix, releases: Sequence[Release], advisories: Advisories, resolve: Resolve) -> Findings:
    """The advisories for what the newest release bundles, and what a rebuild would do about them."""
    release = newest_release([each for each in releases if each.cells])
    if release is None:
        return Findings(None)
    locks = {target.id: _pins(target.lock) for target in release.targets if target.lock is not None}
    bundled = {pin for pins in locks.values() for pin in pins}
    known = advisories.of(bundled)
    if bundled and not known:
        raise InputError(
            f"the advisory service knows none of the {len(bundled)} packages, so nobody has answered",
            where="--advisories",
            fix="name another service: PIP_AUDIT_VULNERABILITY_SERVICE=osv, or pypi",
        )
    hit = {
        target: hits
        for target, pins in locks.items()
        if (hits := [(pin, advisory) for pin in pins for advisory in known.get(pin, ())])
    }
    today = _today(matrix, release.version, hit, resolve)
    fresh = {pin for lock in today.values() if not isinstance(lock, str) for pin in lock}
    named = {pin.name for hits in hit.values() for pin, _ in hits}
    still = {**known, **advisories.of({pin for pin in fresh if pin.name in named and pin not in known})}
    found: dict[tuple[Pin, Advisory, str | None], list[str]] = {}
    for target, hits in hit.items():
        for pin, advisory in hits:
            found.setdefault((pin, advisory, _against(pin, advisory, today[target], still)), []).append(target)
    result = [Named(a, pin.name, pin.version, tuple(targets), reason) for (pin, a, reason), targets in found.items()]
    unlocked = [f"{each.id} (no lock is recorded)" for each in release.targets if each.lock is None]
    unasked = {f"{pin.name} {pin.version}" for pin in bundled if pin not in known}
    return Findings(
        release,
        tuple(each for each in result if each.reason is None),
        tuple(each for each in result if each.reason is not None),
        (*unlocked, *sorted(unasked)),
    )


def _pins(lock: Collection[Locked]) -> tuple[Pin, ...]:
    return tuple(Pin(canonicalize_name(locked.name), locked.version) for locked in lock)


def _today(
    matrix: Matrix, version: str, targets: Collection[str], resolve: Resolve
) -> Mapping[str, tuple[Pin, ...] | str]:
    """What a build of today would hold in each of these targets, or why there would be none."""

    def look(target_id: str) -> tuple[Pin, ...] | str:
        target = next((each for each in matrix.targets if each.id == target_id), None)
        if target is None:
            return "the matrix has this target no more"
        try:
            return _pins(resolve(version, target))
        except LayersError as error:
            return f"it cannot be built again: {error.what}"

    with ThreadPoolExecutor(max_workers=_ASKING) as pool:
        return dict(zip(targets, pool.map(look, targets), strict=True))


def _against(
    pin: Pin, advisory: Advisory, today: tuple[Pin, ...] | str, still: Mapping[Pin, tuple[Advisory, ...]]
) -> str | None:
    """Why a rebuild would not mend this; None where it would."""
    if isinstance(today, str):
        return today
    now = next((each for each in today if each.name == pin.name), None)
    if now is None:
        return None  # the package would be gone
    if now == pin:
        return "a new build would hold the same version" if advisory.fixed else "no fixed version is known"
    if now not in still:
        return f"a new build would hold {now.version}, of which the service knows nothing"
    if any(advisory.same_as(other) for other in still[now]):
        return f"a new build would hold {now.version}, which has it too"
    return None
