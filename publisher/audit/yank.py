"""Yanking a release, and taking that back: permissions only. Nothing is deleted: functions that have a version keep
it, and numbers never come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from builder.model.clock import Clock
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import each_region, in_lanes
from publisher.aws.gateway import Failure, GatewayError, Lambda
from publisher.ledger.folder import Ledger
from publisher.ledger.release import CellRecord, Release, Yanked
from publisher.reconcile.publish_once import PublishError, grant_at


@dataclass(frozen=True)
class Changed:
    """What became of one recorded cell; ``error`` None: its permission is as it should be, read back."""

    record: CellRecord
    error: str | None = None


def yank(
    release: Release, reason: str, ledger: Ledger, lambdas: Mapping[str, Lambda], now: datetime, progress: Progress
) -> tuple[Changed, ...]:
    """Take every permission of a release away. Recorded first: a release that is meant to go is not published again."""
    yanked = release.yanked or Yanked(date=now, reason=reason)
    ledger.update(release.layer_version, lambda r: (r or release).model_copy(update={"yanked": yanked}))

    def revoke(gateway: Lambda, record: CellRecord) -> None:
        for grant in gateway.grants(record.layer_name, record.layer_version):
            gateway.revoke(record.layer_name, record.layer_version, grant.statement_id)
        if left := gateway.grants(record.layer_name, record.layer_version):
            raise PublishError(Failure(f"the policy still grants the layer version to {left[0].principal}"))

    progress.begin("Yanking", len({record.region for record in release.cells}))
    return _each_cell(release, revoke, ledger, lambdas, progress, public=False)


def restore(
    matrix: Matrix, release: Release, ledger: Ledger, lambdas: Mapping[str, Lambda], clock: Clock, progress: Progress
) -> tuple[Changed, ...]:
    """Give the matrix's permission back everywhere; the release counts as yanked until the last cell has it."""

    def grant(gateway: Lambda, record: CellRecord) -> None:
        grant_at(gateway, record.layer_name, record.layer_version, matrix.permission, clock)

    progress.begin("Restoring", len({record.region for record in release.cells}))
    done = _each_cell(release, grant, ledger, lambdas, progress, public=True)
    if not any(changed.error for changed in done):
        ledger.update(release.layer_version, lambda r: (r or release).model_copy(update={"yanked": None}))
    return done


def _each_cell(
    release: Release,
    change: Callable[[Lambda, CellRecord], None],
    ledger: Ledger,
    lambdas: Mapping[str, Lambda],
    progress: Progress,
    *,
    public: bool,
) -> tuple[Changed, ...]:
    """Change every recorded cell, the regions side by side; what was done is recorded region by region."""
    regions = tuple(dict.fromkeys(record.region for record in release.cells))

    def one(record: CellRecord) -> Changed:
        try:
            change(lambdas[record.region], record)
        except (GatewayError, PublishError) as error:
            return Changed(record, error.message)
        return Changed(record.model_copy(update={"public": public}))

    def ask(region: str) -> list[Changed]:
        if region not in lambdas:
            return [Changed(r, "the matrix has this region no longer") for r in release.cells if r.region == region]
        changed = in_lanes(one, [record for record in release.cells if record.region == region])
        done = [each.record for each in changed if each.error is None]
        if done:
            ledger.update(release.layer_version, lambda r: (r or release).with_cells(*done))
        return changed

    answers, _ = each_region(regions, ask, progress)
    return tuple(changed for region in regions for changed in answers[region])
