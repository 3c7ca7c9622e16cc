"""The option ``--wait``, for a version that is not on the package index yet. Used by watch, build and publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.model.errors import UsageError
from publisher.cli.console import progress

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from builder.model.target import Target
    from publisher.ledger.release import Release

F = TypeVar("F", bound=Callable[..., Any])


def _duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    from builder.model.durations import parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


wait_option: Callable[[F], F] = click.option(
    "--wait",
    metavar="DURATION",
    callback=_duration,
    help="If the version is not on the package index yet, wait up to this long for it: 30m.",
)


def named_version(
    matrix: Matrix,
    targets: Sequence[Target],
    version: str,
    wait: timedelta | None,
    recorded: Callable[[], Sequence[Release]] = tuple,
) -> str:
    """Return the version as the package index writes it. Raises InputError if it is missing after the wait, or yanked.

    ``recorded`` returns the ledger's releases. They are accepted even if the index has yanked or deleted them.
    """
    from builder.model.clock import SYSTEM_CLOCK
    from builder.model.matrix import parse_version
    from publisher.watch.named_version import VersionRequest, find, wait_for
    from publisher.watch.package_index import SimpleIndex

    if version == "latest" and wait is not None:
        raise UsageError("--wait needs a version other than `latest`, which always exists", fix="leave one of them out")
    request = VersionRequest(matrix, version if version == "latest" else parse_version(version), targets, recorded)
    with progress() as shown:
        if wait is None:
            return find(request, SimpleIndex(), shown)
        return wait_for(request, wait, SimpleIndex(), SYSTEM_CLOCK, shown)
