"""``layers yank``: revoke the permissions of a release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from builder.model.clock import utc_now
from builder.model.errors import FailureClass, IncompleteError, InputError, UsageError
from builder.model.figures import counted
from builder.model.stop import Stop, StoppableClock
from publisher.cli.console import (
    confirm,
    json_option,
    print_json,
    print_result,
    print_table,
    progress,
    require_terminal,
)
from publisher.cli.group import Settings
from publisher.cli.options import LayerVersionType
from publisher.cli.parameter_steps import (
    announce_release,
    check_parameters,
    refresh_parameters,
    show_parameters,
    with_parameters,
)
from publisher.cli.signals import stopping
from publisher.report.next_steps import incomplete_error

if TYPE_CHECKING:
    from publisher.audit.yank import Changed
    from publisher.documents.command_documents import YankDocument
    from publisher.ledger.folder import Ledger
    from publisher.ledger.release import Release

#: How long a yank waits for the lock of a running publish.
LEASE_WAIT_SECONDS = 900.0


@click.command("yank")
@click.option("--layer-version", type=LayerVersionType(), required=True, help="The number of the release.")
@click.option("--reason", help="The reason; the table and `layers describe` show it.")
@click.option(
    "--undo", is_flag=True, help="Undo the yank: grant the permission again everywhere, if the release was complete."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@click.pass_obj
def command(
    settings: Settings, /, layer_version: int, reason: str | None, undo: bool, yes: bool, as_json: bool
) -> None:
    """Revoke every permission of a release in every region, and mark it as yanked. Deletes nothing.

    Functions that use the layer keep it. It can no longer be added to a function.
    """
    from publisher.audit.yank import Permissions
    from publisher.aws.lease import lease

    if bool(reason) == undo:
        raise UsageError("yank needs either --reason or --undo", fix="give --reason TEXT, or --undo")
    if not yes:
        require_terminal()
    matrix = settings.matrix()
    ledger = settings.ledger(matrix)
    release = _recorded(settings, ledger, layer_version)
    undone = undo and release.yanked is None  # perhaps by a run that was stopped before it wrote the parameters
    private = undo and release.completed is None and not undone
    stop = Stop()
    lambdas = settings.lambdas(matrix, stop=stop)
    if not yes and not undone and not private:
        verb = f"Make {matrix.permission.granted} again" if undo else "Yank"
        confirm(f"{verb} {release.package} {release.version} in {counted(len(release.cells), 'cell')}?")
    with progress() as shown, stopping(stop), lease(matrix, stop, wait_seconds=LEASE_WAIT_SECONDS):
        permissions = Permissions(matrix, ledger, lambdas, StoppableClock(stop), shown)
        changed = permissions.restore(release) if undo else permissions.yank(release, reason or "", utc_now())
        refreshed = refresh_parameters(matrix, ledger, stop)
        unannounced = announce_release(matrix, ledger, layer_version)
    if undone and not unannounced and not (refreshed and (refreshed.written or refreshed.removed or refreshed.failed)):
        raise InputError(f"layer version {layer_version} is not yanked", fix="leave --undo out, or correct the number")
    if as_json:
        print_json(with_parameters(_document(release, changed, private=private), refreshed))
    else:
        _show(release, changed, f"{matrix.permission.granted} again" if undo else "yanked")
        show_parameters(refreshed)
    _judge(release, changed, private=private)
    check_parameters(refreshed)
    if unannounced:
        raise unannounced


def _recorded(settings: Settings, ledger: Ledger, layer_version: int) -> Release:
    from publisher.ledger.release import at_number

    release = at_number(ledger.releases(), layer_version)
    if release is None:
        raise InputError(
            f"the ledger has no layer version {layer_version}",
            where=settings.ledger_place,
            fix="list the releases with `layers describe`; `layers sync` records what AWS has",
        )
    return release


def _document(release: Release, changed: Sequence[Changed], *, private: bool) -> YankDocument:
    return {
        "package": release.package,
        "version": release.version,
        "layer_version": release.layer_version,
        "complete": not private and not any(each.error for each in changed),
        "cells": [{"arn": each.arn, "error": each.error} for each in changed],
    }


def _show(release: Release, changed: Sequence[Changed], state: str) -> None:
    failed = [[each.cell, each.error] for each in changed if each.error]
    if failed:
        print_table(["cell", "reason"], failed)
    cells = counted(len(changed) - len(failed), "cell")
    print_result(f"{release.package} {release.version}, layer version {release.layer_version}: {cells} {state}")


def _judge(release: Release, changed: Sequence[Changed], *, private: bool) -> None:
    """Raise IncompleteError if a cell was not changed. ``private``: the cells of the release were never public."""
    if private:
        raise IncompleteError(
            f"{release.version} is no longer yanked, but it was never complete, so its cells stay as they are",
            where=f"layer version {release.layer_version}",
            fix=f"complete it: layers publish --version {release.version} --layer-version {release.layer_version}",
            failure_class=FailureClass.PERMANENT,
        )
    failures = [each.failure for each in changed if each.failure]
    if failures:
        raise incomplete_error(f"{counted(len(failures), 'cell')} failed", failures)
