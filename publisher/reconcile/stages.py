"""Carrying out a plan in two parts: one region first, a check of it, then the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from builder.model.matrix import Cell
from publisher.aws.gateway import Failure
from publisher.reconcile.execute import Job, Outcome, Stop, execute
from publisher.reconcile.plan import Permit, Publish


@dataclass(frozen=True)
class First:
    """The region that goes first. ``check`` is asked when all of it is at the release, and says why the others must
    wait, or None."""

    region: str
    check: Callable[[Sequence[Outcome]], str | None]


def execute_in_parts(job: Job, stop: Stop, first: First) -> tuple[dict[Cell, Outcome], str | None]:
    """Carry out the plan: an outcome for every cell of it, in its order, and why the others had to wait.

    What would write to AWS waits; what is there already, in conflict or silent is told as it is.
    """
    ahead = _execute(job, stop, [cell for cell in job.plan.actions if cell.region == first.region])
    reason = _unfinished(first.region, ahead.values())
    if reason is None and not stop:
        reason = first.check(tuple(ahead.values()))
    others = {cell: action for cell, action in job.plan.actions.items() if cell not in ahead}
    waiting = [cell for cell, action in others.items() if reason and not stop and isinstance(action, Publish | Permit)]
    done = {
        **ahead,
        **{cell: Outcome(cell, "deferred", failure=Failure(reason or "")) for cell in waiting},
        **_execute(job, stop, [cell for cell in others if cell not in waiting]),
    }
    return {cell: done[cell] for cell in job.plan.actions}, reason


def _execute(job: Job, stop: Stop, cells: Collection[Cell]) -> dict[Cell, Outcome]:
    """Carry out the part of the plan that is about these cells."""
    actions = {cell: job.plan.actions[cell] for cell in cells}
    return execute(replace(job, plan=replace(job.plan, actions=actions)), stop) if actions else {}


def _unfinished(region: str, outcomes: Collection[Outcome]) -> str | None:
    left = next((outcome for outcome in outcomes if not outcome.done), None)
    if left is None:
        return None
    why = f" ({left.error})" if left.error else ""
    return f"{region} goes first, and is not complete: {left.cell.id} is {left.name}{why}"
