"""The steps of one cell: publish privately, grant, revoke. Each is recorded before the next one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from builder.model.errors import FailureClass, LayersError
from builder.model.matrix import MAX_DESCRIPTION_CHARACTERS, Cell
from publisher.aws.fanout import region_failure
from publisher.aws.gateway import (
    CredentialsRefused,
    CredentialsUnknown,
    Failure,
    GatewayError,
    Interrupted,
    Publication,
    PublishedVersion,
    RegionDisabled,
    StorageExceeded,
    Unavailable,
    Zip,
)
from publisher.ledger.recorder import cell_record
from publisher.ledger.release import LowerVersionRecord, UnexpectedVersionRecord, VersionRecord
from publisher.reconcile.job import Job, Outcome
from publisher.reconcile.plan import (
    DELETED_ADVICE,
    Backfill,
    Conflict,
    Copy,
    Defer,
    GrantOnly,
    Keep,
    Placeholder,
    Preparation,
    Publish,
    Regrant,
)
from publisher.reconcile.publish_once import OvertakenError, PublishError, publish_at, revoke_at
from publisher.reconcile.state import PLACEHOLDER_DESCRIPTION
from publisher.reconcile.unused_versions import unused_advice
from publisher.reconcile.yank_check import YankCheck, recorded_yank

LOG = logging.getLogger("layers.publish")
REPORT_DEFECT = "this is a bug in layers: report it with this message"
NO_ZIP = "the zip that this release started with is not available in any region"
NO_ZIP_ADVICE = "give that build with --artifacts, or publish a new build of this version with --rebuild"


class YankedError(PublishError):
    """Another process yanked the release during this run."""


class CellSteps:
    """Executes the steps of a job's cells. Thread-safe. A failure becomes the cell's outcome."""

    def __init__(self, job: Job, yanks: YankCheck) -> None:
        self._job = job
        self._stop = job.stop
        self._yanks = yanks
        #: Regions that stopped responding during the run, with the reason.
        self.unreachable: dict[str, Failure] = {}

    def publish(self, cell: Cell) -> Outcome:
        """Bring a cell to the release, privately. The outcome is ``private`` if the permission is still missing."""
        return self._run_guarded(cell, lambda: self._publish(cell))

    def grant(self, before: Outcome) -> Outcome:
        """Grant the permission in a cell that holds the release privately."""
        return self._run_guarded(before.cell, lambda: self._grant(before), before)

    def revoke(self, before: Outcome, reason: str) -> Outcome:
        """Revoke the permission that this run granted."""
        return self._run_guarded(before.cell, lambda: self._revoke(before, reason), before)

    def revoke_backfill(self, cell: Cell, published: PublishedVersion) -> None:
        """Revoke an older release's version that this run made public. A failure is logged; ``audit`` finds it."""
        try:
            self._revoke_version(cell, published)
            self._job.recorder.record_backfill(cell_record(cell, published, public=False))
        except (GatewayError, PublishError, LayersError) as error:
            LOG.warning("%s: cannot be revoked, although its release was yanked: %s", published.arn, error)

    def _publish(self, cell: Cell) -> Outcome:
        action = self._job.plan.actions[cell]
        match action:
            case Conflict(reason, advice):
                published = self._job.remote.cells[cell].published
                return Outcome(cell, "conflict", published, Failure(reason, FailureClass.PERMANENT, advice))
            case Defer(failure):
                return _failed_outcome(cell, failure)
        if self._stop.requested:
            return self._interrupted_outcome(cell)
        if cell.region in self.unreachable:
            return _failed_outcome(cell, self.unreachable[cell.region])
        match action:
            case Publish(first):
                return self._publish_new(cell, first)
            case GrantOnly():
                self._record(cell, self._existing_version(cell), public=False)
                return Outcome(cell, "private", self._existing_version(cell))
            case Keep():
                self._record(cell, self._existing_version(cell), public=True)
                return Outcome(cell, "unchanged", self._existing_version(cell))

    def _publish_new(self, cell: Cell, first: tuple[Preparation, ...]) -> Outcome:
        payload = self._job.payloads.get(cell.target.id)
        if payload is None:
            return _failed_outcome(cell, self._missing_zip(NO_ZIP))
        for count, preparation in enumerate(first):
            if self._stop.requested:
                return replace(self._interrupted_outcome(cell), prepared=count)
            self._prepare(cell, preparation)
        description = self._job.matrix.describe(cell.target, self._job.plan.version)
        published = self._publish_version(cell, payload.zip, description, self._job.plan.number.value)
        self._record(cell, published, public=False)
        return Outcome(cell, "private", published, prepared=len(first))

    def _grant(self, before: Outcome) -> Outcome:
        cell, layer_version = before.cell, before.published or self._existing_version(before.cell)
        if self._stop.requested:
            return replace(before, failure=Failure(f"not public yet: {self._stop.reason}"))
        # Directly before the grant, because another process may have yanked the release.
        self._record(cell, layer_version, public=False)
        confirmed = False

        def record() -> None:
            nonlocal confirmed
            confirmed = True
            self._yanks.add(cell, layer_version)
            self._record(cell, layer_version, public=True)

        try:
            self._yanks.grant(cell, layer_version, record)
        except YankedError as error:
            self._stop(error.message)
            return self._revoke(before, error.message)
        except Interrupted as error:
            if not confirmed:
                raise
            text = f"public, but its policy was not read back: {error.message}"
            return replace(before, name="interrupted", failure=Failure(text))
        published = isinstance(self._job.plan.actions[cell], Publish)
        return replace(before, name="published" if published else "granted")

    def _revoke(self, before: Outcome, reason: str) -> Outcome:
        published = before.published or self._existing_version(before.cell)
        self._revoke_version(before.cell, published)
        self._job.recorder.add(cell_record(before.cell, published, public=False))
        return replace(before, name="private", failure=Failure(reason, FailureClass.PERMANENT))

    def _prepare(self, cell: Cell, preparation: Preparation) -> None:
        """Publish a placeholder or a backfill at a number below the release's."""
        job = self._job
        match preparation:
            case Placeholder(number):
                layer = f"layer version {number} of {cell.target.layer_name}"
                text = f"{PLACEHOLDER_DESCRIPTION}: {layer} was never published here"[:MAX_DESCRIPTION_CHARACTERS]
                published = self._publish_version(cell, job.placeholder, text, number)
                self._record_lower(cell, published, preparation)
            case Copy(number) if (cell.target.id, number) not in job.backfills:
                self._prepare(cell, Placeholder(number))
            case Backfill(number, version):
                if (zip_ := job.backfills.get((cell.target.id, number))) is None:
                    text = f"the zip of layer version {number} ({version}) is not available in any region"
                    raise PublishError(self._missing_zip(text))
                published = self._publish_version(cell, zip_, job.matrix.describe(cell.target, version), number)
                self._record_lower(cell, published, preparation)
                if not isinstance(preparation, Copy):
                    self._make_backfill_public(cell, published)
            case Regrant(number, _, sha256):
                existing = job.lambdas[cell.region].get(cell.target.layer_name, number)
                if existing is not None and existing.sha256 == sha256:
                    self._make_backfill_public(cell, existing)

    def _record_lower(self, cell: Cell, published: PublishedVersion, preparation: Placeholder | Backfill) -> None:
        self._job.recorder.add(
            LowerVersionRecord(
                **_version_fields(cell, published),
                kind="placeholder" if isinstance(preparation, Placeholder) else "backfill",
            )
        )

    def _make_backfill_public(self, cell: Cell, published: PublishedVersion) -> None:
        """Grant an older release's version, unless that release has been yanked."""
        recorder, private = self._job.recorder, cell_record(cell, published, public=False)
        if recorder.record_backfill(private).yanked is not None:
            return

        def record() -> None:
            release = recorder.record_backfill(cell_record(cell, published, public=True))
            if reason := recorded_yank(release):
                raise YankedError(Failure(reason, FailureClass.PERMANENT))
            self._yanks.add_backfill(cell, published, release)

        try:
            self._yanks.grant(cell, published, record)
        except YankedError:
            self._revoke_version(cell, published)
            recorder.record_backfill(private)

    def _publish_version(self, cell: Cell, zip_: Zip, description: str, number: int) -> PublishedVersion:
        publication = Publication(
            layer_name=cell.target.layer_name,
            description=description,
            license=self._job.matrix.license,
            runtimes=(cell.target.runtime.api_name,),
            architectures=(cell.target.architecture.api_name,),
            zip=zip_,
        )
        return publish_at(self._job.lambdas[cell.region], publication, number, self._job.clock)

    def _revoke_version(self, cell: Cell, published: PublishedVersion) -> None:
        gateway = self._job.lambdas[cell.region]
        revoke_at(gateway, published.layer_name, published.number, self._job.matrix.permission, self._job.clock)

    def _record(self, cell: Cell, published: PublishedVersion, *, public: bool) -> None:
        """Record a cell. Raises YankedError if the release has been yanked."""
        if reason := recorded_yank(self._job.recorder.add(cell_record(cell, published, public=public))):
            raise YankedError(Failure(reason, FailureClass.PERMANENT))

    def _run_guarded(self, cell: Cell, step: Callable[[], Outcome], before: Outcome | None = None) -> Outcome:
        """Execute a step, and turn each failure into the cell's outcome."""
        try:
            return step()
        except YankedError as error:
            self._stop(error.message)
            return replace(before or Outcome(cell, "private"), failure=error.failure)
        except OvertakenError as error:
            self._stop(f"{cell.id}: {error.message}")
            return self._conflict_outcome(cell, error)
        except Interrupted as error:
            return replace(before or Outcome(cell, "interrupted"), failure=error.failure)
        except CredentialsUnknown as error:  # a region that is not enabled responds so: other regions accept them
            self.unreachable[cell.region] = failure = region_failure(cell.region, error)
            if self.unreachable.keys() >= self._job.lambdas.keys():
                self._stop(f"AWS refuses the credentials: {error.message}")
            return _failed_outcome(cell, failure)
        except CredentialsRefused as error:
            self._stop(f"AWS refuses the credentials: {error.message}")
            return _failed_outcome(cell, replace(error.failure, text=f"credentials: {error.message}"))
        except (Unavailable, RegionDisabled) as error:
            self.unreachable[cell.region] = error.failure
            return _failed_outcome(cell, error.failure)
        except StorageExceeded as error:
            unused = unused_advice(self._job.releases, cell.region)
            return _failed_outcome(cell, replace(error.failure, advice="; ".join(filter(None, (unused, error.advice)))))
        except (GatewayError, PublishError) as error:
            return _failed_outcome(cell, error.failure)
        except LayersError as error:  # from the ledger: after a change that cannot be recorded, stop
            self._stop(f"the ledger cannot be written: {error.what.removeprefix('the ledger cannot be written: ')}")
            text = f"AWS was changed, but the ledger was not: {error.what}"
            return Outcome(cell, "failed", failure=Failure(text, error.failure_class, error.fix))
        except Exception as error:  # a defect in one cell must not end the run
            LOG.exception("defect in %s", cell.id)
            text = f"{type(error).__name__}: {error}"
            return Outcome(cell, "failed", failure=Failure(text, FailureClass.DEFECT, REPORT_DEFECT))

    def _conflict_outcome(self, cell: Cell, error: OvertakenError) -> Outcome:
        if error.unexpected is not None:
            fields = _version_fields(cell, error.unexpected)
            self._job.recorder.add(UnexpectedVersionRecord(**fields, reason=error.message))
        return Outcome(cell, "conflict", error.unexpected, error.failure)

    def _interrupted_outcome(self, cell: Cell) -> Outcome:
        return Outcome(cell, "interrupted", failure=Failure(self._stop.reason or "stopped"))

    def _missing_zip(self, text: str) -> Failure:
        """Return the failure of a missing zip: temporary while regions that may have it are unreachable."""
        unreadable = bool(self._job.remote.unreachable or self.unreachable)
        return Failure(text, FailureClass.TEMPORARY if unreadable else FailureClass.PERMANENT, NO_ZIP_ADVICE)

    def _existing_version(self, cell: Cell) -> PublishedVersion:
        published = self._job.remote.cells[cell].published
        if published is None:
            text = "the layer version was deleted while this command ran"
            raise PublishError(Failure(text, FailureClass.PERMANENT, DELETED_ADVICE))
        return published


def _version_fields(cell: Cell, published: PublishedVersion) -> dict[str, Any]:
    """Return the fields of a ``VersionRecord``."""
    record = cell_record(cell, published, public=False)
    return record.model_dump(include=set(VersionRecord.model_fields))


def _failed_outcome(cell: Cell, failure: Failure) -> Outcome:
    """Return ``deferred`` if the next run may succeed, else ``failed``."""
    temporary = failure.failure_class is FailureClass.TEMPORARY
    return Outcome(cell, "deferred" if temporary else "failed", failure=failure)
