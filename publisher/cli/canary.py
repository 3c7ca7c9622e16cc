"""``layers canary``: test published layers with real functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from builder.model.errors import DriftError
from builder.model.figures import counted, first_names, seconds
from builder.model.stop import Stop
from publisher.cli.console import (
    confirm,
    json_option,
    print_json,
    print_quoted,
    print_result,
    print_table,
    progress,
    require_terminal,
)
from publisher.cli.group import Settings
from publisher.cli.options import query_options
from publisher.cli.signals import stopping
from publisher.report.next_steps import incomplete_error

if TYPE_CHECKING:
    from publisher.canary.cell_selection import Selected
    from publisher.canary.trial import Trial
    from publisher.documents.command_documents import CanaryCell, CanaryDocument

MAX_NAMED_CELLS = 8


@click.command("canary")
@query_options
@click.option("--role", metavar="ARN", help="The role of the functions, instead of the one that `layers infra` makes.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@click.pass_obj
def command(settings: Settings, /, role: str | None, yes: bool, as_json: bool, **options: Any) -> None:
    """Test a recorded release with real functions: create one on each layer, invoke it, delete it.

    Exit code 6: a layer differs from the ledger, or does not work. Exit code 5: a layer could not be tried. A
    layer whose runtime Lambda no longer accepts is listed as "not provable", which is not an error.
    """
    from publisher.aws.identity import check_account
    from publisher.canary.canary_run import Roles, run_canary
    from publisher.canary.cell_selection import select
    from publisher.catalog.index import make_index
    from publisher.catalog.lookup import Query

    query = Query(**options)
    if not yes:
        require_terminal()
    matrix = settings.matrix()
    selected = select(matrix, make_index(matrix, settings.ledger(matrix).releases()), query)
    regions = tuple(dict.fromkeys(case.region for case in selected.cases))
    roles = Roles(matrix, role, regions)
    check_account(matrix)
    if not yes:
        created = counted(len(selected.cases), "function")
        release = f"{selected.package} {selected.version}, layer version {selected.number}"
        confirm(f"Create, invoke and delete {created} on {release}, in {', '.join(regions)}?")
    stop = Stop()
    with progress() as shown, stopping(stop, "deleting the functions that it created"):
        trials = run_canary(roles, selected.cases, shown, stop)
    trials += selected.absent
    if as_json:
        print_json(_document(selected, trials))
    else:
        _show(selected, trials)
    _judge(selected, trials)


def _document(selected: Selected, trials: Sequence[Trial]) -> CanaryDocument:
    return {
        "package": selected.package,
        "version": selected.version,
        "layer_version": selected.number,
        "cells": list(map(_trial_json, trials)),
    }


def _trial_json(trial: Trial) -> CanaryCell:
    case = trial.case
    return {
        "region": case.region,
        **case.target.fields,
        "layer_version": case.number,
        "arn": case.arn,
        "status": trial.status,
        "package_version": trial.package_version,
        "import_seconds": trial.import_seconds,
        "sha256": trial.sha256,
        "reason": trial.reason,
        "failure": trial.failure.failure_class if trial.failure else None,
        "advice": trial.failure.advice if trial.failure else None,
    }


def _show(selected: Selected, trials: Sequence[Trial]) -> None:
    print_table(
        ["cell", "status", "version", "import", "reason"],
        [
            [
                trial.case.id,
                trial.status,
                trial.package_version or "-",
                seconds(trial.import_seconds, "-"),
                trial.reason or "",
            ]
            for trial in trials
        ],
        right=(3,),
    )
    for trial in trials:
        if trial.log:
            print_result("", f"log of {trial.case.id}:")
            print_quoted(trial.log)
    proven = sum(trial.status == "proven" for trial in trials)
    unprovable = [trial.case.id for trial in trials if trial.status == "not provable"]
    print_result(
        "",
        f"{selected.package} {selected.version}, layer version {selected.number}: "
        f"{proven} of {counted(len(trials), 'cell')} proven"
        + (f"; not provable: {first_names(unprovable, MAX_NAMED_CELLS)}" if unprovable else ""),
    )


def _judge(selected: Selected, trials: Sequence[Trial]) -> None:
    """Raise the error of the worst result."""
    failed = [trial.case.id for trial in trials if trial.status == "failed"]
    deferred = [trial for trial in trials if trial.status == "deferred"]
    if failed:
        raise DriftError(
            f"{counted(len(failed), 'layer')} with other bytes than the ledger's, or that cannot be used",
            where=first_names(failed, MAX_NAMED_CELLS),
            fix=f"see the reasons above; yank the release with `layers yank --layer-version {selected.number}`, "
            "or compare all of it with `layers audit`",
        )
    if deferred:
        failures = [trial.failure for trial in deferred if trial.failure]
        where = first_names((trial.case.id for trial in deferred), MAX_NAMED_CELLS)
        raise incomplete_error(f"{counted(len(deferred), 'layer')} could not be tried", failures, where)
