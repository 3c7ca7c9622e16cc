"""Verify an ARN: whether AWS holds the recorded bytes. Anyone can do it who may read the layer and has the index."""

from __future__ import annotations

from dataclasses import dataclass

from builder.model.errors import InputError
from publisher.aws.gateway import Lambda
from publisher.catalog.index import Index, Row


@dataclass(frozen=True)
class Verdict:
    """What is recorded, and the sha256 that AWS returns for it (None: AWS has no such layer version)."""

    row: Row
    sha256: str | None

    @property
    def matches(self) -> bool:
        """Whether AWS has the recorded bytes."""
        return self.sha256 == self.row.sha256


def check_publisher(index: Index, account: str) -> None:
    """Check that the index is of the trusted account: an index cannot vouch for itself. InputError if it is not."""
    if index.account != account:
        raise InputError(
            f"the index is of account {index.account}; the trusted publisher is {account}",
            fix="do not use this index, unless you know that account: then name it with --account",
        )


def verify(row: Row, gateway: Lambda) -> Verdict:
    """Compare the sha256 of a recorded ARN with AWS's. The layer's ARN stands for its name: other accounts need it."""
    held = gateway.get(row.arn.rpartition(":")[0], row.layer_version)
    return Verdict(row, held.sha256 if held else None)
