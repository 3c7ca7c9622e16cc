"""Verifying an ARN: are the bytes behind it the recorded ones. For anyone: needs a reader's rights and the index."""

from __future__ import annotations

from dataclasses import dataclass

from publisher.aws.gateway import Lambda
from publisher.catalog.index import Row


@dataclass(frozen=True)
class Verdict:
    """What was recorded, and what AWS gives for it; ``sha256`` None: AWS gives nothing."""

    row: Row
    sha256: str | None

    @property
    def matches(self) -> bool:
        """Whether AWS has the recorded bytes."""
        return self.sha256 == self.row.sha256


def verify(row: Row, gateway: Lambda) -> Verdict:
    """Ask AWS for the bytes' hash behind a recorded ARN. The layer's ARN goes for its name: other accounts need it."""
    held = gateway.get(row.arn.rpartition(":")[0], row.layer_version)
    return Verdict(row, held.sha256 if held else None)
