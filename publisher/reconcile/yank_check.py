"""Find out whether another process yanks a release during a run. docs/decisions/0014 has the rules and the proof."""

from __future__ import annotations

import logging
from collections.abc import Callable

from builder.model.matrix import Cell
from publisher.aws.fanout import in_parallel
from publisher.aws.gateway import GatewayError, PublishedVersion
from publisher.ledger.release import CellRecord, Release
from publisher.reconcile.job import Job
from publisher.reconcile.publish_once import grant_at, seconds_until_granted
from publisher.reconcile.read_lag import READ_LAG_SECONDS
from publisher.reconcile.state import is_granted

LOG = logging.getLogger("layers.publish")


def recorded_yank(release: Release) -> str | None:
    """Return how the ledger shows that a release is yanked, or None."""
    if release.yanked is None:
        return None
    return f"layer version {release.layer_version} was yanked during this run: {release.yanked.reason}"


class YankCheck:
    """Grants permissions and remembers them, to check at the end of the run that no yank revoked them. Thread-safe."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.granted_cells: dict[Cell, PublishedVersion] = {}  #: AWS confirmed their permission of the release
        self._backfilled: list[tuple[Cell, PublishedVersion, Release]] = []  #: granted versions of older releases
        self._policies_lag = False

    def grant(self, cell: Cell, published: PublishedVersion, confirmed: Callable[[], object]) -> None:
        """Grant the matrix's permission of a version, and wait until its policy shows it. See ``grant_at``."""
        gateway, job = self._job.lambdas[cell.region], self._job
        waited: float | None = None
        try:
            waited = grant_at(
                gateway, published.layer_name, published.number, job.matrix.permission, job.clock, confirmed
            )
        finally:
            self._policies_lag |= waited != 0

    def add(self, cell: Cell, published: PublishedVersion) -> None:
        """Remember a granted version of the release, although its policy may not show the permission yet."""
        self.granted_cells[cell] = published

    def add_backfill(self, cell: Cell, published: PublishedVersion, release: Release) -> None:
        """Remember a granted version of an older release, with its record."""
        self._backfilled.append((cell, published, release))

    def why_yanked(self) -> str | None:
        """Return how the ledger or AWS shows that another process yanked the release during this run, or None.

        A yank revokes every cell, so one cell of each region is read: one that was public before this run, or else the
        first one that it granted.
        """
        if reason := recorded_yank(self._job.recorder.reread()):
            return reason
        job, permission = self._job, self._job.matrix.permission
        self._wait_for_policies()
        states = job.remote.cells.items()
        before = {c.region: s.published for c, s in states if s.published and is_granted(s.grants, permission)}
        granted = {cell.region: published for cell, published in reversed(self.granted_cells.items())}
        public = {**granted, **before}

        def revoked(region: str) -> str | None:
            gateway, published = job.lambdas[region], public[region]
            try:
                waited = seconds_until_granted(gateway, published.layer_name, published.number, permission, job.clock)
            except GatewayError:
                return None
            yanking = f"the permission of {published.arn} was revoked during this run: another process is yanking it"
            return yanking if waited is None else None

        return next(filter(None, in_parallel(revoked, public)), None)

    def yanked_backfills(self) -> list[tuple[Cell, PublishedVersion]]:
        """Return the granted versions of older releases that another process, with another ledger, yanked.

        A yank revokes every cell: the release was yanked if no cell that is recorded as public is public any more.
        """
        if self._backfilled:
            self._wait_for_policies()
        backfill_arns = {published.arn for _, published, _ in self._backfilled}
        yanked = []
        for cell, published, release in self._backfilled:
            other_public = [each for each in release.cells if each.public and each.arn not in backfill_arns]
            try:
                if other_public and not any(map(self._is_public, other_public)):
                    yanked.append((cell, published))
            except GatewayError as error:
                LOG.warning("%s: cannot check whether the release was yanked: %s", published.arn, error)
        return yanked

    def _is_public(self, record: CellRecord) -> bool:
        gateway = self._job.lambdas.get(record.region)
        if gateway is None:
            return True
        return is_granted(gateway.grants(record.layer_name, record.layer_version), self._job.matrix.permission)

    def _wait_for_policies(self) -> None:
        """Wait, once, until policies show a yank. With a lock there is no yank to wait for."""
        if self._policies_lag and self._job.matrix.staging is None:
            self._job.clock.sleep(READ_LAG_SECONDS)
            self._policies_lag = False
