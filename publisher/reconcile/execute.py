"""Execute a plan: publish privately in all regions in parallel, then make the release public.

One cell is published first, alone. AWS assigns its number only once, so if two publishers start at the same time, one
gets it and the other stops. A region that becomes unreachable waits for the next run. Expired credentials, a ledger
that cannot be written, a second publisher and Ctrl-C stop the run: requests in flight are finished and recorded, no
others are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from builder.model.errors import FailureClass
from builder.model.matrix import Cell
from publisher.aws.fanout import MAX_PARALLEL_REQUESTS_PER_REGION, in_parallel
from publisher.aws.gateway import Failure
from publisher.reconcile.cell_steps import CellSteps
from publisher.reconcile.gate import why_private
from publisher.reconcile.job import Job, Outcome
from publisher.reconcile.plan import GrantOnly, Publish
from publisher.reconcile.yank_check import YankCheck

OTHER_NUMBER_ADVICE = (
    "omit --layer-version: the release then gets a number that every cell can reach (before `layers promote`: publish "
    "at a new number with --rebuild in the source's account)"
)
#: Limit of parallel threads.
MAX_THREADS = 96


@dataclass(frozen=True)
class CanaryRegion:
    """The region that is published first.

    ``check`` is called when all its cells hold the release, still private. It returns why the other regions must wait,
    or None.
    """

    region: str
    check: Callable[[Sequence[Outcome]], Failure | None]


def execute(job: Job, canary: CanaryRegion | None) -> tuple[dict[Cell, Outcome], str | None]:
    """Execute the plan. Return the outcome of each of its cells, in order, and why regions had to wait, or None."""
    return _Execution(job).run(canary)


class _Execution:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._stop = job.stop
        self._yanks = YankCheck(job)
        self._steps = CellSteps(job, self._yanks)
        self._outcomes: dict[Cell, Outcome] = {}

    def run(self, canary: CanaryRegion | None) -> tuple[dict[Cell, Outcome], str | None]:
        plan, cells = self._job.plan, list(self._job.plan.actions)
        self._begin(cells)
        # Target by target across all regions, so that a target's zip is sent everywhere while it is in the file cache.
        cells.sort(key=lambda cell: self._job.matrix.targets.index(cell.target))
        waiting: Failure | None = None
        if plan.conflict and not plan.public:
            text = f"nothing is published while a cell is in conflict: {plan.conflict}"
            self._defer(cells, Failure(text, FailureClass.PERMANENT, OTHER_NUMBER_ADVICE))
        if canary:
            region = [cell for cell in cells if cell.region == canary.region]
            self._publish_first(region)
            self._publish(region)
            waiting = self._unfinished(canary.region, region)
            if waiting is None and not self._stop.requested:
                waiting = canary.check(tuple(self._outcomes[cell] for cell in plan.actions if cell in region))
                self._begin(cells)  # the canary has its own progress
            if waiting and not self._stop.requested:
                self._defer(cells, waiting)
        self._publish_first(cells)
        self._publish(cells)
        self._make_public(waiting)
        self._revoke_if_yanked()
        return {cell: self._outcomes[cell] for cell in plan.actions}, waiting.text if waiting else None

    def _begin(self, cells: Sequence[Cell]) -> None:
        title = f"Publishing {self._job.matrix.package} {self._job.plan.version}"
        self._job.progress.begin(title, len(self._remaining(cells)))

    def _publish_first(self, cells: Sequence[Cell]) -> None:
        """Publish one cell alone to claim the number. If its region fails, try the next region."""
        to_publish = [cell for cell in self._remaining(cells) if isinstance(self._job.plan.actions[cell], Publish)]
        candidates = {cell.region: cell for cell in reversed(to_publish)}
        for region in self._job.matrix.regions:
            if region in candidates and not (self._published_cells() or self._job.plan.public):
                self._run_step([candidates[region]], self._steps.publish)

    def _publish(self, cells: Sequence[Cell]) -> None:
        self._run_step(self._remaining(cells), self._steps.publish)

    def _make_public(self, waiting: Failure | None) -> None:
        """Grant the permission in every cell that holds the release privately, unless the gate refuses."""
        private = [cell for cell, outcome in self._outcomes.items() if outcome.name == "private"]
        if not private:
            return
        self._job.progress.begin("Granting permissions", len(private))
        reason = waiting.text if waiting else self._stop.reason
        if reason is None:
            shas = {target: payload.zip.sha256 for target, payload in self._job.payloads.items()}
            plan = replace(self._job.plan, bytes_of={**self._job.plan.bytes_of, **shas})
            unreachable = {**self._job.remote.unreachable, **self._steps.unreachable}
            shared = self._job.recorder.read_shared()
            reason = why_private(self._job, plan, self._published_cells(), unreachable, shared)
        if reason is None:
            self._run_step(private, lambda cell: self._steps.grant(self._outcomes[cell]))
            return
        for cell in private:
            failure = replace(waiting or Failure(reason), text=f"not public yet: {reason}")
            self._outcomes[cell] = replace(self._outcomes[cell], failure=failure)
            self._job.progress.step(cell.id, f"private: {reason}")

    def _revoke_if_yanked(self) -> None:
        """After the run, check whether another process yanked a release; if so, revoke this run's grants of it."""
        granted = self._yanks.granted_cells
        if granted and (reason := self._yanks.why_yanked()):
            self._stop(reason)
            self._job.progress.begin("Revoking permissions", len(granted))
            for cell, published in granted.items():  # the outcome of a grant that was not read back has no version
                self._outcomes[cell] = replace(self._outcomes[cell], published=published)
            self._run_step(list(granted), lambda cell: self._steps.revoke(self._outcomes[cell], reason))
        for cell, published in self._yanks.yanked_backfills():
            self._steps.revoke_backfill(cell, published)

    def _run_step(self, cells: Sequence[Cell], step: Callable[[Cell], Outcome]) -> None:
        """Execute a step for each of these cells, in parallel."""
        granted = self._job.matrix.permission.granted
        names = {"private": "published, private", "published": granted, "granted": granted}

        def run(cell: Cell) -> None:
            outcome = self._outcomes[cell] = step(cell)
            name = names.get(outcome.name, outcome.name)
            self._job.progress.step(cell.id, name + (f": {outcome.error}" if outcome.error else ""))

        regions = len({cell.region for cell in cells})
        in_parallel(run, cells, min(MAX_PARALLEL_REQUESTS_PER_REGION * regions, MAX_THREADS))

    def _defer(self, cells: Sequence[Cell], failure: Failure) -> None:
        """Defer the cells that would need a write to AWS."""
        for cell in self._remaining(cells):
            if isinstance(self._job.plan.actions[cell], Publish | GrantOnly):
                self._outcomes[cell] = Outcome(cell, "deferred", failure=failure)

    def _remaining(self, cells: Sequence[Cell]) -> list[Cell]:
        return [cell for cell in cells if cell not in self._outcomes]

    def _published_cells(self) -> Collection[Cell]:
        """Return the cells that hold the release so far."""
        return [cell for cell, outcome in self._outcomes.items() if outcome.done or outcome.name == "private"]

    def _unfinished(self, region: str, cells: Sequence[Cell]) -> Failure | None:
        holding = self._published_cells()
        outcome = next((self._outcomes[cell] for cell in cells if cell not in holding), None)
        if outcome is None:
            return None
        why = f" ({outcome.error})" if outcome.error else ""
        text = f"{region} is published first and is not complete: {outcome.cell.id} is {outcome.name}{why}"
        return replace(outcome.failure or Failure(text), text=text)
