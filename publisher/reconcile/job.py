"""The input of an execution, and the outcome of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from builder.model.matrix import Cell
from publisher.aws.gateway import Failure, PublishedVersion, Zip
from publisher.ledger.recorder import Recorder
from publisher.reconcile.run import Prepared
from publisher.reconcile.sources import Payload

OutcomeName = Literal["unchanged", "granted", "published", "private", "conflict", "deferred", "failed", "interrupted"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a cell. ``private``: it holds the release, but is not public yet."""

    cell: Cell
    name: OutcomeName
    published: PublishedVersion | None = None
    failure: Failure | None = None
    prepared: int = 0  #: placeholders and backfills published below the release's number

    @property
    def error(self) -> str | None:
        """Why the cell does not have the release."""
        return self.failure.text if self.failure else None

    @property
    def request_id(self) -> str | None:
        """The AWS request id of the failed request."""
        return self.failure.request_id if self.failure else None

    @property
    def done(self) -> bool:
        """Whether the cell has the release, public and read back."""
        return self.name in ("unchanged", "granted", "published")


@dataclass(frozen=True, kw_only=True)
class Job(Prepared):
    """A run with the zips to publish."""

    payloads: Mapping[str, Payload]
    backfills: Mapping[tuple[str, int], Zip]
    placeholder: Zip
    recorder: Recorder
