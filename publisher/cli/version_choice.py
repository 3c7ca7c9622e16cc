"""The package's version on the command line: what ``latest`` means, and ``--wait`` for one that is not uploaded yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from builder.model.durations import parse_duration
from builder.model.errors import UsageError
from publisher.cli.console import print_message, progress

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from builder.model.target import Target
    from publisher.ledger.release import Release


def _duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


wait_option = click.option(
    "--wait",
    metavar="DURATION",
    callback=_duration,
    help="If the version is not on the package index yet, wait up to this long for it: 30m.",
)


def latest_version(matrix: Matrix, exclude_newer: str | None = None) -> str:
    """Return the newest version that has wheels for every target. Warn if the index has a newer one."""
    from builder.resolve.resolver import newest_resolvable
    from builder.resolve.version_notes import older_latest

    version = newest_resolvable(matrix, exclude_newer)
    if note := older_latest(matrix, version, exclude_newer):
        print_message(f"warning: version-older: {note}")
    return version


def named_version(
    matrix: Matrix, targets: Sequence[Target], version: str, wait: timedelta | None, releases: Sequence[Release] = ()
) -> str:
    """Return the version as the package index writes it. Raises InputError if it is missing after the wait, or yanked.

    The versions of ``releases`` are accepted even if the index has yanked or deleted them.
    """
    from builder.model.matrix import parse_version
    from publisher.watch.named_version import VersionRequest, find, wait_for

    if version == "latest" and wait is not None:
        raise UsageError("--wait needs a version other than `latest`, which always exists", fix="leave --wait out")
    request = VersionRequest(matrix, version if version == "latest" else parse_version(version), targets, releases)
    with progress() as shown:
        return find(request, shown) if wait is None else wait_for(request, wait, shown)
