"""``layers smoke``: run a zip as Lambda would, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from publisher.cli import github
from publisher.cli.console import json_option, megabytes, print_json, print_quoted, print_result, print_table, progress
from publisher.cli.options import ARCHITECTURE, PYTHON
from publisher.cli.signals import terminable

if TYPE_CHECKING:
    from builder.smoke import Smoke


@click.command("smoke")
@click.argument("zips", nargs=-1, required=True, metavar="ZIP...", type=click.Path(path_type=Path))
@click.option(
    "--python", type=PYTHON, help="The Python it is for; else by the manifest beside it, its name, its content."
)
@click.option("--arch", "architecture", type=ARCHITECTURE, help="Its architecture, likewise.")
@click.option("--strict", is_flag=True, help="End with 4 also where a zip is unproven.")
@click.option(
    "--times", type=click.IntRange(1, 99), default=1, show_default=True,
    help="Start each zip so often, and show the start that was ready in the median time.",
)  # fmt: skip
@click.option("--record", is_flag=True, help="Keep the figures in smoke.json beside each zip; publish takes them.")
@json_option
def command(
    zips: tuple[Path, ...],
    python: str | None,
    architecture: str | None,
    strict: bool,
    times: int,
    record: bool,
    as_json: bool,
) -> None:
    """Run a layer's zip in Lambda's own runtime client: start, a first and a second invocation.

    A layer with strands-agents answers an agent's turn with a tool call, against a stand-in for Bedrock on this
    machine; of any other the packages are imported. What this machine cannot run is `unproven`, and said to be.
    """
    from builder.inspection import expected_target
    from builder.model.cold_start import record_smoke
    from builder.smoke import smoke_often, smoked

    reports = []
    with progress() as shown, terminable():
        shown.begin("Smoke", len(zips))
        for path in zips:
            report = smoke_often(path, expected_target(path, python, architecture), times)
            reports.append(report)
            if record:
                record_smoke(path.parent, report.sha256, smoked(report))
            shown.step(path.name, report.status)
    if github.is_reporting():
        from publisher.report.proof_summary import smoke_notes, smoke_section

        github.summarize(smoke_section(reports))
        github.annotate(smoke_notes(reports, strict))
    if as_json:
        print_json([report.as_json() for report in reports])
    else:
        _show(reports)
    _refuse(reports, strict)


def _show(reports: Sequence[Smoke]) -> None:
    print_table(
        ["target", "status", "proof", "Python", "import", "ready", "first", "second", "memory"],
        [
            [
                report.target,
                report.status + (" (emulated)" if report.emulated else ""),
                {"agent": "agent turn", "imports": "imports", None: "-"}[report.kind],
                report.interpreter or "-",
                *(
                    _seconds(value)
                    for value in (
                        report.import_seconds, report.ready_seconds, report.first_seconds, report.second_seconds,
                    )
                ),
                megabytes(report.peak_memory) if report.peak_memory else "-",
            ]
            for report in reports
        ],
        right=(4, 5, 6, 7, 8),
    )  # fmt: skip
    for report in reports:
        if report.reason:
            print_result("", f"{report.target} is {report.status}: {report.reason}", f"  {report.zip}")
        if report.output:
            print_quoted(report.output)
        for tried in report.refused:
            print_result("", f"{report.target}: refused {tried}")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _refuse(reports: Sequence[Smoke], strict: bool) -> None:
    from builder.model.errors import BuildError

    bad = [r for r in reports if r.status == "failed" or (strict and r.status == "unproven")]
    if bad:
        raise BuildError(
            f"{len(bad)} of {len(reports)} zips did not pass",
            where=", ".join(report.zip for report in bad),
            fix="see the reasons above",
        )
