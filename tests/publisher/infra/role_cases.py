"""A matrix with every key that needs permissions, and the roles of ``layers infra`` for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.model.matrix import Matrix
from publisher.aws.resource_names import LAMBDA_REGIONS_PATH
from publisher.infra.scope import make_scope
from publisher.infra.template import plain, roles_template
from tests.conftest import ACCOUNT
from tests.fakes.command import SMALL
from tests.fakes.iam import Context, Statement, resolved, statements_of

REPOSITORY = "strands-agents/layers"
LEDGER = "s3://demo-ledger/records"
#: A matrix with every optional key that needs permissions.
FULL: dict[str, Any] = {
    **SMALL,
    "architectures": ["x86_64"],
    "staging": {"bucket": "demo-{account}-{region}", "home": "eu-west-1"},
    "parameters": {"prefix": "/demo/layers"},
    "announce": {"topic": f"arn:aws:sns:us-east-1:{ACCOUNT}:demo-releases"},
    "permission": {"principal": "*", "organization": "o-a1b2c3d4e5"},
}
#: AWS defines no resource for these actions; they read names and sizes.
WITHOUT_RESOURCE = {"lambda:ListLayers", "lambda:ListLayerVersions", "lambda:GetAccountSettings"}
#: The actions of each role for that matrix. ``test_role_commands`` proves that they are enough.
ACTIONS = {
    "Publisher": {
        "lambda:ListLayers", "lambda:ListLayerVersions", "lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy",
        "lambda:PublishLayerVersion", "lambda:AddLayerVersionPermission", "lambda:RemoveLayerVersionPermission",
        "lambda:GetAccountSettings",
        "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload",
        "ssm:GetParameters", "ssm:PutParameter", "ssm:DeleteParameters", "sns:Publish",
    },
    "Auditor": {
        "lambda:ListLayers", "lambda:ListLayerVersions", "lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy",
        "s3:ListBucket", "s3:GetObject", "s3:PutObject", "ssm:GetParameters", "ssm:GetParametersByPath",
    },
    "CanaryRunner": {
        "lambda:GetLayerVersion", "lambda:CreateFunction", "lambda:GetFunctionConfiguration", "lambda:InvokeFunction",
        "lambda:DeleteFunction", "iam:PassRole", "s3:ListBucket", "s3:GetObject",
    },
    "Yanker": {
        "lambda:GetLayerVersionPolicy", "lambda:RemoveLayerVersionPermission",
        "s3:ListBucket", "s3:GetObject", "s3:PutObject",
        "ssm:GetParameters", "ssm:PutParameter", "ssm:DeleteParameters", "sns:Publish",
    },
    "Canary": set(),
}  # fmt: skip
REGION = "us-east-1"
OWN = {
    "layer": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:demo-py3_12-x86_64",
    "layer version": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:demo-py3_12-x86_64:7",
    "function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo-layers-canary-py3_12-x86_64",
    "role": f"arn:aws:iam::{ACCOUNT}:role/demo-layers-canary",
    "bucket": f"arn:aws:s3:::demo-{ACCOUNT}-eu-west-1",
    "zip": f"arn:aws:s3:::demo-{ACCOUNT}-eu-west-1/layers/{64 * 'a'}.zip",
    "lease": f"arn:aws:s3:::demo-{ACCOUNT}-eu-west-1/leases/demo.json",
    "ledger": "arn:aws:s3:::demo-ledger",
    "record": "arn:aws:s3:::demo-ledger/records/0007.json",
    "parameter": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/demo/layers/3.12/x86_64/7",
    "topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:demo-releases",
    "latest": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/demo/layers/3.12/x86_64/latest",
    "regions of Lambda": f"arn:aws:ssm:{REGION}::parameter{LAMBDA_REGIONS_PATH}",
    "nothing": "*",
}
#: The context of a request that a policy with conditions allows.
FAVOURABLE: Context = {
    "aws:RequestedRegion": REGION,
    "aws:ResourceAccount": ACCOUNT,
    "iam:PassedToService": "lambda.amazonaws.com",
    "lambda:Layer": (OWN["layer version"],),
}


def roles(keys: Mapping[str, Any], ledger: str = LEDGER) -> dict[str, Any]:
    """Return the resources of the roles' template."""
    template = plain(roles_template(make_scope(Matrix.model_validate(keys), ledger)))
    return resolved(template, {"Repository": REPOSITORY}, keys["account"])


def statements(name: str, keys: Mapping[str, Any] = FULL, ledger: str = LEDGER) -> list[Statement]:
    return statements_of(roles(keys, ledger)[name])
