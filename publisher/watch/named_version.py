"""Check that a version is on the package index, and wait until it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from packaging.version import Version

from builder.model.durations import in_words
from builder.model.errors import FailureClass, InputError
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from builder.model.target import Target
from builder.resolve.failures import yanked_error
from publisher.ledger.release import Release, newest_of
from publisher.watch.index_locations import IndexUnavailableError
from publisher.watch.package_index import AvailableVersion, UnknownPackageError, versions_on_index
from publisher.watch.policy import newest_on_index, no_wheels

#: Between two checks; short waits check more often.
POLL_SECONDS = 30.0


class VersionMissingError(InputError):
    """The version is not on the index, or not all of its files are, and it may be later."""

    failure_class = FailureClass.TEMPORARY


@dataclass(frozen=True)
class VersionRequest:
    """A version that a person or a workflow named, and the targets that need wheels of it."""

    matrix: Matrix
    version: str  #: a version, or ``latest``
    targets: Sequence[Target]
    #: The ledger's: a recorded version can be completed from its lock, even if the index no longer has it.
    releases: Sequence[Release]


def find(request: VersionRequest, progress: Progress) -> str:
    """Return the version as the index writes it.

    Raises VersionMissingError if it is not there (yet), InputError if yanked.
    """
    try:
        return _select(request, versions_on_index(request.matrix.package)).name
    except InputError as error:
        release = _recorded_release(request)
        if release is None:
            raise
        progress.note(f"{error.what}; layer version {release.layer_version} has it, and is completed from its record")
        return release.version


def wait_for(request: VersionRequest, wait: timedelta, progress: Progress) -> str:
    """Find a version; check again while it is missing or the index is unreachable, until ``wait`` is over."""
    began = time.monotonic()
    every = max(min(POLL_SECONDS, wait.total_seconds() / 20), 1.0)
    while True:
        try:
            return find(request, progress)
        except (VersionMissingError, UnknownPackageError, IndexUnavailableError) as error:
            remaining = wait.total_seconds() - (time.monotonic() - began)
            if remaining <= 0:
                problem = f"{error.what} (waited {in_words(wait)})"
                raise type(error)(
                    problem, where=error.where, fix="check whether its upload failed, then run the command again"
                ) from None
            progress.note(f"{error.what}; checking again for {in_words(_round(remaining))}")
            time.sleep(min(every, remaining))


def _round(seconds: float) -> timedelta:
    """Round to seconds, or to minutes if there are many."""
    unit = 60 if seconds > 120 else 1
    return timedelta(seconds=max(round(seconds / unit), 1) * unit)


def _select(request: VersionRequest, on_index: Sequence[AvailableVersion]) -> AvailableVersion:
    package = request.matrix.package
    if request.version == "latest":
        newest = newest_on_index(on_index, request.targets)
        if newest is None:
            raise VersionMissingError(
                f"the package index has no stable version of {package} with wheels for every target",
                fix="name a version with --version V, or leave targets out",
            )
        return newest
    version = Version(request.version)
    newest = next((each for each in on_index if each.version == version), None)
    if newest is None:
        newest_of_any = newest_on_index(on_index)
        raise VersionMissingError(
            f"the package index has no {package} {shorten(str(version), 80)}"
            + (f"; its newest is {newest_of_any.name}" if newest_of_any else ""),
            fix="check the version; if it is about to be uploaded, wait for it: --wait 30m",
        )
    if newest.yanked is not None:
        raise yanked_error(package, newest.name, newest.yanked)
    if missing := newest.targets_without_wheel(request.targets):
        raise VersionMissingError(
            f"the package index has {package} {newest.name}, but {no_wheels(missing)}",
            fix="if its files are still being uploaded, wait for them: --wait 30m; else leave these targets out",
        )
    return newest


def _recorded_release(request: VersionRequest) -> Release | None:
    """Return the release that has the version already, if there is one."""
    if request.version == "latest":
        return None
    last = newest_of(release for release in request.releases if release.is_of(request.version))
    return last if last and last.yanked is None else None
