"""``layers plan``: what ``publish`` would do."""

from __future__ import annotations

from typing import Any

import click

from builder.model.errors import IncompleteError
from publisher.cli.console import json_option, print_json
from publisher.cli.group import Settings
from publisher.cli.release_options import PublishRequest, connect, plan_json, prepare, request_options, show_plan


@click.command("plan")
@request_options
@click.option("--exit-status", is_flag=True, help="Exit with 5 if publish has something to do, with 0 if not.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, exit_status: bool, as_json: bool, **options: Any) -> None:
    """Show what publish would do with this version, cell by cell. Nothing is written anywhere."""
    settings: Settings = ctx.obj
    run = connect(settings, PublishRequest(**options))
    plan = prepare(run).plan
    if as_json:
        print_json(plan_json(run.matrix, plan))
    else:
        show_plan(run.matrix, plan)
    if exit_status and set(plan.counts) - {"keep"}:
        ctx.exit(IncompleteError.exit_code)
