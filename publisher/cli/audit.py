"""``layers audit``: compare the ledger with AWS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from builder.model.errors import NEXT_STEP, DriftError, IncompleteError, UsageError
from builder.model.figures import counted
from builder.model.stop import Stop
from publisher.cli import github
from publisher.cli.console import (
    confirm,
    json_option,
    print_json,
    print_result,
    print_table,
    progress,
    require_terminal,
)
from publisher.cli.group import Settings
from publisher.cli.parameter_steps import parameter_drifts, refresh_parameters, show_parameters, with_parameters
from publisher.cli.signals import stopping

if TYPE_CHECKING:
    from publisher.audit.audit import Drift


@click.command("audit")
@click.option("--repair", is_flag=True, help="Write the SSM parameters that differ, if the matrix has some.")
@click.option("--yes", is_flag=True, help="Repair without asking for confirmation.")
@json_option
@click.pass_obj
def command(settings: Settings, /, repair: bool, yes: bool, as_json: bool) -> None:
    """Compare the ledger with AWS in every cell: bytes, version, permissions, and unexpected versions.

    Only reads from AWS, unless --repair is given. Exit code 6: something differs; each finding has the command that
    fixes it. Exit code 5: nothing differs, but a region could not be read.
    """
    from publisher.audit.audit import audit
    from publisher.aws.lease import lease

    matrix = settings.matrix()
    if repair and matrix.parameters is None:
        raise UsageError("--repair writes SSM parameters, and the matrix has none", fix="leave it out")
    if repair and not yes:
        require_terminal("add --yes, or run without --repair first")
    ledger, stop = settings.ledger(matrix), Stop()
    releases = ledger.releases()
    lambdas = settings.lambdas(matrix, stop=stop)
    with progress() as shown:
        result = audit(matrix, releases, lambdas, shown)
    drifts = [*result.drifts, *parameter_drifts(matrix, releases)]
    repaired = None
    if repair and (count := sum(drift.problem == "parameter" for drift in drifts)):
        if not yes:
            confirm(f"Write {counted(count, 'parameter')}?")
        with stopping(stop), lease(matrix, stop):
            repaired = refresh_parameters(matrix, ledger, stop)
        stop.check("run the same command again: it writes the parameters that still differ")
        drifts = [*result.drifts, *parameter_drifts(matrix, ledger.releases())]
    if github.is_reporting():
        from publisher.report.proof_summary import audit_notes, audit_section

        github.report(audit_section(result.checked, len(releases), drifts), audit_notes(drifts))
    if as_json:
        document = {"checked": result.checked, "drift": drifts}
        print_json(with_parameters(document, repaired))
    else:
        _show(result.checked, len(releases), drifts)
        show_parameters(repaired)
    _judge(drifts)


def _judge(drifts: Sequence[Drift]) -> None:
    """Raise DriftError if anything differs, else IncompleteError if a region could not be read."""
    differing = [drift for drift in drifts if drift.problem != "unreachable"]
    if differing:
        raise DriftError(
            f"the ledger and AWS differ in {counted(len(differing), 'place')}",
            fix="run the command that each finding names",
        )
    if drifts:
        raise IncompleteError(
            "nothing differs, but regions could not be read: " + ", ".join(dict.fromkeys(d.region for d in drifts)),
            fix=NEXT_STEP.join(dict.fromkeys(drift.remedy for drift in drifts)),
        )


def _show(checked: int, releases: int, drifts: Sequence[Drift]) -> None:
    if drifts:
        print_table(
            ["region", "target", "number", "problem", "what", "remedy"],
            [drift.cells for drift in drifts],
        )
        print_result("")
    print_result(
        f"{counted(checked, 'recorded layer version')} of {counted(releases, 'release')} compared; "
        + (counted(len(drifts), "finding") if drifts else "everything is as recorded")
    )
