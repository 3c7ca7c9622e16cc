"""``layers verify``: are the bytes behind an ARN the recorded ones."""

from __future__ import annotations

import click

from builder.model.errors import DriftError, IncompleteError
from publisher.cli.console import json_option, print_json, print_result
from publisher.cli.group import Settings


@click.command("verify")
@click.argument("arn")
@click.option("--index", "index_source", metavar="FILE|URL", help="Read a layers.json instead of matrix and ledger.")
@json_option
@click.pass_obj
def command(settings: Settings, /, arn: str, index_source: str | None, as_json: bool) -> None:
    """Ask AWS what is behind a layer version's ARN, and compare it with the record. Any account's reader may.

    Leaves with 6 where the bytes differ or are not there.
    """
    from publisher.audit.verify import verify
    from publisher.aws.connect import reader
    from publisher.aws.gateway import GatewayError
    from publisher.catalog.arn import find

    row = find(settings.index(index_source), arn)
    yanked = f"yanked on {row.yanked.date:%Y-%m-%d}: {row.yanked.reason}" if row.yanked else None
    try:
        verdict = verify(row, reader(row.region))
    except GatewayError as error:
        raise IncompleteError(
            f"AWS does not show it: {error.message}" + (f" ({yanked})" if yanked else ""),
            where=row.arn,
            fix="it was yanked, so nobody but its owner may read it" if yanked else "check your credentials",
        ) from None
    if as_json:
        print_json(
            {
                "arn": row.arn,
                "package": row.package,
                "version": row.version,
                "recorded_sha256": row.sha256,
                "sha256": verdict.sha256,
                "matches": verdict.matches,
                "yanked": row.yanked.model_dump(mode="json") if row.yanked else None,
            }
        )
    elif verdict.matches:
        print_result(row.arn, f"holds {row.package} {row.version}, the recorded bytes (sha256 {row.sha256})")
        if yanked:
            print_result(f"note: {yanked}")
    if not verdict.matches:
        raise DriftError(
            f"AWS has {verdict.sha256 or 'nothing there'}, recorded is {row.sha256}",
            where=row.arn,
            fix="do not use it; tell the layer's publisher",
        )
