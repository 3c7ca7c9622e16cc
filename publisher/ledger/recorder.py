"""Recording while a run goes on: what was done is on disk before the doer goes on, whatever kills the run next.

Many cells finish at once and a record is one file, so writes are grouped: whoever gets to write writes for everyone
that waits.
"""

from __future__ import annotations

import threading
from datetime import datetime

from packaging.version import Version

from builder.model.errors import InputError
from builder.model.matrix import Cell, Matrix
from publisher.aws.gateway import CREATED_FORMAT, Held
from publisher.ledger.folder import Ledger
from publisher.ledger.release import CellRecord, FillerRecord, Release, SurplusRecord, TargetRecord

Record = CellRecord | FillerRecord | SurplusRecord | TargetRecord


class Recorder:
    """Writes one release's record as a run goes on."""

    def __init__(self, ledger: Ledger, matrix: Matrix, version: str, number: int, begun: datetime) -> None:
        self._ledger = ledger
        self._number = number
        self._fresh = Release(
            account=matrix.account,
            package=matrix.package,
            layer_name=matrix.layer_name,
            version=version,
            layer_version=number,
            begun=begun,
        )
        self._pending: list[Record] = []
        self._mutex = threading.Lock()
        self._writing = threading.Lock()

    def begin(self, targets: tuple[TargetRecord, ...], rebuild: str | None) -> None:
        """Record what the release will be, before anything is made of it."""

        def start(release: Release | None) -> Release:
            base = self._base(release)
            if release is None:
                base = base.model_copy(update={"rebuild": rebuild})
            return base.with_targets(*targets)

        self._ledger.update(self._number, start)

    def add(self, *records: Record) -> None:
        """Record what was done; returns when it is on disk."""
        with self._mutex:
            self._pending += records
        with self._writing:
            with self._mutex:
                batch, self._pending = self._pending, []
            if not batch:
                return
            try:
                self._ledger.update(self._number, lambda release: _with(self._base(release), batch))
            except BaseException:
                with self._mutex:  # those who wait have records in it too, and must not go on either
                    self._pending = batch + self._pending
                raise

    def _base(self, release: Release | None) -> Release:
        """What is recorded already. Another release that was begun at this number and never published gives way."""
        if release is None:
            return self._fresh
        if release.cells or Version(release.version) == Version(self._fresh.version):
            return release
        return self._fresh.model_copy(update={"fillers": release.fillers, "surplus": release.surplus})

    def backfilled(self, record: CellRecord) -> None:
        """Record a cell of an older release that this run completed."""

        def insert(release: Release | None) -> Release:
            if release is None:
                raise InputError(f"the record of layer version {record.layer_version} vanished during the run")
            return release.with_cells(record)

        self._ledger.update(record.layer_version, insert)

    def complete(self, when: datetime) -> None:
        """Record that every cell of the matrix is at the release; the first time counts."""
        self._ledger.update(
            self._number,
            lambda release: (
                release
                if release and release.completed
                else (release or self._fresh).model_copy(update={"completed": when})
            ),
        )


def _with(release: Release, batch: list[Record]) -> Release:
    release = release.with_targets(*(record for record in batch if isinstance(record, TargetRecord)))
    release = release.with_cells(*(record for record in batch if isinstance(record, CellRecord)))
    fillers = dict.fromkeys((*release.fillers, *(record for record in batch if isinstance(record, FillerRecord))))
    surplus = dict.fromkeys((*release.surplus, *(record for record in batch if isinstance(record, SurplusRecord))))
    return release.model_copy(update={"fillers": tuple(fillers), "surplus": tuple(surplus)})


def cell_record(cell: Cell, held: Held, *, public: bool) -> CellRecord:
    """The record of what AWS holds in a cell."""
    return CellRecord(
        region=cell.region,
        python=cell.target.python,
        architecture=cell.target.architecture,
        layer_name=held.layer_name,
        layer_version=held.number,
        arn=held.arn,
        sha256=held.sha256,
        size=held.size,
        published=datetime.strptime(held.created, CREATED_FORMAT),
        public=public,
    )
