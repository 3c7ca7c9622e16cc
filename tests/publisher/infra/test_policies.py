"""The policies of ``layers infra`` allow no other action of AWS, and nothing on resources of others."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from publisher.infra.scope import make_scope
from publisher.infra.template import plain, roles_template
from tests.conftest import ACCOUNT
from tests.fakes.iam import Request, allowed, named, resolved, statements_of
from tests.publisher.infra.role_cases import (
    ACTIONS,
    FAVOURABLE,
    FULL,
    LEDGER,
    OWN,
    REGION,
    REPOSITORY,
    WITHOUT_RESOURCE,
    statements,
)

MODELS = (
    "cloudformation",
    "ec2",
    "iam",
    "kms",
    "lambda",
    "logs",
    "organizations",
    "s3",
    "s3control",
    "sns",
    "ssm",
    "sts",
)


@cache
def every_action() -> frozenset[str]:
    """Return every action that IAM knows, and every operation of these services as an action."""
    package = find_spec("cfnlint")  # importing it takes a second
    assert package
    assert package.origin
    text = (Path(package.origin).parent / "data" / "AdditionalSpecs" / "Policies.json").read_text("utf-8")
    known = {f"{service}:{action}" for service, each in json.loads(text).items() for action in each["Actions"]}
    session = botocore.session.get_session()
    models = (session.get_service_model(name) for name in MODELS)
    called = {f"{m.signing_name}:{operation}".lower() for m in models for operation in m.operation_names}
    return frozenset(known | called)


@pytest.mark.parametrize("name", ACTIONS)
def test_only_the_listed_actions_are_allowed(name: str) -> None:
    policy = statements(name)
    assert len(every_action()) > 15_000
    assert named(policy, every_action()) == {action.lower() for action in ACTIONS[name]}


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_is_allowed_on_the_matrixs_own_resources(name: str) -> None:
    policy = statements(name)
    for action in ACTIONS[name]:
        assert any(allowed(policy, Request(action, resource, FAVOURABLE)) for resource in OWN.values()), action


OTHERS = [
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:demo-py3_12-x86_64-beta:7",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:other-demo-py3_12-x86_64:7",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:demo-py3_12-x86_64-beta",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:demo-py2_7-x86_64:7",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:other",
    f"arn:aws:lambda:{REGION}:123456789012:layer:demo-py3_12-x86_64:7",
    f"arn:aws:lambda:{REGION}:123456789012:layer:demo-py3_12-x86_64",
    f"arn:aws-cn:lambda:cn-north-1:{ACCOUNT}:layer:demo-py3_12-x86_64:7",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo-layers-canary-py3_12-x86_64-beta",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo-layers-canary-py3_12-x86_64:1",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo",
    f"arn:aws:lambda:{REGION}:123456789012:function:demo-layers-canary-py3_12-x86_64",
    f"arn:aws:iam::{ACCOUNT}:role/demo-layers-publisher",
    f"arn:aws:iam::{ACCOUNT}:role/demo-layers-canary-runner",
    "arn:aws:iam::123456789012:role/demo-layers-canary",
    f"arn:aws:s3:::demo-{ACCOUNT}-eu-west-1/secrets.json",
    f"arn:aws:s3:::demo-{ACCOUNT}-eu-west-1/leases/other.json",
    f"arn:aws:s3:::demo-{ACCOUNT}-ap-south-1",
    f"arn:aws:s3:::demo-{ACCOUNT}-ap-south-1/layers/{64 * 'a'}.zip",
    f"arn:aws:s3:::demo-{ACCOUNT}-us-east-1/leases/demo.json",
    "arn:aws:s3:::demo-ledger/other/0007.json",
    "arn:aws:s3:::demo-ledger/records/notes.txt",
    "arn:aws:s3:::demo-ledger/records/old/0007.json",
    "arn:aws:s3:::other",
    f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/demo/layers",
    f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/demo/other/latest",
    f"arn:aws:ssm:{REGION}:123456789012:parameter/demo/layers/3.12/x86_64/latest",
]


@pytest.mark.parametrize("name", ACTIONS)
def test_no_other_resource_can_be_changed(name: str) -> None:
    policy = statements(name)
    actions = ACTIONS[name] - WITHOUT_RESOURCE
    reached = [
        (action, resource)
        for action in actions
        for resource in [*OTHERS, "*"]
        if allowed(policy, Request(action, resource, FAVOURABLE))
    ]
    assert reached == []


UNFAVOURABLE: list[dict[str, Any]] = [
    {
        "aws:RequestedRegion": "ap-south-1",
        "aws:ResourceAccount": "123456789012",
        "iam:PassedToService": "ec2.amazonaws.com",
    },
    {},
]


@pytest.mark.parametrize("context", UNFAVOURABLE, ids=["others", "none"])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_request_from_another_region_account_or_service_is_denied(name: str, context: Any) -> None:
    policy = statements(name)
    assert not any(
        allowed(policy, Request(action, resource, context)) for action in ACTIONS[name] for resource in OWN.values()
    )


def test_a_publisher_with_canary_first_has_the_canary_runners_permissions() -> None:
    scope = make_scope(Matrix.model_validate(FULL), LEDGER, canary_first=True)
    made = resolved(plain(roles_template(scope)), {"Repository": REPOSITORY}, ACCOUNT)
    both = statements_of(made["Publisher"])
    assert len({statement["Sid"] for statement in both}) == len(both)
    assert {action for each in both for action in each["Action"]} == ACTIONS["Publisher"] | ACTIONS["CanaryRunner"]
    assert statements_of(made["CanaryRunner"]) == statements("CanaryRunner")


def test_only_latest_and_version_parameters_can_be_deleted_and_only_this_packages_lease_written() -> None:
    policy = statements("Publisher")
    assert allowed(policy, Request("ssm:DeleteParameters", OWN["latest"], FAVOURABLE))
    assert not allowed(policy, Request("ssm:DeleteParameters", OWN["parameter"], FAVOURABLE))
    by_version = OWN["parameter"].replace("3.12/x86_64/7", "py3.12/x86_64/1.62.0")
    assert allowed(policy, Request("ssm:DeleteParameters", by_version, FAVOURABLE))
    assert not allowed(policy, Request("s3:AbortMultipartUpload", OWN["zip"].replace("eu-west", "us-east"), FAVOURABLE))


def test_the_publisher_cannot_change_layers_of_pythons_outside_the_matrix_but_others_can_read_them() -> None:
    retired = OWN["layer version"].replace("3_12", "3_10")
    may = {
        name: {a for a in ACTIONS[name] - WITHOUT_RESOURCE if allowed(policy, Request(a, retired, FAVOURABLE))}
        for name in ("Publisher", "Auditor", "Yanker")
        for policy in [statements(name)]
    }
    assert may == {
        "Publisher": set(),
        "Auditor": {"lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy"},
        "Yanker": {"lambda:GetLayerVersionPolicy", "lambda:RemoveLayerVersionPermission"},
    }


def test_the_official_roles_name_every_layer_and_region_within_the_size_limit() -> None:
    matrix = load_matrix(Path("layer_matrix.yaml"))
    policy = statements("Publisher", matrix.model_dump(), "ledger")
    for cell in matrix.cells:
        context = {"aws:RequestedRegion": cell.region}
        assert allowed(policy, Request("lambda:PublishLayerVersion", matrix.layer_arn(cell), context))
        assert allowed(policy, Request("lambda:AddLayerVersionPermission", matrix.layer_arn(cell, 3), context))
    assert len(json.dumps(policy)) < 6_144  # also within the limit of a managed policy
