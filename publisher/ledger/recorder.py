"""Record during a run: each result is on disk before the run continues, so that a killed run loses none.

Many cells finish at once and a release is one file, so writes are grouped: the thread that gets to write writes for all
that wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Cell, Matrix
from publisher.aws.gateway import CREATED_FORMAT, PublishedVersion
from publisher.ledger.folder import Ledger
from publisher.ledger.release import (
    CellRecord,
    LowerVersionRecord,
    Release,
    TargetRecord,
    UnexpectedVersionRecord,
    VersionRecord,
)

T = TypeVar("T")


class GroupedWrites(Generic[T]):
    """Writes the records of many threads in groups. ``write`` writes a group and returns the release with it."""

    def __init__(self, write: Callable[[Sequence[T]], Release]) -> None:
        self._write = write
        self._pending: list[T] = []
        self._mutex = threading.Lock()
        self._writing = threading.Lock()
        self._latest: Release | None = None

    def add(self, record: T) -> Release:
        """Return when this record is on disk, with the release as it is then."""
        with self._mutex:
            self._pending.append(record)
        with self._writing:
            with self._mutex:
                batch, self._pending = self._pending, []
            if not batch and self._latest:  # another thread wrote this record, after this method was called
                return self._latest
            try:
                self._latest = self._write(batch)
            except BaseException:
                with self._mutex:  # the threads that wait have records in it, too, and must not continue either
                    self._pending = batch + self._pending
                raise
            return self._latest


class Recorder:
    """Writes one release's record while a run goes on. Every method returns when the record is on disk."""

    def __init__(self, ledger: Ledger, matrix: Matrix, version: str, number: int, begun: datetime) -> None:
        self._ledger = ledger
        self._number = number
        self._fresh = Release.started(matrix, version, number, begun)
        self._writes: GroupedWrites[VersionRecord] = GroupedWrites(
            lambda batch: ledger.update(number, lambda release: self._add_records(release, batch))
        )

    def begin(self, targets: tuple[TargetRecord, ...], rebuild: str | None) -> None:
        """Record what the release will be, before any of it is published."""
        self._fresh = self._fresh.model_copy(update={"rebuild": rebuild}).with_targets(*targets)

        def start(release: Release | None) -> Release:
            if release is None or not release.is_of(self._fresh.version):
                return self._record_of_this_release(release)
            published = {cell.key[1]: cell.sha256 for cell in release.cells}
            return release.with_targets(*(t for t in targets if published.get(t.id, t.sha256) == t.sha256))

        self._ledger.update(self._number, start)

    def add(self, record: VersionRecord) -> Release:
        """Record what was done. Returns the record as another process may have changed it meanwhile: it may be yanked.

        Raises IncompleteError if the ledger has another release at this number.
        """
        return self._writes.add(record)

    def _add_records(self, release: Release | None, batch: Sequence[VersionRecord]) -> Release:
        cells = [record for record in batch if isinstance(record, CellRecord)]
        if cells:
            release = self._record_of_this_release(release)
        release = release or self._fresh
        if release.yanked is not None:  # even if this process granted before it knew
            cells = [record.model_copy(update={"public": False}) for record in cells]
        release = release.with_cells(*cells)
        lower = (record for record in batch if isinstance(record, LowerVersionRecord))
        unexpected = (record for record in batch if isinstance(record, UnexpectedVersionRecord))
        return release.model_copy(
            update={
                "lower_versions": tuple(dict.fromkeys((*release.lower_versions, *lower))),
                "unexpected_versions": tuple(dict.fromkeys((*release.unexpected_versions, *unexpected))),
            }
        )

    def _record_of_this_release(self, release: Release | None) -> Release:
        """Return the ledger's record as one of this release. Replace another release's record that has no cells."""
        if release is None or (release.is_of(self._fresh.version) and release.cells):
            return release or self._fresh
        if release.cells:
            raise IncompleteError(
                f"layer version {self._number} is {release.version} in the ledger: another process is publishing it",
                fix=f"run the same command again: {self._fresh.version} gets the next number",
            )
        facts: dict[str, object] = {
            "lower_versions": release.lower_versions,
            "unexpected_versions": release.unexpected_versions,
        }
        if release.is_of(self._fresh.version):
            facts |= {"begun": release.begun, "rebuild": release.rebuild, "yanked": release.yanked}
        return self._fresh.model_copy(update=facts)

    def read_shared(self) -> Release | None:
        """Return the record as it is now, if all publishers share this ledger; else None."""
        return self.reread() if self._ledger.is_shared else None

    def reread(self) -> Release:
        """Return the record as it is now: another process may have changed it."""
        return self._ledger.update(self._number, lambda release: release or self._fresh)

    def record_backfill(self, record: CellRecord) -> Release:
        """Record a cell of an older release that this run completed."""

        def insert(release: Release | None) -> Release:
            if release is None:
                raise InputError(
                    f"the record of layer version {record.layer_version} was deleted during the run",
                    fix="restore it in the ledger, then run the same command again",
                )
            return release.with_cells(record.model_copy(update={"public": record.public and release.yanked is None}))

        return self._ledger.update(record.layer_version, insert)

    def abandon_lower_numbers(self) -> None:
        """Record that this version's lower numbers which never became public belong to no release any more."""
        for release in self._ledger.releases():
            if release.layer_version < self._number and _never_public(release) and release.is_of(self._fresh.version):
                self._ledger.update(release.layer_version, lambda now, given_up=release: _abandon(now or given_up))  # type: ignore[misc]

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


def _never_public(release: Release) -> bool:
    return bool(release.cells) and not release.public and release.completed is None and release.yanked is None


def _abandon(release: Release) -> Release:
    if not _never_public(release):
        return release
    unexpected = (
        UnexpectedVersionRecord(
            **cell.model_dump(include=set(VersionRecord.model_fields)),
            reason=f"never public: {release.version} was published at a higher number",
        )
        for cell in release.cells
    )
    return release.model_copy(update={"cells": (), "unexpected_versions": (*release.unexpected_versions, *unexpected)})


def cell_record(cell: Cell, published: PublishedVersion, *, public: bool) -> CellRecord:
    """Return the record of a layer version that AWS has in a cell."""
    return CellRecord(
        region=cell.region,
        **cell.target.fields,
        layer_version=published.number,
        arn=published.arn,
        sha256=published.sha256,
        size=published.size,
        published=datetime.strptime(published.created, CREATED_FORMAT),
        public=public,
    )
