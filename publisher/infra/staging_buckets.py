"""The template of the staging buckets: a StackSet that creates one in each region, and the two roles that it needs.

It is deployed in one region. CloudFormation assumes the administration role, and with it the execution role in each
region.
"""

from __future__ import annotations

from typing import Any

from builder.model.errors import InputError
from builder.model.regions import is_enabled_by_default
from publisher.aws import resource_names
from publisher.infra.iam_role import iam_role
from publisher.infra.ledger_bucket import private_bucket, rule
from publisher.infra.scope import Scope
from publisher.infra.statements import Statement, allow
from publisher.infra.template_text import Template, as_yaml

#: Days until staged zips expire. A run needs them for minutes; a later run uploads them again.
STAGED_DAYS = 7


def staging_template(scope: Scope) -> Template:
    """Return the template of the staging buckets of all regions. Raises InputError if the matrix has no staging."""
    matrix = scope.matrix
    if matrix.staging is None:
        raise InputError(
            "the matrix has no `staging`: zips are sent in the request, so no buckets are needed",
            where="--part staging",
            fix="leave the part out, or set `staging` in the matrix",
        )
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The buckets through which the layers of {matrix.package} reach Lambda, one a region.",
        "Resources": {
            **({"SigningProfile": _signing_profile(matrix.signing.profile)} if matrix.signing else {}),
            "Administration": _administration(scope),
            "Execution": _execution(scope),
            "Buckets": {
                "Type": "AWS::CloudFormation::StackSet",
                "Properties": {
                    "StackSetName": resource_names.staging_stack_set(matrix),
                    "Description": f"The staging bucket of the layers of {matrix.package} in each region",
                    "PermissionModel": "SELF_MANAGED",
                    "AdministrationRoleARN": {"Fn::GetAtt": ["Administration", "Arn"]},
                    "ExecutionRoleName": {"Ref": "Execution"},
                    "OperationPreferences": {"RegionConcurrencyType": "PARALLEL", "MaxConcurrentPercentage": 100},
                    "StackInstancesGroup": [
                        {"DeploymentTargets": {"Accounts": [scope.account]}, "Regions": list(scope.regions)}
                    ],
                    "TemplateBody": as_yaml(_region_template(scope, matrix.staging.bucket)),
                },
            },
        },
        "Outputs": {"StackSetId": {"Value": {"Ref": "Buckets"}}},
    }


def _region_template(scope: Scope, bucket: str) -> Template:
    """Return the template of one region; ``bucket`` is the name with its placeholders."""
    name = bucket.format(account="${AWS::AccountId}", region="${AWS::Region}")
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The staging bucket of the layers of {scope.matrix.package} in this region.",
        "Resources": private_bucket(
            scope,
            {
                "BucketName": {"Fn::Sub": name} if "${" in name else name,
                **({"VersioningConfiguration": {"Status": "Enabled"}} if scope.matrix.signing else {}),
            },
            [
                rule("zips", Prefix="layers/", ExpirationInDays=STAGED_DAYS),
                rule("leases", Prefix="leases/", ExpirationInDays=STAGED_DAYS),
                *(_signing_rules() if scope.matrix.signing else ()),
            ],
        ),
    }


def _signing_rules() -> list[dict[str, Any]]:
    """Return what expires in a bucket of AWS Signer, which must keep versions."""
    return [
        rule("unsigned", Prefix="unsigned/", ExpirationInDays=STAGED_DAYS),
        rule("signed", Prefix="signed/", ExpirationInDays=STAGED_DAYS),
        rule("versions", NoncurrentVersionExpiration={"NoncurrentDays": 1}),
    ]


def _signing_profile(profile: str) -> dict[str, Any]:
    return {
        "#": "The profile that signs the zips. Kept when the stack is deleted: signatures refer to it.",
        "Type": "AWS::Signer::SigningProfile",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"ProfileName": profile, "PlatformId": "AWSLambda-SHA384-ECDSA"},
    }


def _administration(scope: Scope) -> dict[str, Any]:
    stack_set, execution = (
        resource_names.staging_stack_set(scope.matrix),
        resource_names.staging_execution_role(scope.matrix),
    )
    # CloudFormation has a service principal for each (StackSets guide, "Regions that are disabled by default").
    optional = [region for region in scope.regions if not is_enabled_by_default(region)]
    return iam_role(
        resource_names.staging_administration_role(scope.matrix),
        f"Administration role of the StackSet {stack_set}",
        {
            "Service": [
                "cloudformation.amazonaws.com",
                *(f"cloudformation.{region}.amazonaws.com" for region in optional),
            ]
        },
        {"assume-execution": [allow("AssumeExecution", ["sts:AssumeRole"], [scope.role(execution)])]},
        condition={
            "StringEquals": {"aws:SourceAccount": scope.account},
            "StringLike": {"aws:SourceArn": scope.stacks(f"stackset/{stack_set}:*")},
        },
    )


def _execution(scope: Scope) -> dict[str, Any]:
    return iam_role(
        resource_names.staging_execution_role(scope.matrix),
        "CloudFormation creates the staging buckets with it",
        {"AWS": {"Fn::GetAtt": ["Administration", "Arn"]}},
        {"create-buckets": _creation_statements(scope)},
    )


def _creation_statements(scope: Scope) -> list[Statement]:
    """Return the execution role's permissions. AWS's guide grants ``cloudformation:*`` and ``s3:*`` on everything."""
    matrix = scope.matrix
    buckets = [scope.in_bucket(bucket) for region in scope.regions if (bucket := matrix.bucket(region))]
    return [
        allow(
            "KeepStacks",
            ["cloudformation:*"],
            [scope.stacks(f"stack/StackSet-{resource_names.staging_stack_set(matrix)}-*")],
            note="The stacks of this StackSet. StackSets needs every action on them.",
        ),
        allow(
            "CheckTemplate",
            ["cloudformation:GetTemplateSummary", "cloudformation:ValidateTemplate"],
            ["*"],
            note="A template that is only validated is not a resource.",
        ),
        allow(
            "FetchTemplate",
            ["s3:GetObject"],
            ["*"],
            {"StringNotEquals": {"aws:ResourceAccount": scope.account}},
            note="StackSets passes the template in a bucket of AWS's own. Nothing of this account can be read.",
        ),
        allow(
            "CreateBuckets",
            [
                "s3:CreateBucket",
                "s3:GetBucket*",
                "s3:Get*Configuration",
                "s3:ListBucket",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                *(["s3:PutBucketVersioning"] if matrix.signing else []),
            ],
            buckets,
            note="The buckets themselves, not their contents. CloudFormation reads back every property of a bucket.",
        ),
    ]
