"""Stops a build before anything is uploaded that Lambda would refuse or could not load."""

from __future__ import annotations

from collections.abc import Sequence

from builder.inspection import UNZIPPED_LIMIT, ZIPPED_LIMIT
from builder.model.artifact import Finding
from builder.model.errors import BuildError
from builder.model.target import Target
from builder.wheels.unpack import Wheel, sizes_by_package


def refuse(
    target: Target, zipped: int, unzipped: int, wheels: Sequence[Wheel], findings: Sequence[Finding], *, staged: bool
) -> None:
    """BuildError where the zip is too large or a finding is an error. ``staged``: it goes through a bucket."""
    biggest = ", ".join(f"{name} {size / 1048576:.0f} MB" for name, size in sizes_by_package(wheels)[:5])
    if unzipped > UNZIPPED_LIMIT:
        raise BuildError(
            f"unzipped it has {unzipped:,} bytes; Lambda takes {UNZIPPED_LIMIT:,} for a function with its layers",
            where=target.id,
            fix=f"leave something out; the biggest are {biggest}",
        )
    if zipped > ZIPPED_LIMIT and not staged:
        raise BuildError(
            f"the zip has {zipped:,} bytes; Lambda takes {ZIPPED_LIMIT:,} in a request",
            where=target.id,
            fix=f"set `staging` in the matrix to go through a bucket, or leave something out: {biggest}",
        )
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        rows = [f"  {finding.path}: {finding.message}" for finding in errors[:10]]
        raise BuildError("the zip would not run there:", where=target.id, details=rows)
