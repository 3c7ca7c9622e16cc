"""The properties of every bucket, and the template of the bucket in which runners share a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.model.errors import InputError
from publisher.infra.scope import Scope
from publisher.infra.template_text import Template


def ledger_template(scope: Scope) -> Template:
    """Return the template of a ledger's bucket. Raises InputError if the ledger is not in S3."""
    if scope.ledger is None:
        raise InputError(
            "the ledger is in a folder and needs no bucket",
            where="--part ledger",
            fix="leave the part out, or name a bucket: --ledger s3://bucket/prefix",
        )
    bucket, _ = scope.ledger
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The bucket of the ledger of {scope.matrix.package}: the record of its layers' releases.",
        "Resources": private_bucket(
            scope,
            {
                "#": "Every version of a record is kept: what was overwritten or deleted can be restored.",
                "BucketName": bucket,
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        ),
        "Outputs": {"BucketName": {"Value": {"Ref": "Bucket"}}},
    }


def private_bucket(scope: Scope, properties: dict[str, Any], rules: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return a private, encrypted bucket and its policy as resources. Both stay when their stack is deleted.

    ``rules``: lifecycle rules in addition to the one for unfinished uploads.
    """
    retained = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            **retained,
            "Properties": {
                **properties,
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
                "LifecycleConfiguration": {
                    "Rules": [
                        *rules,
                        rule("unfinished-uploads", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
                    ]
                },
            },
        },
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            **retained,
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": _bucket_policy(scope)},
        },
    }


def rule(rule_id: str, **action: Any) -> dict[str, Any]:
    """Return a rule of a bucket's lifecycle."""
    return {"Id": rule_id, "Status": "Enabled", **action}


def _bucket_policy(scope: Scope) -> dict[str, Any]:
    bucket = f"arn:{scope.partition}:s3:::${{Bucket}}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyOverTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [{"Fn::Sub": bucket}, {"Fn::Sub": f"{bucket}/*"}],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
