"""``layers verify``: check that AWS holds the recorded bytes behind an ARN, and who built them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import DriftError, IncompleteError, InputError, UsageError
from publisher.aws.gateway import GatewayError, Refused, Unreachable
from publisher.cli.console import json_option, print_json, print_result
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath

if TYPE_CHECKING:
    from publisher.audit.attestation import Provenance
    from publisher.audit.verify import Verdict
    from publisher.catalog.index import Index, Row
    from publisher.documents.command_documents import VerifyDocument


@click.command("verify")
@click.argument("arn")
@click.option("--index", "index_source", metavar="FILE|URL", help="Read a layers.json instead of the ledger.")
@click.option("--account", metavar="ID", help="The account that you trust to publish the layers; else the matrix's.")
@click.option("--attestation", is_flag=True, help="Check with Sigstore that a workflow of --repository built the zip.")
@click.option("--repository", metavar="OWNER/NAME", help="The GitHub repository that must have built the zip.")
@click.option(
    "--bundle", type=LocalPath(dir_okay=False),
    help="Check the attestation offline, from this Sigstore bundle (`gh attestation download`).",
)  # fmt: skip
@click.option(
    "--trusted-root", type=LocalPath(dir_okay=False),
    help="The trusted root of a Sigstore instance other than the public one.",
)  # fmt: skip
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    arn: str,
    index_source: str | None,
    account: str | None,
    attestation: bool,
    repository: str | None,
    bundle: Path | None,
    trusted_root: Path | None,
    as_json: bool,
) -> None:
    """Compare the bytes behind a layer version's ARN with the record. Works from any account that may read the layer.

    The publisher's account comes from the matrix or from --account, never from the index itself. Exits
    with 6 if the bytes differ, are missing, or are not attested.
    """
    from publisher.audit.verify import check_publisher
    from publisher.catalog.arn import find

    attested = attestation or bundle is not None
    if attested != bool(repository):
        raise UsageError(
            "--attestation needs --repository OWNER/NAME, and --repository needs --attestation",
            fix="give both, or leave both out",
        )
    trusted = account or _account_of_matrix(settings)
    index = settings.index(index_source)
    check_publisher(index, trusted)
    row = find(index, arn)
    verdict = _compare(index, row)
    if not verdict.matches:
        _show(verdict, None, as_json)
        differs = f"AWS has {verdict.sha256 or 'no such layer version'}; {row.sha256} is recorded"
        if verdict.other_signer:
            differs = f"AWS names {verdict.other_signer} as its signer; {verdict.recorded_signer} is recorded"
        raise DriftError(differs, where=row.arn, fix="do not use it; tell the layer's publisher")
    provenance = _provenance(row.sha256, repository, bundle, trusted_root) if repository else None
    _show(verdict, provenance, as_json)


def _account_of_matrix(settings: Settings) -> str:
    if not settings.matrix_path.exists():
        raise InputError(
            "the publisher's account is unknown: there is no matrix, and the index's own account is not trusted",
            where=str(settings.matrix_path),
            fix="name the account that you trust: --account 123456789012",
        )
    return settings.matrix().account


def _compare(index: Index, row: Row) -> Verdict:
    from publisher.audit.verify import verify
    from publisher.aws.connect import reader

    try:
        return verify(index, row, reader(row.region))
    except GatewayError as error:
        refused = isinstance(error, Refused)
        reason = "AWS refuses" if refused else f"Lambda in {row.region} cannot be reached"
        fix = error.failure.fix("check your credentials")
        if isinstance(error, Unreachable):
            fix = error.advice or "check the network and the proxy settings, then run this again"
        if row.yanked and refused:
            fix = f"{row.yanked}: only its owner can read it"
        raise IncompleteError(
            f"{reason}: {error.message}", where=row.arn, fix=fix, failure_class=error.failure_class
        ) from None


def _provenance(sha256: str, repository: str, bundle: Path | None, trusted_root: Path | None) -> Provenance:
    from publisher.audit.attestation import fetch_bundles, read_bundles, verify_attestation

    bundles = read_bundles(bundle) if bundle else fetch_bundles(repository, sha256)
    return verify_attestation(sha256, bundles, repository, trusted_root, offline=bundle is not None)


def _show(verdict: Verdict, provenance: Provenance | None, as_json: bool) -> None:
    row = verdict.row
    if as_json:
        print_json(_document(verdict, provenance))
    elif verdict.matches:
        print_result(row.arn, f"holds {row.package} {row.version}, the recorded bytes (sha256 {row.sha256})")
        if signer := verdict.signed_by or verdict.recorded_signer:
            job = f", {verdict.signing_job}" if verdict.signing_job else ""
            print_result(f"signed by AWS Signer, profile {signer}{job}")
        if provenance:
            print_result(f"attested by {provenance.repository}, {provenance.workflow}")
        if row.yanked:
            print_result(f"note: {row.yanked}")


def _document(verdict: Verdict, provenance: Provenance | None) -> VerifyDocument:
    row = verdict.row
    return {
        "arn": row.arn,
        "package": row.package,
        "version": row.version,
        "recorded_sha256": row.sha256,
        "sha256": verdict.sha256,
        "matches": verdict.matches,
        "attestation": provenance,
        "yanked": row.yanked,
        "signed_by": verdict.signed_by or verdict.recorded_signer,
        "signing_job": verdict.signing_job,
    }
