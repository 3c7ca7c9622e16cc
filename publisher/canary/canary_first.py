"""``publish --canary-first``: run the canary between the first region and the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from builder.model.errors import FailureClass
from publisher.aws.gateway import Failure
from publisher.canary.canary_run import Roles, describe_trial, run_canary
from publisher.canary.trial import Trial
from publisher.canary.verdict import Case
from publisher.reconcile.execute import CanaryRegion
from publisher.reconcile.job import Outcome
from publisher.reconcile.run import Run

BROKEN_LAYER_ADVICE = "fix the package and publish its next version, or publish a new build with --rebuild"


def canary_in(run: Run, region: str, roles: Roles) -> CanaryRegion:
    """Publish this region first, and the others only if the canary succeeds there.

    A layer for which Lambda creates no functions is reported and does not stop the release.
    """

    def check(outcomes: Sequence[Outcome]) -> Failure | None:
        cases = [
            Case(
                region,
                each.cell.target,
                published.number,
                published.arn,
                published.sha256,
                roles.matrix.package,
                run.requested.version,
            )
            for each in outcomes
            if (published := each.published) is not None
        ]
        trials = run_canary(roles, cases, run.progress, run.stop, run.journal)
        for trial in trials:
            if trial.status == "not provable":
                run.progress.note(f"{trial.case.id}: {describe_trial(trial)}")
        bad = [trial for trial in trials if trial.is_bad]
        if not bad:
            return None
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        return _failure(bad[0], f"the canary failed: {bad[0].case.id}, {describe_trial(bad[0])}{more}")

    return CanaryRegion(region, check)


def _failure(trial: Trial, text: str) -> Failure:
    """Return why the other regions are not published. Running it again does not help if a layer does not work."""
    if trial.status == "failed" and trial.failure is None:
        return Failure(text, FailureClass.PERMANENT, BROKEN_LAYER_ADVICE)
    return replace(trial.failure or Failure(text), text=text)
