"""``layers plan``: what ``publish`` would do."""

from __future__ import annotations

from typing import Any

import click

from publisher.cli.console import json_option, print_json, progress
from publisher.cli.group import Settings
from publisher.cli.releasing import make_request, plan_json, prepare, request_options, show_plan


@click.command("plan")
@request_options
@json_option
@click.pass_obj
def command(settings: Settings, /, as_json: bool, **options: Any) -> None:
    """Show what publish would do with this version, cell by cell. Nothing is written anywhere."""
    with progress() as shown:
        session = prepare(settings, make_request(**options), shown)
    if as_json:
        print_json(plan_json(session.matrix, session.prepared.plan))
    else:
        show_plan(session.matrix, session.prepared.plan)
