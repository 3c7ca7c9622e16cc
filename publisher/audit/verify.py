"""Verify that AWS has the recorded bytes for an ARN. Needs only the index and permission to read the layer."""

from __future__ import annotations

from dataclasses import dataclass

from builder.model.errors import InputError
from publisher.aws.gateway import Lambda
from publisher.catalog.index import Index, Row


@dataclass(frozen=True)
class Verdict:
    """A recorded layer version, and the facts that AWS returns for it."""

    row: Row
    sha256: str | None  #: None: AWS has no such layer version
    recorded_signer: str | None  #: AWS Signer: profile/version
    signed_by: str | None = None  #: the signing profile version that AWS names
    signing_job: str | None = None  #: its ARN

    @property
    def matches(self) -> bool:
        """Return whether AWS has the recorded bytes, and names no other signer."""
        return self.sha256 == self.row.sha256 and not self.other_signer

    @property
    def other_signer(self) -> str | None:
        """The signer that AWS names, if another one is recorded."""
        return self.signed_by if self.recorded_signer and self.signed_by != self.recorded_signer else None


def check_publisher(index: Index, account: str) -> None:
    """Raise InputError unless the index belongs to the trusted account. The index's own statement does not count."""
    if index.account != account:
        raise InputError(
            f"the index is of account {index.account}; the trusted publisher is {account}",
            fix="do not use this index, unless you know that account: then name it with --account",
        )


def verify(index: Index, row: Row, gateway: Lambda) -> Verdict:
    """Compare a recorded ARN with AWS. The request has the layer's ARN in place of its name: other accounts need it."""
    targets = (each for release in index.releases for each in release.targets)
    signer = next((each.signed_by for each in targets if each.sha256 == row.sha256), None)
    published = gateway.get(row.arn.rpartition(":")[0], row.layer_version)
    return (
        Verdict(row, published.sha256, signer, published.signed_by, published.signing_job)
        if published
        else Verdict(row, None, signer)
    )
