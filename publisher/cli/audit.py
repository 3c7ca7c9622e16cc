"""``layers audit``: is the ledger still true."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from builder.model.errors import DriftError, UsageError
from publisher.cli import github
from publisher.cli.console import confirm, json_option, print_json, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.parameter_steps import keep_parameters, parameter_drifts, show_parameters, with_parameters

if TYPE_CHECKING:
    from publisher.audit.audit import Drift


@click.command("audit")
@click.option("--repair", is_flag=True, help="Write the SSM parameters that differ, where the matrix has some.")
@click.option("--yes", is_flag=True, help="Do not ask before repairing.")
@json_option
@click.pass_obj
def command(settings: Settings, /, repair: bool, yes: bool, as_json: bool) -> None:
    """Compare the ledger with AWS, every cell: there, the same bytes, public; and numbers that nobody recorded.

    Only reads, unless told to --repair. Leaves with 6 where anything differs, with the command that would mend it.
    """
    from publisher.audit.audit import audit

    matrix = settings.matrix()
    if repair and matrix.parameters is None:
        raise UsageError("--repair writes SSM parameters, and the matrix has none", fix="leave it out")
    if repair and not yes and not sys.stdin.isatty():
        raise UsageError("no terminal to ask on", fix="say --yes, or look first without --repair")
    releases = settings.ledger(matrix).releases()
    lambdas = settings.lambdas(matrix)
    with progress() as shown:
        result = audit(matrix, releases, lambdas, shown)
    drifts = [*result.drifts, *parameter_drifts(matrix, releases)]
    kept = None
    if repair and (count := sum(drift.problem == "parameter" for drift in drifts)):
        if not yes:
            confirm(f"Mend {count} parameters?")
        kept = keep_parameters(matrix, releases)
        drifts = [*result.drifts, *parameter_drifts(matrix, releases)]
    if github.is_reporting():
        from publisher.report.proof_summary import audit_notes, audit_section

        github.summarize(audit_section(result.checked, len(releases), drifts))
        github.annotate(audit_notes(drifts))
    if as_json:
        document = {"checked": result.checked, "drift": [asdict(drift) for drift in drifts]}
        print_json(with_parameters(document, kept))
    else:
        _show(result.checked, len(releases), drifts)
        show_parameters(kept)
    if drifts:
        raise DriftError(f"the ledger and AWS differ in {len(drifts)} places")


def _show(checked: int, releases: int, drifts: Sequence[Drift]) -> None:
    if drifts:
        print_table(
            ["region", "target", "number", "problem", "what", "remedy"],
            [[d.region, d.target, str(d.layer_version or ""), d.problem, d.detail, d.remedy] for d in drifts],
        )
        print_result("")
    print_result(
        f"{checked} recorded layer versions of {releases} releases compared; "
        + (f"{len(drifts)} findings" if drifts else "everything is as recorded")
    )
