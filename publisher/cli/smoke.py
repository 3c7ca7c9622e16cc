"""``layers smoke``: run a layer's zip, or an app on layers, in Lambda's runtime client on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.model.errors import BuildError, InputError, LayersError, UsageError
from builder.model.figures import counted, megabytes, seconds
from builder.model.file_access import read_file
from builder.model.runtimes import Architecture
from publisher.cli import github
from publisher.cli.budget_options import refuse_slow_imports
from publisher.cli.console import json_option, print_json, print_quoted, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath
from publisher.cli.options import zip_target_options

if TYPE_CHECKING:
    from builder.inspection.inspector import Inspection
    from builder.model.target import Target
    from builder.smoke.smoke_test import SmokeReport
    from publisher.ledger.release import Release

_KINDS = {"agent": "agent turn", "imports": "imports", "app": "app", None: "-"}
_MAX_RESPONSE_CHARACTERS = 2000


@click.command("smoke")
@click.argument("zips", nargs=-1, metavar="[ZIP]...", type=LocalPath())
@zip_target_options
@click.option("--strict", is_flag=True, help="Exit with 4 also if a zip is unproven.")
@click.option(
    "--times", type=click.IntRange(1, 99), default=1, show_default=True,
    help="Start each zip this many times, and show the start with the median time.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Show where the import time goes, by package.")
@click.option("--record", is_flag=True, help="Write the figures to smoke.json beside each zip; publish records them.")
@click.option("--app", metavar="APP.ZIP", type=LocalPath(), help="Run this function with the ZIPs as its layers.")
@click.option("--handler", metavar="MODULE.FUNCTION", help="The handler of --app.")
@click.option("--event", metavar="JSON|@FILE", help="The event for the handler of --app.  [default: {}]")
@click.option("--env", "variables", metavar="NAME=VALUE", multiple=True, help="An environment variable of --app.")
@click.option(
    "--model-script", metavar="FILE", type=LocalPath(),
    help="The responses of the Bedrock stand-in to --app: a JSON list of turns.",
)  # fmt: skip
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    zips: tuple[Path, ...],
    python: str | None,
    architecture: str | None,
    strict: bool,
    times: int,
    profile: bool,
    record: bool,
    app: Path | None,
    handler: str | None,
    event: str | None,
    variables: tuple[str, ...],
    model_script: Path | None,
    as_json: bool,
) -> None:
    """Run a layer's zip in Lambda's own runtime client: start, a first and a second invocation.

    With strands-agents in the layer, an agent runs one turn with a tool call against a stand-in for Bedrock on this
    machine. Every package is imported. With --app, a function of your own runs on the layers, and its calls
    of Bedrock go to the stand-in. What this machine cannot run is reported as `unproven`.
    """
    if app is None:
        if handler or event or variables or model_script:
            raise UsageError("--handler, --event, --env and --model-script need --app", fix="add --app app.zip")
        if not zips:
            raise UsageError(
                "there is no zip to run", fix="name a layer's zip, or --app app.zip --handler module.function"
            )
        reports = _smoke_layers(zips, python, architecture, times, profile, record)
    else:
        if not handler or record or profile or times > 1:
            raise UsageError(
                "--app needs --handler, and takes no --record, --profile or --times", fix="--handler module.function"
            )
        reports = [_smoke_app(app, zips, python, architecture, handler, event, variables, model_script)]
    releases = _releases(settings)
    _report_to_github(reports, releases, strict)
    if as_json:
        print_json(reports)
    else:
        _show(reports, releases)
    _refuse(reports, strict)
    refuse_slow_imports(settings, reports, releases)


def _smoke_layers(
    zips: Sequence[Path], python: str | None, architecture: str | None, times: int, profile: bool, record: bool
) -> list[SmokeReport]:
    from builder.inspection.expected_target import expected_target
    from builder.model.cold_start import record_smoke
    from builder.smoke.measurement import smoke_repeatedly, smoke_result

    reports = []
    with progress() as shown:
        shown.begin("Smoke", len(zips))
        for path in zips:
            report = smoke_repeatedly(path, expected_target(path, python, architecture), times, profile=profile)
            reports.append(report)
            if record:
                record_smoke(path.parent, report.sha256, smoke_result(report))
            shown.step(path.name, report.status)
    return reports


def _smoke_app(
    app: Path,
    layers: Sequence[Path],
    python: str | None,
    architecture: str | None,
    handler: str,
    event: str | None,
    variables: Sequence[str],
    model_script: Path | None,
) -> SmokeReport:
    from builder.inspection.expected_target import expected_target
    from builder.inspection.inspector import inspect_zip
    from builder.smoke.bedrock_model import default_model, read_script
    from builder.smoke.smoke_test import App, smoke_app

    model = read_script(model_script) if model_script else default_model
    user_app = App(app, handler, _event(event), model, _variables(variables))
    with progress() as shown:
        inspections = [inspect_zip(path, expected_target(path)) for path in layers]
        target = _app_target(app, inspections, python, architecture)
        shown.note(f"for Python {target.python} on {target.architecture}")
        return smoke_app(user_app, inspections, target)


def _app_target(app: Path, layers: Sequence[Inspection], python: str | None, architecture: str | None) -> Target:
    """Return the target of an app: from the options, else from its layers or its own name, else this machine's."""
    from builder.inspection.expected_target import expected_target
    from builder.model.target import Target, target_of_this_machine

    target = expected_target(app) or target_of_this_machine()
    pythons = [python, *(each.python for each in layers), target.python]
    architectures = [architecture, *(each.architecture for each in layers), target.architecture]
    return Target(
        next(each for each in pythons if each), Architecture(next(each for each in architectures if each)), app.stem
    )


