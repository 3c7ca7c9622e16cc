"""Yank a release, or undo that, by changing permissions. Nothing is deleted: functions that use a version keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from builder.model.clock import Clock
from builder.model.errors import FailureClass
from builder.model.matrix import Cell, Matrix
from builder.model.matrix_keys import Permission
from builder.model.progress import Progress
from builder.model.target import Target
from publisher.aws.fanout import each_item
from publisher.aws.gateway import Failure, GatewayError, Lambda
from publisher.ledger.folder import Ledger
from publisher.ledger.recorder import GroupedWrites
from publisher.ledger.release import CellRecord, Release, Yanked
from publisher.reconcile.publish_once import PublishError, grant_at, revoke_at

#: ``grant_at`` or ``revoke_at``.
Change: TypeAlias = Callable[[Lambda, str, int, Permission, Clock, Callable[[], object]], object]

NOT_IN_THE_MATRIX = Failure(
    "the matrix no longer has this region",
    FailureClass.PERMANENT,
    "add the region to the matrix, or change the permission with the AWS CLI",
)
YANKED_MEANWHILE = Failure(
    "another process yanked the release at the same time",
    FailureClass.PERMANENT,
    "decide which one counts, then run `layers yank --undo` or `layers yank` again",
)


@dataclass(frozen=True)
class Changed:
    """The outcome for a cell of the release; ``failure`` is None if its permission was changed and read back."""

    cell: str  #: ``us-east-1/py3.12-x86_64``
    arn: str
    failure: Failure | None = None

    @property
    def error(self) -> str | None:
        """Why the permission was not changed."""
        return self.failure.text if self.failure else None


@dataclass(frozen=True)
class Permissions:
    """Changes the permissions of whole releases."""

    matrix: Matrix
    ledger: Ledger
    lambdas: Mapping[str, Lambda]
    clock: Clock
    progress: Progress

    def yank(self, release: Release, reason: str, now: datetime) -> tuple[Changed, ...]:
        """Revoke every permission of a release. The yank is recorded first, so that other runs do not grant it again.

        A publish that does not know of the yank may still grant permissions, also in cells that are not recorded yet.
        So all cells are read again at the end.
        """
        yanked = release.yanked or Yanked(date=now, reason=reason)
        number = release.layer_version
        release = self.ledger.update(number, lambda r: (r or release).model_copy(update={"yanked": yanked}))
        self.progress.begin("Revoking permissions", len({record.region for record in release.cells}))
        changes = self._each_recorded(release, revoke_at, public=False)
        late_changes = self._revoke_late(release, {changed.cell for changed in changes if changed.error})
        # An undo that ran at the same time may have cleared it.
        self.ledger.update(number, lambda r: (r or release).model_copy(update={"yanked": yanked}))
        by_cell = {changed.cell: changed for changed in (*changes, *late_changes)}
        return tuple(by_cell.values())

    def restore(self, release: Release) -> tuple[Changed, ...]:
        """Grant the matrix's permission in every cell again; the release stays yanked until the last cell has it.

        Grants nothing if it is not yanked. A release that was never complete may have been private: its canary failed,
        or other cells hold another release. Only publish decides whether such a release becomes public.
        """
        if release.yanked is None:
            return ()
        if release.completed is None:
            self.ledger.update(release.layer_version, lambda r: (r or release).model_copy(update={"yanked": None}))
            return ()
        self.progress.begin("Granting permissions", len({record.region for record in release.cells}))
        changes = self._each_recorded(release, grant_at, public=True)
        if any(changed.error for changed in changes):
            return changes
        latest = self.ledger.update(release.layer_version, lambda r: _undo_yank(r or release))
        private = {record.cell_id for record in latest.cells if not record.public}
        return tuple(
            replace(changed, failure=YANKED_MEANWHILE) if changed.cell in private else changed for changed in changes
        )

    def _each_recorded(self, release: Release, change: Change, *, public: bool) -> tuple[Changed, ...]:
        """Change every recorded cell, the regions in parallel.

        A change is recorded as soon as AWS confirms it: the command may be killed before it has read the policy.
        """
        writes: GroupedWrites[CellRecord] = GroupedWrites(
            lambda batch: self.ledger.update(release.layer_version, lambda r: (r or release).with_cells(*batch))
        )

        def change_cell(record: CellRecord) -> Failure | None:
            """Return why the change is not proved."""
            if record.region not in self.lambdas:
                return NOT_IN_THE_MATRIX
            gateway, permission, recorded = self.lambdas[record.region], self.matrix.permission, False

            def confirmed() -> None:
                nonlocal recorded
                recorded = True
                writes.add(record.model_copy(update={"public": public}))

            try:
                change(gateway, record.layer_name, record.layer_version, permission, self.clock, confirmed)
            except PublishError as error:  # the policy was read and shows something else
                if recorded:
                    writes.add(record)
                return error.failure
            except GatewayError as error:
                return error.failure
            if not recorded:
                confirmed()
            return None

        failures, _ = each_item(release.cells, change_cell, self.progress)
        return tuple(Changed(record.cell_id, record.arn, failure) for record, failure in failures.items())

    def _revoke_late(self, release: Release, failed: set[str]) -> tuple[Changed, ...]:
        """Revoke permissions that another process granted meanwhile, in any cell: returned policies may be stale.

        Cells that failed already are left out.
        """
        number = release.layer_version

        def revoke_in_cell(cell: Cell) -> Changed | None:
            name = cell.target.layer_name
            arn = next((r.arn for r in release.cells if r.cell_id == cell.id), f"layer version {number} of {name}")
            try:
                if not revoke_at(self.lambdas[cell.region], name, number, self.matrix.permission, self.clock):
                    return None
                self.ledger.update(number, lambda r: _make_private(r or release, cell.id))
                return Changed(cell.id, arn)
            except (GatewayError, PublishError) as error:
                return Changed(cell.id, arn, error.failure)

        cells = [
            cell for cell in _cells_of(self.matrix, release) if cell.region in self.lambdas and cell.id not in failed
        ]
        self.progress.begin("Checking every cell again", len({cell.region for cell in cells}))
        revoked, _ = each_item(cells, revoke_in_cell, self.progress)
        return tuple(filter(None, revoked.values()))


def _undo_yank(release: Release) -> Release:
    """Return the release as not yanked, if all of its cells are public."""
    all_public = all(record.public for record in release.cells)
    return release.model_copy(update={"yanked": None}) if all_public else release


def _make_private(release: Release, name: str) -> Release:
    return release.with_cells(*(r.model_copy(update={"public": False}) for r in release.cells if r.cell_id == name))


def _cells_of(matrix: Matrix, release: Release) -> Iterable[Cell]:
    """Return every cell that may have the release. A recorded cell has the layer name of its record."""
    recorded = (Cell(r.region, Target(r.python, r.architecture, r.layer_name)) for r in release.cells)
    return {cell.id: cell for cell in (*matrix.cells, *recorded)}.values()
