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
from publisher.ledger.release import Release
from publisher.reconcile.number import RequestedRelease
from publisher.reconcile.plan import Plan
from publisher.reconcile.state import Remote


@dataclass(frozen=True)
class Run:
    """A request checked against the matrix, with its ledger and connections. ``stop`` ends it before a request."""

    matrix: Matrix
    ledger: Ledger
    lambdas: Mapping[str, Lambda]
    requested: RequestedRelease
    selected: Sequence[Cell]
    clock: Clock
    stop: Stop
    progress: Progress = field(default_factory=Quiet)
    journal: RequestLog = field(default_factory=RequestLog)  #: of the requests to Lambda


@dataclass(frozen=True, kw_only=True)
class Prepared(Run):
    """A run with the state that it observed and its plan, before it writes."""

    releases: tuple[Release, ...]  #: in the ledger
    remote: Remote
    plan: Plan
