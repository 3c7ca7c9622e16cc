"""Is a version that somebody named on the index; and waiting until it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from packaging.version import Version

from builder.model.clock import Clock
from builder.model.durations import in_words
from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from builder.model.target import Target
from builder.resolve.resolver import yanked_error
from publisher.ledger.release import Release
from publisher.watch.index_locations import SilentError
from publisher.watch.package_index import Available, Index, NoPackageError
from publisher.watch.policy import newest, no_wheels, parsed

#: Seconds from one question to the next; short waits ask more often.
ASK_EVERY = 30.0


class NotThereError(InputError):
    """The version is not on the index, or not whole, and may be later."""


@dataclass(frozen=True)
class Asked:
    """A version by a person's or a workflow's word, and who is to get it."""

    matrix: Matrix
    version: str  #: a version, or ``latest``
    targets: Sequence[Target]
    #: The ledger's releases: what one of them holds can be completed from its record, whatever the index says.
    recorded: Callable[[], Sequence[Release]] = tuple


def find(asked: Asked, index: Index, progress: Progress) -> str:
    """The version as the index writes it. NotThereError where it is not there (yet); InputError where it was yanked."""
    try:
        return _look(asked, index.versions(asked.matrix.package)).name
    except InputError as error:
        release = _recorded(asked)
        if release is None:
            raise
        progress.note(f"{error.what}; layer version {release.layer_version} holds it, and is completed from its record")
        return release.version


def wait_for(asked: Asked, wait: timedelta, index: Index, clock: Clock, progress: Progress) -> str:
    """The same, and asked again while it is not there or the index is silent, until ``wait`` is over."""
    began = clock.monotonic()
    every = max(min(ASK_EVERY, wait.total_seconds() / 20), 1.0)
    while True:
        try:
            return find(asked, index, progress)
        except (NotThereError, NoPackageError, SilentError) as error:
            left = wait.total_seconds() - (clock.monotonic() - began)
            if left <= 0:
                what = f"{error.what} (waited {in_words(wait)})"
                raise type(error)(
                    what, where=error.where, fix="see whether its release went wrong, then try again"
                ) from None
            progress.note(f"{error.what}; asked again for another {in_words(_rounded(left))}")
            clock.sleep(min(every, left))


def _rounded(seconds: float) -> timedelta:
    """In seconds, or in minutes where they are many."""
    unit = 60 if seconds > 120 else 1
    return timedelta(seconds=max(round(seconds / unit), 1) * unit)


def _look(asked: Asked, on_index: Sequence[Available]) -> Available:
    package = asked.matrix.package
    if asked.version == "latest":
        found = newest(on_index, asked.targets)
        if found is None:
            raise NotThereError(
                f"the package index has no stable version of {package} that every target can have",
                fix="name one with --version V, or leave targets out",
            )
        return found
    wanted = Version(asked.version)
    found = next((each for each in on_index if each.version == wanted), None)
    if found is None:
        known = newest(on_index)
        raise NotThereError(
            f"the package index has no {package} {shorten(str(wanted), 80)}"
            + (f"; its newest is {known.name}" if known else ""),
            fix="check the version; if it is about to be uploaded, wait for it: --wait 30m",
        )
    if found.yanked is not None:
        raise yanked_error(package, found.name, found.yanked)
    if lacking := found.lacking(asked.targets):
        raise NotThereError(
            f"the package index has {package} {found.name}, but {no_wheels(lacking)}",
            fix="if its files are still being uploaded, wait for them: --wait 30m; else leave these targets out",
        )
    return found


def _recorded(asked: Asked) -> Release | None:
    """The release that holds the version already, if one does."""
    if asked.version == "latest":
        return None
    wanted = (Version(asked.version),)
    same = (release for release in asked.recorded() if parsed(release.version) == wanted)
    last = max(same, key=lambda release: release.layer_version, default=None)
    return last if last and last.yanked is None else None
