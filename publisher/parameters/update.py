"""Update the parameters to the ledger: read, write the differing ones, read back. Safe to run at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builder.model.clock import Clock
from builder.model.escape import shorten
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from builder.model.stop import Stop
from publisher.audit.audit import Drift, unreachable_drift
from publisher.aws.fanout import each_region
from publisher.aws.gateway import Failure, ParameterRefused, Unavailable
from publisher.ledger.folder import Ledger
from publisher.ledger.release import Release
from publisher.parameters.expected import ExpectedParameters, expected_parameters, to_remove, to_write
from publisher.parameters.parameter_client import ParameterStore

#: Updates of one command while others change the ledger.
MAX_PARAMETER_UPDATES = 5
REPAIR = "layers audit --repair"
#: Waits between two reads: Parameter Store is eventually consistent.
READ_BACK_SECONDS = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class ParameterUpdate:
    """The result of an update."""

    right: int  #: read back as expected
    written: int
    removed: int
    failed: Mapping[str, Failure]  #: by region


def follow_ledger(
    matrix: Matrix,
    ledger: Ledger,
    stores: Mapping[str, ParameterStore],
    clock: Clock,
    progress: Progress,
    stop: Stop,
) -> ParameterUpdate:
    """Update the parameters to the ledger's state, and again if another command changes the ledger meanwhile.

    Of two commands that write at the same time, the last one then knows the other one's record, so that ``latest``
    never stays at a release that was yanked.
    """
    written = removed = 0
    releases = ledger.releases()
    for _ in range(MAX_PARAMETER_UPDATES):
        update = update_parameters(matrix, releases, stores, clock, progress)
        written, removed = written + update.written, removed + update.removed
        if stop.requested:
            break
        before, releases = releases, ledger.releases()
        if releases == before:
            break
    return replace(update, written=written, removed=removed)


def update_parameters(
    matrix: Matrix, releases: Sequence[Release], stores: Mapping[str, ParameterStore], clock: Clock, progress: Progress
) -> ParameterUpdate:
    """Update the parameters of every region to the ledger's state. A failing region does not stop the others."""
    plans = expected_parameters(matrix, releases)
    progress.begin("Parameters", len(plans))
    changed, failed = each_region(tuple(plans), lambda region: _apply(plans[region], stores[region], clock), progress)
    return ParameterUpdate(
        right=sum(len(plans[region].parameters) for region in changed),
        written=sum(written for written, _ in changed.values()),
        removed=sum(removed for _, removed in changed.values()),
        failed=failed,
    )


def _apply(plan: ExpectedParameters, store: ParameterStore, clock: Clock) -> tuple[int, int]:
    """Write and remove what differs, read it back, and return how many were written and removed."""
    stored = store.read(plan.names)
    new, old = to_write(plan, stored), to_remove(plan, stored)
    refused: ParameterRefused | None = None
    for parameter in new:
        try:
            store.write(parameter)
        except ParameterRefused as error:
            refused = ParameterRefused(f"{parameter.name}: {error.message}", error.request_id, error.advice)
    if old:
        store.remove(old)
    if refused:
        raise refused
    if new or old:
        _prove(plan, store, clock)
    return len(new), len(old)


def _prove(plan: ExpectedParameters, store: ParameterStore, clock: Clock) -> None:
    for wait in (*READ_BACK_SECONDS, None):
        stored = store.read(plan.names)
        differing = [*(each.name for each in to_write(plan, stored)), *to_remove(plan, stored)]
        if not differing:
            return
        if wait is not None:
            clock.sleep(wait)
    raise Unavailable(f"{differing[0]} does not have the written value yet")


def differences(
    matrix: Matrix, releases: Sequence[Release], stores: Mapping[str, ParameterStore], progress: Progress
) -> list[Drift]:
    """Return the findings of an audit: what differs from the ledger, and the regions that cannot be read."""
    plans = expected_parameters(matrix, releases)
    progress.begin("Parameters", len(plans))
    stored, unreachable = each_region(tuple(plans), lambda region: stores[region].read(plans[region].names), progress)
    drifts: list[Drift] = []
    for region, values in stored.items():
        for each in to_write(plans[region], values):
            has = f"holds {shorten(values[each.name])}" if each.name in values else "is missing"
            detail = f"{each.name} {has}"
            drifts.append(Drift(region, each.target, each.layer_version, "parameter", detail, REPAIR))
        for name in to_remove(plans[region], values):
            python, architecture = name.split("/")[-3:-1]
            target = f"py{python.removeprefix('py')}-{architecture}"
            drifts.append(Drift(region, target, None, "parameter", f"{name} points to a yanked release", REPAIR))
    return drifts + [unreachable_drift(region, failure, "the parameters") for region, failure in unreachable.items()]
