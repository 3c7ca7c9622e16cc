"""``layers yank``: yank a release."""

from __future__ import annotations

import sys
from datetime import datetime, timezone

import click

from builder.model.errors import IncompleteError, InputError, UsageError
from publisher.cli.console import confirm, json_option, print_json, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.options import LayerVersion
from publisher.cli.parameter_steps import (
    announce_release,
    check_parameters,
    keep_parameters,
    show_parameters,
    with_parameters,
)


@click.command("yank")
@click.option("--layer-version", type=LayerVersion(), required=True, help="The release's number.")
@click.option("--reason", help="Why; shown in the table and by describe.")
@click.option("--undo", is_flag=True, help="Give the permission back everywhere.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def command(
    settings: Settings, /, layer_version: int, reason: str | None, undo: bool, yes: bool, as_json: bool
) -> None:
    """Take the public permission of a release back in every region, and say so in the table. Deletes nothing.

    Functions that have the layer keep it; nobody can attach it anew.
    """
    from builder.model.clock import SYSTEM_CLOCK
    from publisher.audit.yank import restore, yank
    from publisher.ledger.release import at_number

    if bool(reason) == undo:
        raise UsageError("give --reason TEXT, or --undo")
    if not yes and not sys.stdin.isatty():
        raise UsageError("no terminal to ask on", fix="say --yes")
    matrix = settings.matrix()
    ledger = settings.ledger(matrix)
    release = at_number(ledger.releases(), layer_version)
    if release is None:
        raise InputError(
            f"the ledger has no layer version {layer_version}",
            where=settings.ledger_place,
            fix="look with `layers describe`; `layers sync` records what AWS has",
        )
    if undo and release.yanked is None:
        raise InputError(f"layer version {layer_version} is not yanked")
    lambdas = settings.lambdas(matrix)
    if not yes:
        what = "Make public again" if undo else "Yank"
        confirm(f"{what} {release.package} {release.version} in {len(release.cells)} cells?")
    with progress() as shown:
        if undo:
            changed = restore(matrix, release, ledger, lambdas, SYSTEM_CLOCK, shown)
        else:
            now = datetime.now(timezone.utc).replace(microsecond=0)
            changed = yank(release, reason or "", ledger, lambdas, now, shown)
    kept = keep_parameters(matrix, ledger.releases())
    unannounced = announce_release(matrix, ledger, layer_version)
    failed = [each for each in changed if each.error]
    if as_json:
        print_json(
            with_parameters(
                {
                    "package": release.package,
                    "version": release.version,
                    "layer_version": layer_version,
                    "complete": not failed,
                    "cells": [{"arn": each.record.arn, "error": each.error} for each in changed],
                },
                kept,
            )
        )
    else:
        if failed:
            print_table(["cell", "reason"], [["/".join(each.record.key), each.error or ""] for each in failed])
        done = len(changed) - len(failed)
        state = "public again" if undo else "yanked"
        print_result(f"{release.package} {release.version}, layer version {layer_version}: {done} cells {state}")
        show_parameters(kept)
    if failed:
        raise IncompleteError(f"{len(failed)} cells are not done", fix="run the same command again")
    check_parameters(kept)
    if unannounced:
        raise unannounced
