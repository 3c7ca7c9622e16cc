"""``layers targets``: list the targets of the matrix."""

from __future__ import annotations

import json

import click

from builder.model.errors import UsageError
from builder.model.figures import counted
from builder.model.regions import is_enabled_by_default
from publisher.cli.console import json_option, print_json, print_result, print_table
from publisher.cli.group import Settings


@click.command("targets")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "github", "regions", "home"]),
    default="table",
    show_default=True,
)
@click.option(
    "--by", type=click.Choice(["target", "python"]), default="target", show_default=True,
    help="With --format github: one job for each target, or for each Python.",
)  # fmt: skip
@json_option
@click.pass_obj
def command(settings: Settings, form: str, by: str, as_json: bool) -> None:
    """List the targets of the matrix, each one Python × one architecture, and its regions.

    ``--format github`` prints the JSON for a workflow's ``strategy.matrix`` on one line; ``--format regions`` the
    regions, one on each line; ``--format home`` the first one that every account has enabled, for the AWS clients of a
    workflow.
    """
    from builder.model.findings import dotted

    matrix = settings.matrix()
    if by == "python" and form != "github":
        raise UsageError("--by needs --format github", fix="add --format github")
    if form == "github":
        rows = [{"target": target.id, **target.fields} for target in matrix.targets]
        jobs = rows if by == "target" else [{"python": python} for python in matrix.python]
        print_result(json.dumps({"include": jobs}, separators=(",", ":")))
    elif form == "regions":
        print_result(*matrix.regions)
    elif form == "home":
        print_result(next(filter(is_enabled_by_default, matrix.regions), matrix.regions[0]))
    elif form == "json" or as_json:
        regions = list(matrix.regions)
        print_json([{"target": target.id, **target.fields, "regions": regions} for target in matrix.targets])
    else:
        print_table(
            ["target", "layer name", "runtime"],
            [[t.id, t.layer_name, f"{t.runtime.system}, glibc {dotted(t.runtime.glibc)}"] for t in matrix.targets],
        )
        print_result(
            "",
            f"{counted(len(matrix.targets), 'target')} × {counted(len(matrix.regions), 'region')} = "
            f"{counted(len(matrix.cells), 'cell')} "
            f"of {matrix.requirement} in account {matrix.account}",
            ", ".join(matrix.regions),
        )
