"""The template of the roles that GitHub's jobs assume, each from its own environment."""

from __future__ import annotations

import json
from typing import Any

from builder.model.errors import InputError
from publisher.aws import resource_names
from publisher.infra import policies
from publisher.infra.iam_role import iam_role
from publisher.infra.scope import REPOSITORY, Scope
from publisher.infra.statements import Statement
from publisher.infra.template_text import Template, plain

#: Characters of all inline policies of a role together, without white space (IAM quotas).
MAX_INLINE_POLICY_CHARACTERS = 10_240
GITHUB = "token.actions.githubusercontent.com"
#: What aws-actions/configure-aws-credentials requests a token for, by partition.
AUDIENCES = {"aws-cn": "sts.amazonaws.com.cn"}
DEFAULT_AUDIENCE = "sts.amazonaws.com"


def audience(partition: str) -> str:
    """Return the audience of GitHub's tokens, which the provider and the roles have to name."""
    return AUDIENCES.get(partition, DEFAULT_AUDIENCE)


def roles_template(scope: Scope) -> Template:
    """Return the template of GitHub's provider and the roles. Raises InputError if a policy exceeds IAM's limit."""
    matrix = scope.matrix
    jobs = {
        "Publisher": (resource_names.publisher_role(matrix), "publish", policies.publisher(scope)),
        "Auditor": (resource_names.auditor_role(matrix), "audit", policies.auditor(scope)),
        "CanaryRunner": (resource_names.canary_runner_role(matrix), "canary", policies.canary_runner(scope)),
        "Yanker": (resource_names.yanker_role(matrix), "yank", policies.yanker(scope)),
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Roles of the layers of {matrix.package}: to publish, audit, try and yank them.",
        "Parameters": _parameters(scope),
        "Conditions": {"MakeProvider": {"Fn::Equals": [{"Ref": "CreateProvider"}, "true"]}},
        "Resources": {
            "Provider": _provider(scope.partition),
            **{key: _job(scope, *job) for key, job in jobs.items()},
            "Canary": _canary(scope),
        },
        "Outputs": {f"{key}Arn": {"Value": {"Fn::GetAtt": [key, "Arn"]}} for key in (*jobs, "Canary")},
    }


def _parameters(scope: Scope) -> dict[str, Any]:
    return {
        "Repository": {
            "Type": "String",
            "Description": "The GitHub repository as its tokens name it: OWNER/NAME, or OWNER@ID/NAME@ID",
            "AllowedPattern": REPOSITORY,
            **({"Default": scope.repository} if scope.repository else {}),
        },
        "CreateProvider": {
            "Type": "String",
            "Description": "false where the account has GitHub's OIDC provider already: it can have one only",
            "AllowedValues": ["true", "false"],
            "Default": "true",
        },
    }


def _provider(partition: str) -> dict[str, Any]:
    return {
        "#": "Kept when the stack is deleted: others in the account may use it.",
        "Type": "AWS::IAM::OIDCProvider",
        "Condition": "MakeProvider",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"Url": f"https://{GITHUB}", "ClientIdList": [audience(partition)]},
    }


def _job(scope: Scope, name: str, task: str, statements: list[Statement]) -> dict[str, Any]:
    """Return a role that jobs of one environment of the repository assume."""
    environment = f"{scope.environment}-{task}"
    policy = {"Version": "2012-10-17", "Statement": statements}
    size = len(json.dumps(plain(policy), separators=(",", ":")))
    if size > MAX_INLINE_POLICY_CHARACTERS:
        raise InputError(
            f"the policy of {name} has {size:,} characters; IAM takes {MAX_INLINE_POLICY_CHARACTERS:,}",
            fix="shorten layer_name, staging.bucket or parameters.prefix in the matrix, or give it fewer regions",
        )
    return iam_role(
        name,
        f"Assumed by jobs of the GitHub environment {environment}",
        {"Federated": _provider_arn(scope)},
        {task: statements},
        action="sts:AssumeRoleWithWebIdentity",
        condition={
            "StringEquals": {
                f"{GITHUB}:aud": audience(scope.partition),
                f"{GITHUB}:sub": {"Fn::Sub": f"repo:${{Repository}}:environment:{environment}"},
            }
        },
        properties={"MaxSessionDuration": 3600},
    )


def _provider_arn(scope: Scope) -> dict[str, Any]:
    existing = f"arn:{scope.partition}:iam::{scope.account}:oidc-provider/{GITHUB}"
    return {"Fn::If": ["MakeProvider", {"Ref": "Provider"}, existing]}


def _canary(scope: Scope) -> dict[str, Any]:
    return {
        "#": "The execution role of canary functions. No policy: they cannot even write logs.",
        **iam_role(
            resource_names.canary_role(scope.matrix),
            "Execution role of canary functions; it allows nothing",
            {"Service": "lambda.amazonaws.com"},
            {},
        ),
    }
