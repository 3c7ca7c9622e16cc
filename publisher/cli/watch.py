"""``layers watch``: report what needs doing, from the package index, the ledger and the advisories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import click

from builder.model.errors import UsageError
from builder.model.figures import counted
from builder.model.regions import ALWAYS_ENABLED, partition_of
from publisher.cli.console import json_option, print_document, print_json, print_result, print_table
from publisher.cli.group import Settings
from publisher.cli.options import VERSION
from publisher.cli.version_choice import named_version, wait_option

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from publisher.ledger.release import Release
    from publisher.watch.matrix_gaps import Offer
    from publisher.watch.rebuild import AdvisoryReport
    from publisher.watch.watch_report import WatchReport

#: Rows of the table for versions that are held back.
MAX_HELD_BACK_ROWS = 10


@click.command("watch")
@click.option(
    "--version", type=VERSION, help="Only check that this version is on the package index; `latest`: print the newest."
)
@wait_option
@click.option("--advisories", is_flag=True, help="Also check the packages of the newest release for advisories.")
@click.option("--aws", "read_aws", is_flag=True, help="Also read from AWS which regions and Pythons Lambda offers.")
@click.option(
    "--format", "form", type=click.Choice(["table", "github"]), default="table", show_default=True,
    help="`github`: lines for a workflow's $GITHUB_OUTPUT.",
)  # fmt: skip
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    version: str | None,
    wait: timedelta | None,
    advisories: bool,
    read_aws: bool,
    form: str,
    as_json: bool,
) -> None:
    """Report what needs doing: new versions, incomplete releases, rebuilds; and what the matrix misses.

    Reads the package index and the ledger, and writes nothing. With --version: exit code 3 if the version is not on
    the index, or is yanked.
    """
    if as_json and form == "github":
        raise UsageError("--json and --format github exclude each other", fix="give one of them")
    if wait is not None and version is None:
        raise UsageError("--wait needs --version", fix="name the version to wait for: --version V")
    if version is not None and (advisories or read_aws):
        raise UsageError("--advisories and --aws are about the whole matrix", fix="leave --version out")
    matrix = settings.matrix()
    ledger = settings.ledger(matrix)
    if version is not None:
        choice = named_version(matrix, matrix.targets, version, wait, ledger.releases())
        _show_named(matrix, choice, ledger.releases(), form, as_json)  # read again, because the wait may be long
    else:
        _show(matrix, _report(matrix, ledger.releases(), advisories, read_aws), form, as_json)


def _report(matrix: Matrix, releases: Sequence[Release], advisories: bool, read_aws: bool) -> WatchReport:
    from publisher.watch.incomplete_releases import incomplete
    from publisher.watch.matrix_gaps import find_gaps
    from publisher.watch.package_index import versions_on_index
    from publisher.watch.policy import choose, newest_on_index, recorded_versions
    from publisher.watch.watch_report import WatchReport

    on_index = versions_on_index(matrix.package)
    newest = newest_on_index(on_index)
    now = datetime.now(timezone.utc)
    return WatchReport(
        matrix.package,
        newest.name if newest else None,
        choose(matrix.releases, on_index, recorded_versions(releases), matrix.targets, now),
        incomplete(matrix, releases),
        _examine(matrix, releases) if advisories else None,
        find_gaps(matrix, _offer(matrix, read_aws), now.date()),
        now.date(),
    )


def _offer(matrix: Matrix, read_aws: bool) -> Offer:
    from publisher.watch.matrix_gaps import offer_in_aws, offer_in_botocore

    partition = partition_of(matrix.regions[0])
    offer = offer_in_botocore(partition)
    return offer | offer_in_aws(ALWAYS_ENABLED.get(partition, matrix.regions[0])) if read_aws else offer


def _examine(matrix: Matrix, releases: Sequence[Release]) -> AdvisoryReport:
    from builder.resolve.resolver import resolve
    from publisher.watch.advisories import PipAudit
    from publisher.watch.rebuild import examine

    return examine(matrix, releases, PipAudit(), lambda version, target: resolve(matrix, version, target))


def _show_named(matrix: Matrix, version: str, releases: Sequence[Release], form: str, as_json: bool) -> None:
    from publisher.watch.watch_report import has_locks, outputs

    if as_json:
        print_json({"package": matrix.package, "version": version, "versions": [version]})
    elif form == "github":
        locked = has_locks(matrix, releases, version)
        print_document(outputs(version, [version], None, f"{version} was requested", locked=locked))
    else:
        print_result(version)


def _show(matrix: Matrix, report: WatchReport, form: str, as_json: bool) -> None:
    from publisher.watch.watch_report import outputs, report_json

    release = report.choice.release
    if as_json:
        print_json(report_json(report))
    elif form == "github":
        new = release.version if release else None
        print_document(outputs(new, report.versions, report.rebuild, report.reason(matrix)))
    else:
        _show_table(matrix, report)


def _show_table(matrix: Matrix, report: WatchReport) -> None:
    from publisher.watch.watch_report import describe_held_back, gap_lines, missing_words, named_words

    choice, advisories = report.choice, report.advisories
    rows = [["complete", each.version, missing_words(each, matrix)] for each in report.incomplete]
    rows += [["release", choice.release.version, choice.release.reason]] if choice.release else []
    if advisories and advisories.release:
        version = advisories.release.version
        rows += [["rebuild", version, f"{named_words(n)}: {', '.join(n.targets)}"] for n in advisories.fixed]
        rows += [["no fix", version, f"{named_words(n)}: {n.reason}"] for n in advisories.unfixed]
        rows += [["not known", version, each] for each in advisories.unknown]
    rows += [
        ["held back", held_back.version, describe_held_back(held_back)]
        for held_back in choice.held_back[:MAX_HELD_BACK_ROWS]
    ]
    if rows:
        print_table(["what", "version", "why"], rows)
        print_result("")
    if (more := len(choice.held_back) - MAX_HELD_BACK_ROWS) > 0:
        print_result(f"{counted(more, 'older version is', 'older versions are')} held back as well")
    for line in gap_lines(report):
        print_result(line)
    print_result(f"{report.package}: the newest on the package index is {report.newest or 'none'}; {_to_do(report)}")


def _to_do(report: WatchReport) -> str:
    commands = [f"layers publish --version {version}" for version in report.versions]
    if report.rebuild:
        commands.append(f"layers publish --version {report.rebuild} --rebuild")
    return "to do: " + ", ".join(commands) if commands else "nothing to do"
