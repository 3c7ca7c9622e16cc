"""The common part of ``plan`` and ``publish``: options, preparation, and the output of a plan and a report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from builder.model.errors import UsageError
from builder.model.figures import counted, duration
from builder.model.stop import Stop, StoppableClock
from publisher.cli.console import print_message, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.options import VERSION, LayerVersionType, architecture_option, python_option, region_option, together
from publisher.cli.signals import stopping
from publisher.cli.version_choice import latest_version, named_version

if TYPE_CHECKING:
    from builder.model.matrix import Cell, Matrix
    from publisher.aws.request_log import RequestLog
    from publisher.documents.command_documents import (
        PlanCell,
        PlanDocument,
        PlanPreparation,
        PublishDocument,
        PublishedCell,
    )
    from publisher.reconcile.job import Outcome
    from publisher.reconcile.plan import Action, Plan, Preparation
    from publisher.reconcile.release_run import PublishReport
    from publisher.reconcile.run import Prepared, Run


@dataclass(frozen=True)
class PublishRequest:
    """The values of the options of ``plan`` and ``publish``. Raises UsageError if they contradict each other."""

    version: str
    regions: tuple[str, ...]
    pythons: tuple[str, ...]
    architectures: tuple[str, ...]
    layer_version: int | None
    allow_gap: bool
    rebuild: bool
    reason: str | None

    def __post_init__(self) -> None:
        if self.reason and not self.rebuild:
            raise UsageError("--reason needs --rebuild", fix="add --rebuild, or leave --reason out")
        if self.rebuild and self.layer_version is not None:
            raise UsageError("--rebuild takes a new number", fix="leave --layer-version out")
        if self.allow_gap and self.layer_version is None:
            raise UsageError("--allow-gap needs --layer-version", fix="add --layer-version N, or leave --allow-gap out")


#: The options that ``plan`` and ``publish`` share; their names are the fields of ``PublishRequest``.
request_options = together(
    click.option("--version", type=VERSION, required=True, help="The version; `latest` is the newest stable one."),
    region_option,
    python_option,
    architecture_option,
    click.option("--layer-version", type=LayerVersionType(), help="Require this layer version number."),
    click.option(
        "--allow-gap", is_flag=True, help="Let --layer-version skip numbers; each becomes a placeholder everywhere."
    ),
    click.option("--rebuild", is_flag=True, help="A new release of the same version at a new number (a security fix)."),
    click.option("--reason", help="The reason for the rebuild; it is recorded."),
)


def connect(settings: Settings, request: PublishRequest, wait: timedelta | None = None) -> Run:
    """Check matrix, options, ledger and account before the first request about layers.

    ``wait``: how long the version may be missing on the package index, if it is not in the ledger.
    """
    from builder.model.matrix import parse_version

    matrix = settings.matrix()
    targets = matrix.select(request.pythons, request.architectures)
    regions = matrix.select_regions(request.regions)
    version = request.version if request.version == "latest" else parse_version(request.version)
    ledger = settings.ledger(matrix)
    releases = ledger.releases()
    if wait is not None:
        version = named_version(matrix, targets, request.version, wait, releases)
    elif version == "latest":
        version = latest_version(matrix)

    from publisher.aws.request_log import RequestLog
    from publisher.reconcile.number import RequestedRelease
    from publisher.reconcile.run import Run

    journal, stop = RequestLog(), Stop()
    lambdas = settings.lambdas(matrix, journal, stop)
    selected = tuple(cell for region in regions for cell in matrix.cells_in(region, targets))
    why = (request.reason or "rebuilt") if request.rebuild else None
    requested = RequestedRelease(version, request.layer_version, why, allow_gap=request.allow_gap)
    return Run(matrix, ledger, lambdas, requested, selected, StoppableClock(stop), stop, journal=journal)


def prepare(run: Run) -> Prepared:
    """Observe AWS and plan, without writing. Raises IncompleteError after Ctrl-C."""
    from publisher.reconcile.release_run import prepare as observe_and_plan

    with stopping(run.stop, "nothing was written"), progress() as shown:
        prepared = observe_and_plan(replace(run, progress=shown))
    run.stop.check("nothing was written; run the same command again")
    return prepared


def show_plan(matrix: Matrix, plan: Plan, *, err: bool = False) -> None:
    """Print the plan: the number with its reason, the number of cells for each action, and each special cell."""
    show = print_message if err else print_result
    makes = f"; publishes {plan.placeholders} placeholders" if plan.placeholders else ""
    show(f"{matrix.package} {plan.version} at layer version {plan.number.value} ({plan.number.reason}){makes}")
    granted = matrix.permission.granted
    words = {
        "keep": f"published and {granted}",
        "grant": f"published, to be made {granted}",
        "publish": "to publish",
        "defer": "deferred: region unreachable",
        "conflict": "in conflict",
    }
    for kind, text in words.items():
        if count := plan.counts.get(kind, 0):
            show(f"  {count:4}  {text}")
    if plan.backfills:
        show(f"  {plan.backfills:4}  versions of older releases to backfill first")
    for cell, action in plan.actions.items():
        if note := _note(action):
            show(f"  {cell.id}: {note}")


def _note(action: Action) -> str | None:
    from publisher.reconcile.plan import Conflict, Defer, Publish

    match action:
        case Conflict(reason):
            return f"conflict: {reason}"
        case Defer(failure):
            return f"deferred: {failure}"
        case Publish(first) if first:
            return "first " + ", ".join(map(_preparation_text, first[:6])) + (" …" if len(first) > 6 else "")
        case _:
            return None


def _preparation_text(preparation: Preparation) -> str:
    from publisher.reconcile.plan import Backfill, Copy, Placeholder, Regrant

    match preparation:
        case Placeholder(number):
            return f"{number} as a placeholder"
        case Copy(number, version):
            return f"{number} as a private copy of {version}, which the ledger does not have"
        case Backfill(number, version):
            return f"{number} backfilled from the recorded {version}"
        case Regrant(number):
            return f"{number} with its missing permission"


def plan_json(matrix: Matrix, plan: Plan) -> PlanDocument:
    """Return the JSON of a plan."""
    from publisher.reconcile.plan import Conflict, Defer, Publish

    def preparation_json(preparation: Preparation) -> PlanPreparation:
        return {"kind": type(preparation).__name__.lower(), "number": preparation.number}

    def reason_of(action: Action) -> str | None:
        match action:
            case Conflict(reason):
                return reason
            case Defer(failure):
                return failure.text
        return None

    def cell_json(cell: Cell, action: Action) -> PlanCell:
        return {
            "region": cell.region,
            **cell.target.fields,
            "action": action.kind,
            "preparations": [preparation_json(each) for each in action.first] if isinstance(action, Publish) else [],
            "reason": reason_of(action),
        }

    return {
        "package": matrix.package,
        "version": plan.version,
        "layer_version": plan.number.value,
        "number_reason": plan.number.reason,
        "counts": dict(plan.counts),
        "new_versions": plan.new_versions,
        "placeholders": plan.placeholders,
        "cells": [cell_json(cell, action) for cell, action in plan.actions.items()],
    }


def report_json(matrix: Matrix, report: PublishReport) -> PublishDocument:
    """Return the JSON of a publish, with an entry for every selected cell."""
    return {
        "package": matrix.package,
        "version": report.plan.version,
        "layer_version": report.plan.number.value,
        "complete": report.complete,
        "cells": [_outcome_json(matrix, outcome) for outcome in report.outcomes.values()],
    }


def _outcome_json(matrix: Matrix, outcome: Outcome) -> PublishedCell:
    published = outcome.published if outcome.done else None
    return {
        "region": outcome.cell.region,
        **outcome.cell.target.fields,
        "layer_version": published.number if published else None,
        "arn": matrix.layer_arn(outcome.cell, published.number) if published else None,
        "sha256": published.sha256 if published else None,
        "outcome": outcome.name,
        "error": outcome.error,
        "failure": outcome.failure.failure_class if outcome.failure else None,
        "advice": outcome.failure.advice if outcome.failure else None,
    }


def show_report(matrix: Matrix, report: PublishReport, journal: RequestLog) -> None:
    """Print the summary of a publish: counts, number, time, and every cell that does not have the release."""
    counts = Counter(outcome.name for outcome in report.outcomes.values())
    complete = sum(outcome.done for outcome in report.outcomes.values())
    missing = [outcome for outcome in report.outcomes.values() if not outcome.done]
    if missing:
        print_table(
            ["cell", "outcome", "reason", "AWS request"],
            [[o.cell.id, o.name, o.error or "", o.request_id or ""] for o in missing],
        )
        print_result("")
    prepared = sum(outcome.prepared for outcome in report.outcomes.values())
    parts = [f"{count} {name}" for name, count in counts.most_common()]
    parts += [counted(prepared, "placeholder or backfill", "placeholders and backfills")] if prepared else []
    print_result(
        f"{matrix.package} {report.plan.version} is layer version {report.plan.number.value} "
        f"in {complete} of {counted(len(report.outcomes), 'cell')} ({', '.join(parts)}) "
        f"after {duration(report.seconds)}"
    )
    print_result(journal.line())
