"""The input of a publish, from the first request to the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builder.model.clock import Clock
from builder.model.matrix import Cell, Matrix
from builder.model.progress import Progress, Quiet
from builder.model.stop import Stop
from publisher.aws.gateway import Lambda
from publisher.aws.request_log import RequestLog
from publisher.ledger.folder import Ledger
from publisher.reconcile.number import RequestedRelease


@dataclass(frozen=True)
class Run:
    """A request checked against the matrix, with its ledger and connections. ``stop`` ends it before its next request.

    ``Sources`` and ``Job`` are runs that know more: what is published, and the zips to publish.
    """

    matrix: Matrix
    ledger: Ledger
    lambdas: Mapping[str, Lambda]
    requested: RequestedRelease
    selected: Sequence[Cell]
    clock: Clock
    stop: Stop
    progress: Progress = field(default_factory=Quiet)
    journal: RequestLog = field(default_factory=RequestLog)  #: of the requests to Lambda
