"""Policy statements that several roles share: what a command requests, and a reason for each wildcard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from publisher.infra.scope import Scope

Statement = dict[str, Any]

#: Why an ARN has a wildcard as its region.
ANY_REGION_NOTE = (
    "Any region in the ARNs, the matrix's regions by the condition: an ARN for each would exceed IAM's limit."
)

#: Why a role that reads recorded releases has more layers than the matrix.
RETIRED_NOTE = "Layers of every Python that Lambda has: releases keep those that the matrix has retired."


def list_layers(scope: Scope) -> Statement:
    return allow(
        "ListLayers",
        ["lambda:ListLayers", "lambda:ListLayerVersions"],
        ["*"],
        in_regions(scope),
        note="AWS defines no resource for these. They show names, numbers and descriptions of the account's layers.",
    )


def stage(scope: Scope) -> list[Statement]:
    """Return the statements for zips in the staging buckets and for the lease, which one run at a time holds."""
    staging = scope.matrix.staging
    if staging is None:
        return []
    buckets = [staging.bucket_of(scope.account, region) for region in scope.regions]
    home = staging.bucket_of(scope.account, staging.home)
    zips = "layers/*.zip"
    return [
        _find("FindStaged", scope, buckets),
        allow(
            "StageZips",
            ["s3:GetObject", "s3:PutObject"],
            [scope.in_bucket(bucket, zips) for bucket in buckets],
            _in_account(scope),
            note="The wildcard is a zip's sha256. Lambda reads the zip with these permissions too.",
        ),
        allow(
            "AbortUpload",
            ["s3:AbortMultipartUpload"],
            [scope.in_bucket(home, zips)],
            _in_account(scope),
            note="Uploads of several parts go to the home region only; the other buckets get copies.",
        ),
        _hold_lease(scope, home),
    ]


def sign(scope: Scope) -> list[Statement]:
    """Return the statements for the signing profile, and for the objects that Signer reads and writes for this role."""
    signing, staging = scope.matrix.signing, scope.matrix.staging
    if signing is None or staging is None:
        return []
    home = staging.bucket_of(scope.account, staging.home)
    signer = f"arn:{scope.partition}:signer:{staging.home}:{scope.account}:"
    unsigned, signed = scope.in_bucket(home, "unsigned/*.zip"), scope.in_bucket(home, "signed/*.zip")
    return [
        allow("StartSigning", ["signer:StartSigningJob"], [f"{signer}/signing-profiles/{signing.profile}"]),
        allow(
            "FollowSigning",
            ["signer:DescribeSigningJob"],
            [f"{signer}/signing-jobs/*"],
            note="AWS assigns the ids of signing jobs.",
        ),
        allow(
            "SignZips",
            ["s3:GetObject", "s3:PutObject"],
            [unsigned, signed],
            _in_account(scope),
            note="The wildcards are a zip's sha256 and a signing job's id.",
        ),
        allow("ReadZipsToSign", ["s3:GetObjectVersion"], [unsigned], _in_account(scope)),
    ]


def lease(scope: Scope) -> list[Statement]:
    """Return the statements for the lease alone, for commands that change AWS and stage nothing."""
    staging = scope.matrix.staging
    if staging is None:
        return []
    home = staging.bucket_of(scope.account, staging.home)
    return [_find("FindLease", scope, [home]), _hold_lease(scope, home)]


def _hold_lease(scope: Scope, bucket: str) -> Statement:
    lease = scope.in_bucket(bucket, f"leases/{scope.matrix.package}.json")
    return allow("HoldLease", ["s3:GetObject", "s3:PutObject"], [lease], _in_account(scope))


def ledger(scope: Scope, *, write: bool) -> list[Statement]:
    """Return the statements for the records of a ledger in S3; none for a ledger in a folder."""
    if scope.ledger is None:
        return []
    bucket, prefix = scope.ledger
    return [
        _find("FindRecords", scope, [bucket]),
        allow(
            "KeepRecords" if write else "ReadRecords",
            ["s3:GetObject", "s3:PutObject"] if write else ["s3:GetObject"],
            [scope.in_bucket(bucket, f"{prefix}????.json")],
            _in_account(scope),
            note="One object for each release; the question marks are its number.",
        ),
    ]


def sboms(scope: Scope, action: str) -> list[Statement]:
    """Return the statements for the SBOMs beside the records: ``publish`` writes them, ``docs`` reads them."""
    if scope.ledger is None:
        return []
    bucket, prefix = scope.ledger
    return [
        allow(
            "KeepSboms" if action == "s3:PutObject" else "ReadSboms",
            [action],
            [scope.in_bucket(bucket, f"{prefix}sbom/*.cdx.json")],
            _in_account(scope),
            note="One object for each layer; the wildcard is its release's number and its name.",
        )
    ]


def parameters(scope: Scope, *, write: bool) -> list[Statement]:
    """Return the statements for the SSM parameters below the matrix's prefix; none without ``parameters``."""
    if scope.matrix.parameters is None:
        return []
    prefix = scope.matrix.parameters.prefix
    everything = [scope.parameters(f"{prefix}/*")]
    if not write:
        return [allow("ReadParameters", ["ssm:GetParameters"], everything, in_regions(scope))]
    return [
        allow(
            "KeepParameters",
            ["ssm:GetParameters", "ssm:PutParameter"],
            everything,
            in_regions(scope),
            note="The prefix is this matrix's alone. Releases of retired Pythons have parameters below it, too.",
        ),
        allow(
            "RetireLatest",
            ["ssm:DeleteParameters"],
            [scope.parameters(f"{prefix}/*/latest"), scope.parameters(f"{prefix}/py*")],
            in_regions(scope),
            note="Removes `latest` and names by package version if every release that they could point to is yanked.",
        ),
    ]


def announce(scope: Scope) -> list[Statement]:
    """Return the statement for the SNS topic of ``announce:``; none if the matrix has no topic."""
    announce = scope.matrix.announce
    if announce is None:
        return []
    in_its_region = {"StringEquals": {"aws:RequestedRegion": [announce.region]}}
    return [allow("Announce", ["sns:Publish"], [announce.topic], in_its_region)]


def _find(sid: str, scope: Scope, buckets: Sequence[str]) -> Statement:
    return allow(
        sid,
        ["s3:ListBucket"],
        [scope.in_bucket(bucket) for bucket in buckets],
        _in_account(scope),
        note="Without it S3 responds 403 instead of 404 for a missing key. It shows keys, not contents.",
    )


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: dict[str, Any] | None = None,
    note: str | None = None,
) -> Statement:
    """Return one statement; ``note`` is its comment."""
    return {
        **({"#": note} if note else {}),
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        **({"Condition": condition} if condition else {}),
    }


def in_regions(scope: Scope) -> dict[str, Any]:
    return {"StringEquals": {"aws:RequestedRegion": list(scope.regions)}}


def _in_account(scope: Scope) -> dict[str, Any]:
    """Allow only this account's buckets: another account may own a bucket of this name."""
    return {"StringEquals": {"aws:ResourceAccount": scope.account}}
