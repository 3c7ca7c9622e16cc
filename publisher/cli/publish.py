"""``layers publish``: bring every cell to a release."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from builder.errors import IncompleteError, InputError, UsageError
from publisher.cli import github
from publisher.cli.console import json_option, print_json, progress
from publisher.cli.group import Settings
from publisher.cli.parameters import check_parameters, keep_parameters, show_parameters, with_parameters
from publisher.cli.releasing import (
    Session,
    connect,
    make_request,
    plan_json,
    prepare,
    report_json,
    request_options,
    show_plan,
    show_report,
)

if TYPE_CHECKING:
    from builder.artifact import Manifest
    from publisher.parameters.keep import Kept
    from publisher.reconcile.execute import Stop
    from publisher.reconcile.run import Report


@click.command("publish")
@request_options
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take the zips of this folder (made by `layers build`) instead of building.",
)
@click.option(
    "--max-versions",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Refuse a plan that makes more layer versions than this.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop, as `layers plan` does.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    artifacts: Path | None,
    max_versions: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring every cell of the matrix to a release, at one number, from whatever state it is in.

    Builds what is missing, publishes, grants, reads back and records. Run it again after any failure: it does what is
    left. Leaves with 5 where cells are not at the release yet, each named with its reason.
    """
    from publisher.aws.lease import lease

    request = make_request(**options)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError("no terminal to ask on", fix="say --yes, or look first with `layers plan`")
    given = _read_artifacts(artifacts) if artifacts else None
    session = connect(settings, request)
    checked = _check(given, session) if given else None
    if dry_run:
        with progress() as shown:
            plan = prepare(session, shown).plan
        print_json(plan_json(session.matrix, plan)) if as_json else show_plan(session.matrix, plan)
        return
    with lease(session.matrix):
        report = _publish(session, checked, max_versions, yes)
        kept = None if report.stopped else keep_parameters(session.matrix, session.ledger.releases())
    _tell_github(session, report, kept)
    if as_json:
        print_json(with_parameters(report_json(session.matrix, report), kept))
    else:
        show_report(session.matrix, report, session.journal)
        show_parameters(kept)
    if not report.complete:
        left = sum(not outcome.done for outcome in report.outcomes.values())
        raise IncompleteError(
            f"{left} of {len(report.outcomes)} cells are not at the release"
            + (f"; stopped: {report.stopped}" if report.stopped else ""),
            fix="run the same command again; it does what is left",
        )
    check_parameters(kept)


def _tell_github(session: Session, report: Report, kept: Kept | None) -> None:
    if github.listens():
        from publisher.summary.publish import cell_notes, publish_section

        releases = session.ledger.releases()
        github.summarize(publish_section(session.matrix, report, session.journal.line(), releases, kept))
        github.annotate(cell_notes(session.matrix, report))


def _publish(session: Session, artifacts: tuple[Path, Manifest] | None, max_versions: int, yes: bool) -> Report:
    """Observe, plan, show, ask, carry out."""
    from publisher.aws.pace import SYSTEM_CLOCK
    from publisher.reconcile.execute import Stop
    from publisher.reconcile.run import carry_out

    with progress() as shown:
        prepared = prepare(session, shown)
    plan = prepared.plan
    show_plan(session.matrix, plan, err=True)
    if plan.new_versions > max_versions:
        raise InputError(
            f"the plan makes {plan.new_versions} layer versions, more than --max-versions {max_versions}",
            fix="look at the plan; if it is right, give a higher --max-versions",
        )
    if not yes and (plan.new_versions or plan.counts.get("grant")):
        click.confirm("Carry this out?", abort=True, err=True)
    stop = Stop()
    with progress() as shown, _stopping(stop):
        return carry_out(
            session.matrix, prepared, session.ledger, session.lambdas, artifacts, SYSTEM_CLOCK, shown, stop
        )


def _read_artifacts(folder: Path) -> tuple[Path, Manifest]:
    from builder.artifact import read_manifest

    return folder, read_manifest(folder)


def _check(given: tuple[Path, Manifest], session: Session) -> tuple[Path, Manifest]:
    from publisher.reconcile.run import check_artifacts

    return check_artifacts(*given, session.matrix, session.wanted.version)


@contextmanager
def _stopping(stop: Stop) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the run in order; the second at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop:
            raise KeyboardInterrupt
        click.echo("stopping: what is in flight is finished and recorded (again to stop at once)", err=True)
        stop(f"interrupted by {signal.Signals(number).name}")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
