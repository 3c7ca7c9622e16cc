"""Carrying out a plan: each cell a short chain of calls, the regions side by side, every act recorded before the next.

A cell never waits for another region's cell. A region that stops answering is left for the next run; credentials that
expire, a ledger that cannot be written, a second publisher and Ctrl-C stop the run: what is in flight is finished and
recorded, nothing new is begun.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Literal

from builder.model.clock import Clock
from builder.model.errors import FailureClass, LayersError
from builder.model.matrix import DESCRIPTION_LIMIT, Cell, Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import LANES
from publisher.aws.gateway import (
    CredentialsRefused,
    Failure,
    GatewayError,
    Held,
    Lambda,
    Publication,
    RegionDisabled,
    Unavailable,
    Zip,
)
from publisher.ledger.recorder import Recorder, cell_record
from publisher.ledger.release import FillerRecord, SurplusRecord
from publisher.reconcile.plan import (
    Action,
    Backfill,
    Conflict,
    Defer,
    Fill,
    Keep,
    Permit,
    Plan,
    Publish,
    Regrant,
    Reserve,
)
from publisher.reconcile.publish_once import PublishError, grant_at, publish_at
from publisher.reconcile.sources import Payload
from publisher.reconcile.state import RESERVED, Remote

LOG = logging.getLogger("layers.publish")
REPORT_DEFECT = "this is a bug in layers: report it with this message"

OutcomeName = Literal["unchanged", "granted", "published", "conflict", "deferred", "failed", "interrupted"]

#: Outcomes after which the cell is at the release.
DONE: frozenset[str] = frozenset({"unchanged", "granted", "published"})


@dataclass(frozen=True)
class Outcome:
    """What became of a cell."""

    cell: Cell
    name: OutcomeName
    held: Held | None = None
    failure: Failure | None = None
    fills: int = 0  #: numbers filled below the release's

    @property
    def error(self) -> str | None:
        """Why the cell is not at the release."""
        return self.failure.text if self.failure else None

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request that failed."""
        return self.failure.request_id if self.failure else None

    @property
    def done(self) -> bool:
        """Whether the cell is at the release, public and read back."""
        return self.name in DONE


@dataclass(frozen=True)
class Job:
    """What an execution works with. ``now`` is the wall clock, for records."""

    matrix: Matrix
    plan: Plan
    remote: Remote
    lambdas: Mapping[str, Lambda]
    payloads: Mapping[str, Payload]
    backfills: Mapping[tuple[str, int], Zip]
    reserve: Zip
    recorder: Recorder
    clock: Clock
    progress: Progress


NO_ZIP = "the zip that this release started with is not available in any region"
NO_ZIP_ADVICE = "give that build with --artifacts, or publish a new build of this version with --rebuild"


