"""Carrying out a plan: each cell a short chain of calls, the regions side by side, every act recorded before the next.

A cell never waits for another region's cell. A region that stops answering is left for the next run; credentials that
expire, a ledger that cannot be written, a second publisher and Ctrl-C stop the run: what is in flight is finished and
recorded, nothing new is begun.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Literal

from builder.model.clock import Clock
from builder.model.errors import LayersError
from builder.model.matrix import DESCRIPTION_LIMIT, Cell, Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import LANES
from publisher.aws.gateway import CredentialsRefused, GatewayError, Held, Lambda, Publication, Unavailable, Zip
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

OutcomeName = Literal["unchanged", "granted", "published", "conflict", "deferred", "failed", "interrupted"]

#: Outcomes after which the cell is at the release.
DONE: frozenset[str] = frozenset({"unchanged", "granted", "published"})


@dataclass(frozen=True)
class Outcome:
    """What became of a cell."""

    cell: Cell
    name: OutcomeName
    held: Held | None = None
    error: str | None = None
    request_id: str | None = None
    fills: int = 0  #: numbers filled below the release's

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


NO_BYTES = (
    "the bytes this release was begun with cannot be had: run again when the regions that have them answer, "
    "give that build with --artifacts, or make a new release with --rebuild"
)


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
        self._silent: dict[str, str] = {}

    def cell(self, cell: Cell) -> Outcome:
        """Bring one cell to the release; whatever goes wrong is its outcome."""
        action = self._job.plan.actions[cell]
        try:
            return self._act(cell, action)
        except PublishError as error:
            return self._unexpected(cell, error)
        except CredentialsRefused as error:
            self._stop(f"AWS refuses the credentials: {error.message}")
            return Outcome(cell, "failed", error=f"credentials: {error.message}", request_id=error.request_id)
        except Unavailable as error:
            self._silent[cell.region] = error.message
            return Outcome(cell, "deferred", error=error.message, request_id=error.request_id)
        except GatewayError as error:
            return Outcome(cell, "failed", error=error.message, request_id=error.request_id)
        except LayersError as error:  # the ledger: what cannot be recorded must not go on
            self._stop(f"the ledger cannot be written: {error.what}")
            return Outcome(cell, "failed", error=f"done in AWS as far as it came, but not recorded: {error.what}")

    def _act(self, cell: Cell, action: Action) -> Outcome:
        match action:
            case Conflict(reason):
                return Outcome(cell, "conflict", self._held(cell), reason)
            case Defer(reason):
                return Outcome(cell, "deferred", error=reason)
        if self._stop:
            return Outcome(cell, "interrupted", error=self._stop.reason)
        if cell.region in self._silent:
            return Outcome(cell, "deferred", error=self._silent[cell.region])
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
            return Outcome(cell, "failed", error=NO_BYTES)
        for done, fill in enumerate(fills):
            if self._stop:
                return Outcome(cell, "interrupted", error=self._stop.reason, fills=done)
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
                    raise PublishError(f"the bytes of number {number} ({version}) cannot be had from any region now")
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
        return Outcome(cell, "conflict" if error.surplus else "failed", error.surplus, error.message)

    def _held(self, cell: Cell) -> Held | None:
        return self._job.remote.cells[cell].held

    def _known(self, cell: Cell) -> Held:
        held = self._held(cell)
        if held is None:
            raise PublishError("the version seen a moment ago is gone")
        return held
