"""Name the layer versions that nobody can use, for an account whose code storage is full."""

from __future__ import annotations

from collections.abc import Sequence

from publisher.ledger.release import Release

#: Versions that the advice names; the rest is counted.
MAX_NAMED_VERSIONS = 8


def unused_advice(releases: Sequence[Release], region: str) -> str | None:
    """Return advice: the unexpected versions that the ledger has in a region, and the command that deletes one.

    None if there are none. Placeholders are left out, because they need no storage worth mentioning.
    """
    arns = sorted({v.arn for r in releases for v in r.unexpected_versions if v.region == region})
    if not arns:
        return None
    layer, _, number = arns[0].rpartition(":")
    names = ", ".join(arn.partition(":layer:")[2] for arn in arns[:MAX_NAMED_VERSIONS])
    more = f" and {len(arns) - MAX_NAMED_VERSIONS} more" if len(arns) > MAX_NAMED_VERSIONS else ""
    return (
        f"unused versions (private, of no release) in {region}: {names}{more}; delete each with `aws lambda "
        f"delete-layer-version --region {region} --layer-name {layer.rpartition(':')[2]} --version-number {number}`"
    )