def _event(text: str | None) -> Any:
    try:
        return json.loads(read_file(Path(text[1:]), "the event", 8 << 20) if text and text[0] == "@" else text or "{}")
    except InputError as error:
        raise UsageError(error.what, where="--event", fix="--event JSON, or --event @FILE") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the event is not JSON: {error}", where="--event", fix="""write '{"key": "value"}'"""
        ) from None


def _variables(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise UsageError(f"{name!r} is not NAME=VALUE", where="--env", fix="write it like --env STAGE=test")
    return {name: value for name, _, value in pairs}


def _releases(settings: Settings) -> Sequence[Release]:
    """Return the recorded releases; none without a matrix or ledger here, which a smoke test does not need."""
    if not settings.matrix_path.exists():
        return ()
    try:
        return settings.ledger(settings.matrix()).releases()
    except LayersError:
        return ()


def _report_to_github(reports: Sequence[SmokeReport], releases: Sequence[Release], strict: bool) -> None:
    if github.is_reporting():
        from publisher.report.proof_summary import smoke_notes, smoke_section

        github.report(smoke_section(reports, releases), smoke_notes(reports, strict))


def _show(reports: Sequence[SmokeReport], releases: Sequence[Release]) -> None:
    print_table(
        ["target", "status", "proof", "Python", "import", "ready", "first", "second", "memory"],
        [
            [
                report.target,
                report.status + (" (emulated)" if report.emulated else ""),
                _KINDS[report.kind],
                report.interpreter or "-",
                seconds(report.import_seconds, "-"),
                seconds(report.ready_seconds, "-"),
                seconds(report.first_seconds, "-"),
                seconds(report.second_seconds, "-"),
                megabytes(report.peak_memory, "-"),
            ]
            for report in reports
        ],
        right=(4, 5, 6, 7, 8),
    )
    for report in reports:
        if report.reason:
            print_result("", f"{report.target} is {report.status}: {report.reason}", f"  {report.zip}")
        if report.output:
            print_quoted(report.output)
        if report.kind == "app" and report.status == "proven":
            print_result("", f"response: {json.dumps(report.response)[:_MAX_RESPONSE_CHARACTERS]}")
        for tried in report.refused:
            print_result("", f"{report.target}: refused {tried}")
        if report.imports:
            _show_imports(report, releases)


def _show_imports(report: SmokeReport, releases: Sequence[Release]) -> None:
    from builder.smoke.measurement import smoke_result
    from publisher.report.import_times import HEADERS, import_rows, last_imports, slower

    start = smoke_result(report).cold_start
    name, before = last_imports(start, report.target, releases) if start else ("", ())
    rows = import_rows(report.imports, before)
    print_result("", f"import time of {report.target} by package" + (f", changes since {name}" if name else ""))
    shown = len(HEADERS) + 1 if before else len(HEADERS) - 1
    table = [["  " * (row.depth + 1) + row.now.package, *row.cells][:shown] for row in rows]
    print_table(["  package", *HEADERS][:shown], table, right=tuple(range(1, shown)))
    for line in slower(rows):
        print_result(f"slower: {line}")


def _refuse(reports: Sequence[SmokeReport], strict: bool) -> None:
    bad = [r for r in reports if r.status == "failed" or (strict and r.status == "unproven")]
    if bad:
        raise BuildError(
            f"{len(bad)} of {counted(len(reports), 'zip')} did not pass",
            where=", ".join(report.zip for report in bad),
            fix="see the reasons above",
        )
