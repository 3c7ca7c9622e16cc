"""``layers describe``: look up layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from builder.model.errors import UsageError
from builder.model.figures import megabytes
from publisher.catalog.snippets import FORMATS
from publisher.cli.console import (
    json_option,
    print_document,
    print_json,
    print_message,
    print_result,
    print_table,
    progress,
)
from publisher.cli.group import Settings
from publisher.cli.options import query_options
from publisher.report.next_steps import unreachable_error

if TYPE_CHECKING:
    from publisher.audit.live_state import LiveCell
    from publisher.catalog.index import Row
    from publisher.catalog.lookup import Query


@click.command("describe")
@query_options
@click.option("--live", is_flag=True, help="Read the layer versions from AWS and compare them with the ledger.")
@click.option("--index", "index_source", metavar="FILE|URL", help="Read a layers.json instead of matrix and ledger.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", *FORMATS], case_sensitive=False), default="table",
    show_default=True, help="A table, JSON, or a snippet for a tool.",
)  # fmt: skip
@json_option
@click.pass_obj
def command(
    settings: Settings, /, index_source: str | None, form: str, live: bool, as_json: bool, **options: Any
) -> None:
    """Look up the layers of a region: of the newest release, or of a version or number.

    Reads the ledger, or with --index a published layers.json alone. A snippet has the plain ARN if one region was asked
    for, and maps each region to its ARN otherwise.
    """
    from publisher.catalog.lookup import Query, select

    query = Query(**options)
    if as_json and form in FORMATS:
        raise UsageError(f"--json and --format {form} exclude each other", fix="give one of them")
    if live and index_source:
        raise UsageError("--live compares AWS with the ledger", fix="leave --index out")
    form = "json" if as_json else form
    if live:
        _show_live(settings, query, form)
        return
    selection = select(settings.index(index_source, query.regions), query)
    _show(selection.rows, selection.notes, form)


def _show(rows: Sequence[Row], notes: Sequence[str], form: str) -> None:
    from publisher.catalog.snippets.render import snippet

    for note in notes:
        print_message(f"note: {note}")
    if form == "json":
        print_json(rows)
    elif form == "table":
        _table(rows)
    elif rows:
        print_document(snippet(form, rows))


def _table(rows: Sequence[Row]) -> None:
    first = rows[0]
    state = f", {first.yanked}" if first.yanked else ""
    print_result(f"{first.package} {first.version}, layer version {first.layer_version}{state}", "")
    print_table(
        ["region", "python", "architecture", "size", "unzipped", "published", "arn"],
        [
            [
                row.region,
                row.python,
                str(row.architecture),
                megabytes(row.size),
                megabytes(row.unzipped_size, "?"),
                f"{row.published:%Y-%m-%d}",
                row.arn,
            ]
            for row in rows
        ],
        right=(3, 4),
    )


def _show_live(settings: Settings, query: Query, form: str) -> None:
    from publisher.audit.live_state import read_live_state
    from publisher.aws.connect import connect_all
    from publisher.aws.identity import account
    from publisher.catalog.index import make_index
    from publisher.catalog.lookup import check

    matrix = settings.matrix()
    releases = settings.ledger(matrix).releases()
    check(make_index(matrix, releases), query)  # fail before any request to AWS
    own_account = account(matrix) == matrix.account
    with progress() as shown:
        report = read_live_state(matrix, releases, query, connect_all(matrix), own_account, shown)
    rows = [cell.row for cell in report.cells if cell.row is not None]
    if form == "json":
        print_json([row for cell in report.cells if (row := cell.live_row)])
    elif form == "table":
        _live_table(report.cells)
    else:
        _show(rows, (), form)
    for cell in report.cells:
        for difference in cell.differences:
            print_message(f"difference: {cell.cell}: {difference}")
    if report.failures:
        raise unreachable_error(report.failures)


def _live_table(cells: Sequence[LiveCell]) -> None:
    words = {True: "yes", False: "no", None: "?"}
    print_table(
        ["region", "python", "architecture", "version", "size", "public", "as recorded", "arn"],
        [
            [
                row.region,
                row.python,
                str(row.architecture),
                row.version,
                megabytes(row.size),
                words[cell.public],
                "no" if cell.differences else "yes",
                row.arn,
            ]
            for cell in cells
            if (row := cell.row) is not None
        ],
        right=(4,),
    )
