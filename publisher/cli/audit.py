"""``layers audit``: is the ledger still true."""

from __future__ import annotations

from dataclasses import asdict

import click

from builder.errors import DriftError
from publisher.cli.console import json_option, print_json, print_table, progress
from publisher.cli.group import Settings


@click.command("audit")
@json_option
@click.pass_obj
def command(settings: Settings, /, as_json: bool) -> None:
    """Compare the ledger with AWS, every cell: there, the same bytes, public; and numbers that nobody recorded.

    Only reads. Leaves with 6 where anything differs, with the command that would mend it.
    """
    from publisher.upkeep.audit import audit

    matrix = settings.matrix()
    releases = settings.ledger(matrix).releases()
    lambdas = settings.lambdas(matrix)
    with progress() as shown:
        result = audit(matrix, releases, lambdas, shown)
    if as_json:
        print_json({"checked": result.checked, "drift": [asdict(drift) for drift in result.drifts]})
    else:
        if result.drifts:
            print_table(
                ["region", "target", "number", "problem", "what", "remedy"],
                [
                    [d.region, d.target, str(d.layer_version or ""), d.problem, d.detail, d.remedy]
                    for d in result.drifts
                ],
            )
            click.echo("")
        click.echo(
            f"{result.checked} recorded layer versions of {len(releases)} releases compared; "
            + (f"{len(result.drifts)} findings" if result.drifts else "everything is as recorded")
        )
    if result.drifts:
        raise DriftError(f"the ledger and AWS differ in {len(result.drifts)} places")