class Stop:
    """Says that nothing new shall be begun, and why; the first reason counts."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason: str | None = None

    def __call__(self, reason: str) -> None:
        """Ask the run to end."""
        if self.reason is None:
            self.reason = reason
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()


def execute(job: Job, stop: Stop) -> dict[Cell, Outcome]:
    """Carry out the plan: an outcome for every cell of it, in its order."""
    run = _Run(job, stop)
    cells = list(job.plan.actions)
    job.progress.begin(f"Publishing {job.matrix.package} {job.plan.version} at {job.plan.number.value}", len(cells))
    # Target by target over all regions, so that one target's bytes are sent everywhere while they are at hand.
    by_target = sorted(cells, key=lambda cell: job.matrix.targets.index(cell.target))
    outcomes: dict[Cell, Outcome] = {}
    workers = max(1, min(LANES * len({cell.region for cell in cells}), 96))
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="cell") as pool:
        waiting: set[Future[Outcome]] = {pool.submit(run.cell, cell) for cell in by_target}
        while waiting:
            # A timeout, so that the main thread wakes up for signals.
            finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                outcome = future.result()
                outcomes[outcome.cell] = outcome
                job.progress.step(outcome.cell.id, outcome.name + (f": {outcome.error}" if outcome.error else ""))
    return {cell: outcomes[cell] for cell in cells}


class _Run:
    def __init__(self, job: Job, stop: Stop) -> None:
        self._job = job
        self._stop = stop
        self._unavailable: dict[str, Failure] = {}  #: by region

    def cell(self, cell: Cell) -> Outcome:
        """Bring one cell to the release; whatever goes wrong is its outcome."""
        action = self._job.plan.actions[cell]
        try:
            return self._act(cell, action)
        except PublishError as error:
            return self._unexpected(cell, error)
        except CredentialsRefused as error:
            self._stop(f"AWS refuses the credentials: {error.message}")
            return _failed(cell, replace(error.failure, text=f"credentials: {error.message}"))
        except (Unavailable, RegionDisabled) as error:
            self._unavailable[cell.region] = error.failure
            return _failed(cell, error.failure)
        except GatewayError as error:
            return _failed(cell, error.failure)
        except LayersError as error:  # the ledger: a change that cannot be recorded must not be followed by another
            self._stop(f"the ledger cannot be written: {error.what}")
            text = f"AWS was changed, but the ledger was not: {error.what}"
            return Outcome(cell, "failed", failure=Failure(text, error.failure_class, error.fix))
        except Exception as error:  # one cell's defect must not end the run
            LOG.exception("defect in %s", cell.id)
            text = f"{type(error).__name__}: {error}"
            return Outcome(cell, "failed", failure=Failure(text, FailureClass.DEFECT, REPORT_DEFECT))

    def _act(self, cell: Cell, action: Action) -> Outcome:
        match action:
            case Conflict(reason):
                return Outcome(cell, "conflict", self._held(cell), Failure(reason, FailureClass.PERMANENT))
            case Defer(failure):
                return _failed(cell, failure)
        if self._stop:
            return self._interrupted(cell)
        if cell.region in self._unavailable:
            return _failed(cell, self._unavailable[cell.region])
        match action:
            case Publish(fills):
                return self._publish(cell, fills)
            case Permit():
                return self._finish(cell, self._known(cell), "granted")
            case Keep():
                held = self._known(cell)
                self._record(cell, held, public=True)
                return Outcome(cell, "unchanged", held)

    def _publish(self, cell: Cell, fills: tuple[Fill, ...]) -> Outcome:
        payload = self._job.payloads.get(cell.target.id)
        if payload is None:
            return _failed(cell, self._missing_zip(NO_ZIP))
        for done, fill in enumerate(fills):
            if self._stop:
                return replace(self._interrupted(cell), fills=done)
            self._fill(cell, fill)
        description = self._job.matrix.describe(cell.target, self._job.plan.version)
        held = self._make(cell, payload.zip, description, self._job.plan.number.value)
        self._record(cell, held, public=False)
        return replace(self._finish(cell, held, "published"), fills=len(fills))

    def _finish(self, cell: Cell, held: Held, name: OutcomeName) -> Outcome:
        grant_at(
            self._job.lambdas[cell.region], held.layer_name, held.number, self._job.matrix.permission, self._job.clock
        )
        self._record(cell, held, public=True)
        return Outcome(cell, name, held)

    def _fill(self, cell: Cell, fill: Fill) -> None:
        job = self._job
        match fill:
            case Reserve(number):
                description = f"{RESERVED}: layer version {number} of {cell.target.layer_name} was never published here"
                held = self._make(cell, job.reserve, description[:DESCRIPTION_LIMIT], number)
            case Backfill(number, version):
                zip_ = job.backfills.get((cell.target.id, number))
                if zip_ is None:
                    raise PublishError(
                        self._missing_zip(
                            f"the zip of layer version {number} ({version}) is not available in any region"
                        )
                    )
                held = self._make(cell, zip_, job.matrix.describe(cell.target, version), number)
                self._backfilled(cell, held)
            case Regrant(number, _, sha256):
                there = job.lambdas[cell.region].get(cell.target.layer_name, number)
                if there is not None and there.sha256 == sha256:
                    self._backfilled(cell, there)
                return
        job.recorder.add(
            FillerRecord(
                region=cell.region,
                python=cell.target.python,
                architecture=cell.target.architecture,
                layer_version=held.number,
                kind="reserved" if isinstance(fill, Reserve) else "backfill",
                arn=held.arn,
            )
        )

    def _backfilled(self, cell: Cell, held: Held) -> None:
        job = self._job
        job.recorder.backfilled(cell_record(cell, held, public=False))
        grant_at(job.lambdas[cell.region], held.layer_name, held.number, job.matrix.permission, job.clock)
        job.recorder.backfilled(cell_record(cell, held, public=True))

    def _make(self, cell: Cell, zip_: Zip, description: str, number: int) -> Held:
        publication = Publication(
            layer_name=cell.target.layer_name,
            description=description,
            license=self._job.matrix.license,
            runtimes=(cell.target.runtime.api_name,),
            architectures=(cell.target.architecture.api_name,),
            zip=zip_,
        )
        return publish_at(self._job.lambdas[cell.region], publication, number, self._job.clock)

    def _record(self, cell: Cell, held: Held, *, public: bool) -> None:
        self._job.recorder.add(cell_record(cell, held, public=public))

    def _unexpected(self, cell: Cell, error: PublishError) -> Outcome:
        """A number or a policy that is not as it must be; with a surplus version, another publisher is at work."""
        if error.surplus is not None:
            self._stop(f"{cell.id}: {error.message}")
            self._job.recorder.add(
                SurplusRecord(
                    region=cell.region,
                    python=cell.target.python,
                    architecture=cell.target.architecture,
                    layer_version=error.surplus.number,
                    arn=error.surplus.arn,
                    reason=error.message,
                )
            )
        return (
            Outcome(cell, "conflict", error.surplus, error.failure) if error.surplus else _failed(cell, error.failure)
        )

    def _interrupted(self, cell: Cell) -> Outcome:
        return Outcome(cell, "interrupted", failure=Failure(self._stop.reason or "stopped"))

    def _missing_zip(self, text: str) -> Failure:
        """A zip that no region gives: temporary while regions that may have it cannot be read."""
        unreadable = bool(self._job.remote.silent or self._unavailable)
        return Failure(text, FailureClass.TEMPORARY if unreadable else FailureClass.PERMANENT, NO_ZIP_ADVICE)

    def _held(self, cell: Cell) -> Held | None:
        return self._job.remote.cells[cell].held

    def _known(self, cell: Cell) -> Held:
        held = self._held(cell)
        if held is None:
            raise PublishError(
                Failure(
                    "the layer version was deleted while this command ran",
                    FailureClass.PERMANENT,
                    "find out who deletes versions; a number never comes back: publish a new one with --rebuild",
                )
            )
        return held


def _failed(cell: Cell, failure: Failure) -> Outcome:
    """Return ``deferred`` if the next run may succeed, else ``failed``."""
    temporary = failure.failure_class is FailureClass.TEMPORARY
    return Outcome(cell, "deferred" if temporary else "failed", failure=failure)
