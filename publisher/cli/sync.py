"""``layers sync``: rebuild the ledger from AWS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from builder.model.stop import Stop
from publisher.cli.console import json_option, print_json, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.signals import stopping
from publisher.report.next_steps import unreachable_error

if TYPE_CHECKING:
    from publisher.documents.command_documents import SyncedRelease


@click.command("sync")
@json_option
@click.pass_obj
def command(settings: Settings, /, as_json: bool) -> None:
    """Rebuild the ledger from AWS: for layers that were published by hand, or a ledger that was lost.

    Changes nothing in AWS. Releases that the ledger has already are kept.
    """
    from publisher.audit.sync import sync
    from publisher.aws.lease import lease

    matrix = settings.matrix()
    ledger = settings.ledger(matrix)
    ledger.releases()
    stop = Stop()
    lambdas = settings.lambdas(matrix, stop=stop)
    with progress() as shown, stopping(stop, "nothing was written"), lease(matrix, stop):
        synced = sync(matrix, ledger, lambdas, shown, stop)
    rows: list[SyncedRelease] = [
        {
            "layer_version": release.layer_version,
            "package": release.package,
            "version": release.version,
            "cells": len(release.cells),
            "public": sum(record.public for record in release.cells),
            "of": len(matrix.cells),
            "yanked": release.yanked is not None,
        }
        for release in synced.releases
    ]
    if as_json:
        unreachable = {region: failure.text for region, failure in synced.unreachable.items()}
        print_json({"releases": rows, "left_out": synced.left_out, "unreachable": unreachable})
    else:
        _show(rows, synced.left_out, matrix.package)
    if synced.unreachable:
        raise unreachable_error(synced.unreachable)


def _show(rows: Sequence[SyncedRelease], left_out: Sequence[str], package: str) -> None:
    table = [
        [
            str(r["layer_version"]),
            r["version"],
            f"{r['cells']} of {r['of']}",
            "yanked" if r["yanked"] else str(r["public"]),
        ]
        for r in rows
    ]
    print_table(["layer version", "version", "cells", "public"], table)
    for text in left_out:
        print_result(f"left out: {text}")
    if not rows:
        print_result(f"AWS has no layer version whose description names a version of {package}")
