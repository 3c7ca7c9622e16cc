"""The version that ``--version latest`` means."""

from __future__ import annotations

from builder.model.matrix import Matrix
from publisher.cli.console import print_message


def latest_version(matrix: Matrix, exclude_newer: str | None = None) -> str:
    """Return the newest version that has wheels for every target. Warn if the index has a newer one."""
    from builder.resolve.resolver import newest_resolvable
    from builder.resolve.version_notes import older_latest

    version = newest_resolvable(matrix, exclude_newer)
    if note := older_latest(matrix, version, exclude_newer):
        print_message(f"warning: version-older: {note}")
    return version
