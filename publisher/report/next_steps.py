"""What to do about the cells that a run left behind, by the class of each failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.model.errors import NEXT_STEP, FailureClass, IncompleteError
from builder.model.figures import first_names
from publisher.aws.gateway import Failure

if TYPE_CHECKING:
    from publisher.reconcile.job import Outcome

RUN_AGAIN = "run the same command again; it does what is left"
CONFLICT_ADVICE = (
    "a version at this number is neither overwritten nor deleted: find out who published it (`layers audit`), then "
    "publish at a new number with --rebuild (before `layers promote`: in the source's account)"
)
NO_ADVICE = "running the command again does not help; see the reason of each cell"
#: Cells that are named for one step.
MAX_NAMED_CELLS = 4


@dataclass(frozen=True)
class NextSteps:
    """The worst class of the failures, and the steps in the order of the cells."""

    failure_class: FailureClass
    counts: str  #: ``1 temporary, 2 permanent``
    steps: tuple[str, ...]


def next_steps(outcomes: Iterable[Outcome]) -> NextSteps | None:
    """Return what to do about the cells that are not at the release; None if all are."""
    remaining = [outcome for outcome in outcomes if not outcome.done]
    if not remaining:
        return None
    classes = Counter(failure_class_of(outcome) for outcome in remaining)
    steps: dict[str, list[str]] = {}
    for outcome in remaining:
        if_none = CONFLICT_ADVICE if outcome.name == "conflict" else NO_ADVICE
        steps.setdefault(_step(outcome.failure, if_none), []).append(outcome.cell.id)
    worst = next(each for each in reversed(FailureClass) if classes[each])
    return NextSteps(
        worst,
        ", ".join(f"{classes[each]} {each}" for each in FailureClass if classes[each]),
        tuple(
            step if step == RUN_AGAIN else f"{first_names(cells, MAX_NAMED_CELLS)}: {step}"
            for step, cells in steps.items()
        ),
    )


def incomplete_error(problem: str, failures: Iterable[Failure], where: str | None = None) -> IncompleteError:
    """Return the error of a command that some of these failures left incomplete: run again only if that helps."""
    classified = tuple(failures)
    steps = dict.fromkeys(map(_step, classified))
    worst = max((failure.failure_class for failure in classified), key=list(FailureClass).index)
    return IncompleteError(problem, where=where, fix=NEXT_STEP.join(steps), failure_class=worst)


def unreachable_error(unreachable: Mapping[str, Failure]) -> IncompleteError:
    """Return the error of a command that could not read these regions."""
    regions = "; ".join(f"{region} ({failure})" for region, failure in unreachable.items())
    return incomplete_error(f"unreachable regions: {regions}", unreachable.values())


def failure_class_of(outcome: Outcome) -> FailureClass:
    """Return the class of the failure; an interrupted cell is temporary."""
    return outcome.failure.failure_class if outcome.failure else FailureClass.TEMPORARY


def _step(failure: Failure | None, if_none: str = NO_ADVICE) -> str:
    """Return what to do about a failure; ``if_none``: where AWS's error has no advice of its own."""
    if failure is None or failure.failure_class is FailureClass.TEMPORARY:
        return RUN_AGAIN
    return failure.advice or if_none
