"""``layers publish``: bring every cell to a release."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.model.errors import NEXT_STEP, FailureClass, IncompleteError, InputError, LayersError, UsageError
from builder.model.figures import counted
from builder.model.stop import Stop
from publisher.cli import github
from publisher.cli.console import confirm, json_option, print_json, print_message, progress, require_terminal
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath
from publisher.cli.parameter_steps import (
    announce_release,
    check_parameters,
    refresh_parameters,
    show_parameters,
    with_parameters,
)
from publisher.cli.release_options import (
    PublishRequest,
    connect,
    plan_json,
    prepare,
    report_json,
    request_options,
    show_plan,
    show_report,
)
from publisher.cli.signals import stopping
from publisher.cli.version_choice import wait_option
from publisher.report.next_steps import RUN_AGAIN, next_steps

if TYPE_CHECKING:
    from builder.model.artifact import BuildOutput
    from publisher.canary.canary_run import Roles
    from publisher.parameters.update import ParameterUpdate
    from publisher.reconcile.release_run import PublishReport
    from publisher.reconcile.run import Run


@click.command("publish")
@request_options
@wait_option
@click.option(
    "--artifacts",
    type=LocalPath(file_okay=False),
    help="Publish the zips of this folder (written by `layers build`) instead of building.",
)
@click.option(
    "--max-versions",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Refuse a plan that publishes more layer versions than this.",
)
@click.option(
    "--canary-first",
    is_flag=True,
    help="Publish in one region first; in the others after the canary has succeeded there.",
)
@click.option(
    "--canary-region", metavar="REGION", help="The region for --canary-first.  [default: the first selected one]"
)
@click.option("--canary-role", metavar="ARN", help="The role of its functions, as for `layers canary --role`.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop, as `layers plan` does.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    wait: timedelta | None,
    artifacts: Path | None,
    max_versions: int,
    canary_first: bool,
    canary_region: str | None,
    canary_role: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring every cell of the matrix to a release, at one layer version number, from any state.

    Builds what is missing, publishes, grants, reads back and records. Run it again after a failure: it does the
    remaining work. Exits with 5 if cells are not at the release yet, and names each with its reason. With
    --canary-first the other regions are published only if real functions prove the layers of the first region.
    """
    from builder.model.artifact import BuildOutput, read_manifest
    from publisher.aws.lease import lease

    request = PublishRequest(**options)
    if not (yes or dry_run):
        require_terminal("add --yes, or run `layers plan` first")
    if (canary_region or canary_role) and not canary_first:
        raise UsageError("--canary-region and --canary-role need --canary-first", fix="add --canary-first")
    if wait is not None and artifacts:
        raise UsageError(
            "--wait and --artifacts exclude each other: the zips are already built", fix="leave --wait out"
        )
    build = BuildOutput(artifacts, read_manifest(artifacts)) if artifacts else None
    run = connect(settings, request, wait)
    matrix = run.matrix
    canary = _canary(run, canary_region, canary_role) if canary_first else None
    if build:
        from publisher.reconcile.release_run import check_artifacts

        run = replace(run, requested=replace(run.requested, digests=build.manifest.digests))
        check_artifacts(build, matrix, run.requested.version)
    if dry_run:
        plan = prepare(run).plan
        print_json(plan_json(matrix, plan)) if as_json else show_plan(matrix, plan)
        return
    with lease(matrix, run.stop):
        report = _publish(run, build, max_versions, yes, canary)
        with stopping(run.stop):
            stopped = report.stopped and not report.complete
            parameters = None if stopped else refresh_parameters(matrix, run.ledger, run.stop)
            unannounced = announce_release(matrix, run.ledger, report.plan.number.value)
    _tell_github(run, report, parameters)
    if as_json:
        print_json(with_parameters(report_json(matrix, report), parameters))
    else:
        show_report(matrix, report, run.journal)
        show_parameters(parameters)
    if not report.complete:
        raise _incomplete(report)
    check_parameters(parameters)
    if unannounced:
        raise unannounced


def _incomplete(report: PublishReport) -> LayersError:
    remaining = sum(not outcome.done for outcome in report.outcomes.values())
    steps = next_steps(report.outcomes.values())
    cells = counted(len(report.outcomes), "cell is", "cells are")
    texts = (
        f"{remaining} of {cells} not at the release ({steps.counts})" if steps else None,
        f"stopped: {report.stopped}" if report.stopped else None,
        report.waited,
    )
    failure_class = steps.failure_class if steps else FailureClass.TEMPORARY
    kind = LayersError if failure_class is FailureClass.DEFECT else IncompleteError
    fix = NEXT_STEP.join(steps.steps) if steps else RUN_AGAIN
    return kind("; ".join(filter(None, texts)), fix=fix, failure_class=failure_class)


def _canary(run: Run, region: str | None, role: str | None) -> tuple[str, Roles]:
    """Return the region to publish first, and the role of its functions."""
    from publisher.canary.canary_run import Roles

    selected = tuple(dict.fromkeys(cell.region for cell in run.selected))
    if region is not None and region not in selected:
        raise InputError(
            f"--canary-region {region} is not among the selected regions", fix=f"name one of {', '.join(selected)}"
        )
    region = region or selected[0]
    return region, Roles(run.matrix, role, (region,))


def _tell_github(run: Run, report: PublishReport, parameters: ParameterUpdate | None) -> None:
    if github.is_reporting():
        from publisher.report.publish_summary import cell_notes, publish_section

        section = publish_section(run.matrix, report, run.journal.line(), run.ledger.releases(), parameters)
        github.report(section, cell_notes(run.matrix, report))


def _publish(
    run: Run, artifacts: BuildOutput | None, max_versions: int, yes: bool, canary: tuple[str, Roles] | None
) -> PublishReport:
    """Observe AWS, show the plan, ask for confirmation, and execute it."""
    from publisher.canary.canary_first import canary_in
    from publisher.reconcile.release_run import carry_out

    prepared = prepare(run)
    plan = prepared.plan
    show_plan(run.matrix, plan, err=True)
    if plan.new_versions > max_versions:
        raise InputError(
            f"the plan publishes {plan.new_versions} layer versions, more than --max-versions {max_versions}",
            fix="check the plan; if it is right, use a higher --max-versions",
        )
    if canary:
        print_message(f"  {canary[0]} is published first, the others after its canary has succeeded")
    if not yes and (plan.new_versions or plan.counts.get("grant") or canary):
        confirm("Execute this plan?")
    with progress() as shown, stopping(run.stop):
        prepared = replace(prepared, progress=shown, stop=Stop(run.stop))  # it may stop, and the command goes on
        return carry_out(prepared, artifacts, canary_in(prepared, *canary) if canary else None)
