"""``layers promote``: publish a release of another account, for example a staging account, for this matrix."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import DriftError, InputError
from builder.model.figures import counted
from builder.model.progress import Progress
from builder.model.stop import Stop
from publisher.cli.console import json_option, print_message, progress
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath
from publisher.cli.options import LayerVersionType, architecture_option, python_option, region_option

if TYPE_CHECKING:
    from publisher.ledger.release import Release

#: Variables that take precedence over a profile.
_KEYS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip


@click.command("promote")
@click.option(
    "--from", "from_matrix", metavar="MATRIX", required=True, type=LocalPath(dir_okay=False),
    help="The matrix of the account that has the release.",
)  # fmt: skip
@click.option("--from-ledger", metavar="DIR|S3", help="Its ledger.  [default: the folder `ledger` beside that matrix]")
@click.option("--from-profile", metavar="NAME", help="The AWS profile that may read its layers and its ledger.")
@click.option(
    "--layer-version", type=LayerVersionType(), help="The release's number.  [default: the newest complete one]"
)
@click.option("--canary-region", metavar="REGION", help="First test the release with real functions there.")
@region_option
@python_option
@architecture_option
@click.option("--dry-run", is_flag=True, help="Fetch and check the zips, show the plan, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    from_matrix: Path,
    from_ledger: str | None,
    from_profile: str | None,
    layer_version: int | None,
    canary_region: str | None,
    regions: tuple[str, ...],
    pythons: tuple[str, ...],
    architectures: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Publish a release of another account: the same bytes, checked by sha256, at the same number.

    The other account may be in another partition: this is how GovCloud and China get a release. Its zips are downloaded
    and checked, the plan is shown, then they are published as by `layers publish`. Unused lower numbers become
    placeholders.
    """
    from publisher.aws.connect import reader
    from publisher.cli.publish import command as publish
    from publisher.reconcile.promotion import fetch_release, refuse_taken, release_to_promote

    if not from_matrix.exists():
        raise InputError(
            "the source's matrix file does not exist",
            where=str(from_matrix),
            fix="name an existing file with --from FILE",
        )
    settings: Settings = context.obj
    matrix = settings.matrix()
    targets = matrix.select(pythons, architectures)
    matrix.select_regions(regions)
    own_releases = settings.ledger(matrix).releases()
    source = Settings(from_matrix, from_ledger or str(from_matrix.parent / "ledger"))
    with tempfile.TemporaryDirectory(prefix="layers-promote-") as name:
        with _credentials(from_profile), progress() as shown:
            ledger = source.ledger(source.matrix())
            release = release_to_promote(ledger, layer_version, source.ledger_place)
            refuse_taken(release, own_releases)
            if canary_region:
                _run_canary_in_source(source, release, canary_region, shown)
            fetch_release(matrix, release, ledger, targets, reader, Path(name), shown)
        print_message(f"fetched {release.package} {release.version}, layer version {release.layer_version}")
        context.invoke(
            publish, version=release.version, artifacts=Path(name), layer_version=release.layer_version,
            allow_gap=True, regions=regions, pythons=pythons, architectures=architectures, dry_run=dry_run, yes=yes,
            as_json=as_json,
        )  # fmt: skip


@contextmanager
def _credentials(profile: str | None) -> Iterator[None]:
    """Let boto3 use a profile instead of credentials in the environment."""
    if profile is None:
        yield
        return
    before = {key: os.environ.pop(key, None) for key in (*_KEYS, "AWS_PROFILE")}
    os.environ["AWS_PROFILE"] = profile
    try:
        yield
    finally:
        del os.environ["AWS_PROFILE"]
        os.environ.update({key: value for key, value in before.items() if value is not None})


def _run_canary_in_source(source: Settings, release: Release, region: str, shown: Progress) -> None:
    """Run the canary on the source's layers in one region. Raises DriftError if a layer does not work."""
    from publisher.aws.identity import check_account
    from publisher.canary.canary_run import Roles, describe_trial, run_canary
    from publisher.canary.cell_selection import select
    from publisher.catalog.index import make_index
    from publisher.catalog.lookup import Query

    matrix = source.matrix()
    selected = select(matrix, make_index(matrix, [release]), Query((region,), layer_version=release.layer_version))
    check_account(matrix)
    trials = run_canary(Roles(matrix, None, (region,)), selected.cases, shown, Stop())
    bad = [trial for trial in trials if trial.is_bad]
    if bad:
        raise DriftError(
            f"the canary does not prove {len(bad)} of {counted(len(trials), 'layer')} of the source: "
            f"{describe_trial(bad[0])}",
            where=bad[0].case.id,
            fix="fix the release in the source's account; nothing was published here",
        )
