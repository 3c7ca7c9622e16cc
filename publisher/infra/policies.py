"""The policies of the roles: exactly the requests of their commands, and a reason for each wildcard.

The tests in ``tests/publisher/infra`` run the commands under these policies and check them against every action of AWS.
``sts:GetCallerIdentity``, the first request of every command, needs no permission.
"""

from __future__ import annotations

from builder.model.regions import ALWAYS_ENABLED
from publisher.aws import resource_names
from publisher.infra.scope import Scope
from publisher.infra.statements import (
    ANY_REGION_NOTE,
    RETIRED_NOTE,
    Statement,
    allow,
    announce,
    in_regions,
    lease,
    ledger,
    list_layers,
    parameters,
    sboms,
    sign,
    stage,
)


def publisher(scope: Scope) -> list[Statement]:
    """Return the policy for ``publish``, ``plan`` and ``yank --undo``, which grants permissions again."""
    return [
        list_layers(scope),
        allow(
            "ReadStorageUsage",
            ["lambda:GetAccountSettings"],
            ["*"],
            in_regions(scope),
            note="AWS defines no resource for this. The command reports the code storage in use when it is full.",
        ),
        allow(
            "PublishLayers",
            ["lambda:PublishLayerVersion"],
            scope.layers(scope.layer_names),
            in_regions(scope),
            note=ANY_REGION_NOTE,
        ),
        allow(
            "ReadAndGrantLayers",
            [
                "lambda:GetLayerVersion",
                "lambda:GetLayerVersionPolicy",
                "lambda:AddLayerVersionPermission",
                "lambda:RemoveLayerVersionPermission",
            ],
            scope.layer_versions(scope.layer_names),
            in_regions(scope),
            note="AWS has no condition for the principal of a grant. Only GetLayerVersion can be granted. "
            "A publish revokes its grants if the release was yanked meanwhile.",
        ),
        *stage(scope),
        *sign(scope),
        *ledger(scope, write=True),
        *sboms(scope, "s3:PutObject"),
        *parameters(scope, write=True),
        *announce(scope),
        *(_canaries(scope) if scope.canary_first else ()),
    ]


def auditor(scope: Scope) -> list[Statement]:
    """Return the policy for ``audit``, ``describe --live``, ``verify``, ``plan``, ``sync``. Writes the lease only."""
    home = ALWAYS_ENABLED.get(scope.partition, scope.regions[0])
    return [
        list_layers(scope),
        allow(
            "ReadLayers",
            ["lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy"],
            scope.layer_versions(scope.recorded_names),
            in_regions(scope),
            note=f"{RETIRED_NOTE} {ANY_REGION_NOTE}",
        ),
        *lease(scope),
        *ledger(scope, write=False),
        *sboms(scope, "s3:GetObject"),
        *parameters(scope, write=False),
        allow(
            "ReadRegionsOfLambda",
            ["ssm:GetParametersByPath"],
            [f"arn:{scope.partition}:ssm:{home}::parameter{resource_names.LAMBDA_REGIONS_PATH}"],
            {"StringEquals": {"aws:RequestedRegion": [home]}},
            note="`watch --aws`: AWS's public list of Lambda's regions.",
        ),
    ]


def canary_runner(scope: Scope) -> list[Statement]:
    """Return the policy for ``canary``: one function for each target, with that target's layer."""
    return [
        allow(
            "ReadLayers",
            ["lambda:GetLayerVersion"],
            scope.layer_versions(scope.recorded_names),
            in_regions(scope),
            note=f"{RETIRED_NOTE} {ANY_REGION_NOTE}",
        ),
        *_canaries(scope),
        *ledger(scope, write=False),
    ]


def yanker(scope: Scope) -> list[Statement]:
    """Return the policy for ``yank``. It cannot grant permissions: ``yank --undo`` needs the publisher's role."""
    return [
        allow(
            "RevokePermissions",
            ["lambda:GetLayerVersionPolicy", "lambda:RemoveLayerVersionPermission"],
            scope.layer_versions(scope.recorded_names),
            in_regions(scope),
            note=f"{RETIRED_NOTE} {ANY_REGION_NOTE}",
        ),
        *lease(scope),
        *ledger(scope, write=True),
        *parameters(scope, write=True),
        *announce(scope),
    ]


def _canaries(scope: Scope) -> list[Statement]:
    functions = scope.functions(resource_names.canary_function(scope.matrix, target) for target in scope.recorded)
    only_these = {
        **in_regions(scope),
        # ForAllValues is also true of a function without layers: hence Null.
        "ForAllValues:StringLike": {"lambda:Layer": scope.layer_versions(scope.recorded_names)},
        "Null": {"lambda:Layer": "false", "lambda:VpcIds": "true"},
    }
    return [
        allow(
            "CreateCanaries",
            ["lambda:CreateFunction"],
            functions,
            only_these,
            note="Only with these layers, with at least one, and in no VPC.",
        ),
        allow(
            "RunCanaries",
            ["lambda:GetFunctionConfiguration", "lambda:InvokeFunction", "lambda:DeleteFunction"],
            functions,
            in_regions(scope),
        ),
        allow(
            "PassCanaryRole",
            ["iam:PassRole"],
            [scope.role(resource_names.canary_role(scope.matrix))],
            {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
            note="Canary functions may only have this role, which allows nothing.",
        ),
    ]
