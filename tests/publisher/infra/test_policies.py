"""The policies of ``layers infra``, enforced by the embedded AWS: every command of a role works under its policy, the
commands need every allowed action, and no other action of AWS is allowed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from builder.model.artifact import read_manifest, sha256_of, write_manifest
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from publisher.aws.resource_names import LAMBDA_REGIONS_PATH, canary_role
from publisher.infra.roles import GITHUB, roles_template
from publisher.infra.scope import make_scope
from publisher.infra.staging_buckets import staging_template
from publisher.infra.template_text import plain
from publisher.ledger.release import Yanked
from publisher.ledger.s3 import BucketLedger
from publisher.reconcile.publish_once import grant_at
from publisher.sandbox.account import make_roles, make_signing_profile
from publisher.watch.matrix_gaps import offer_in_aws
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.aws_calls import Role, acting_as
from tests.fakes.command import SMALL, Layers
from tests.fakes.functions import publish_real, runs_functions
from tests.fakes.iam import Context, Request, Statement, allowed, named, resolved, statements_of, trust_of
from tests.publisher.ledger.conftest import make_bucket

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
#: The actions of each role for that matrix. The commands below prove that they are enough.
#: AWS defines no resource for these actions; they read names and sizes.
WITHOUT_RESOURCE = {"lambda:ListLayers", "lambda:ListLayerVersions", "lambda:GetAccountSettings"}
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


def roles(keys: Mapping[str, Any], ledger: str = LEDGER) -> dict[str, Any]:
    """Return the resources of the roles' template."""
    template = plain(roles_template(make_scope(Matrix.model_validate(keys), ledger)))
    return resolved(template, {"Repository": REPOSITORY}, keys["account"])


def statements(name: str, keys: Mapping[str, Any] = FULL, ledger: str = LEDGER) -> list[Statement]:
    return statements_of(roles(keys, ledger)[name])


def credentials(name: str, **more: Any) -> AbstractContextManager[Role]:
    """Run every boto3 client of this process with this role."""
    return acting_as(Role(statements(name), ACCOUNT, **more))


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> Layers:
    """Return an account with the buckets and nothing else."""
    layers = Layers(tmp_path, dict(FULL), LEDGER)
    make_bucket(sandbox, "us-east-1", "demo-ledger")
    sandbox.client("sns").create_topic(Name="demo-releases")
    for region in layers.matrix.regions:
        make_bucket(sandbox, region, f"demo-{ACCOUNT}-{region}")
    return layers


# -- every call is allowed ---------------------------------------------------------------------------------------------


PARTS = 9 << 20  #: the size of a zip that is uploaded in parts


def artifacts_with_sbom(world: Layers, version: str, size: int) -> str:
    """Write zips of this size, each with an SBOM."""
    folder = Path(world.artifacts(version))
    manifest = read_manifest(folder)
    made = []
    for artifact in manifest.artifacts:
        path = folder / artifact.file
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("python/data.bin", os.urandom(size))
        sbom = folder / f"{artifact.layer_name}.cdx.json"
        sbom.write_text("{}")
        facts = {"sha256": sha256_of(path), "size": path.stat().st_size, "sbom": sbom.name}
        made.append(artifact.model_copy(update={**facts, "sbom_sha256": sha256_of(sbom)}))
    write_manifest(folder, manifest.model_copy(update={"artifacts": tuple(made)}))
    return str(folder)


def test_the_publisher_plans_publishes_and_revokes(world: Layers) -> None:
    publish = ("publish", "--version", "1.0", "--artifacts", artifacts_with_sbom(world, "1.0", PARTS), "--yes")
    with credentials("Publisher", lost={"UploadPart"}) as role:
        assert world(*publish).code == 5
        role.lost.clear()
        assert world(*publish).code == 0
        yank_in_the_ledger_alone(world, 1)
        assert world("yank", "--layer-version", "1", "--undo", "--yes").code == 0
        yank_in_the_ledger_alone(world, 1)
        assert world.publish("2.0", "--region", "us-east-1").code == 0  # no complete release for `latest`
        assert world("plan", "--version", "3.0").code == 0
        read_storage_usage(world)
        assert world("plan", "--version", "3.0", "--exit-status").code == 5
        assert world.publish("2.0").code == 0
        with yanked_after_each_grant(world, 3):
            assert world.publish("3.0").code == 5
    assert role.refused == []
    assert role.actions == ACTIONS["Publisher"]
    assert unused(role, "Publisher") == []


def read_storage_usage(world: Layers) -> None:
    """Call what ``publish`` calls if the code storage is full. The embedded AWS does not have this operation."""
    for region in world.matrix.regions:
        with contextlib.suppress(ClientError):
            boto3.client("lambda", region_name=region).get_account_settings()


def test_the_publisher_signs(world: Layers, sandbox: Sandbox) -> None:
    world.keys["signing"] = {"profile": "demo_profile"}
    make_signing_profile(sandbox.address, world.matrix)
    with acting_as(Role(statements("Publisher", world.keys), ACCOUNT)) as role:
        assert world.publish("1.0").code == 0
    assert role.refused == []
    signing = [each for each in statements("Publisher", world.keys) if "Sign" in each["Sid"]]
    assert len(signing) == 4
    for statement in signing:
        assert any(allowed([statement], made) for made in role.made), statement["Sid"]


@contextmanager
def yanked_after_each_grant(world: Layers, number: int) -> Iterator[None]:
    """Yank the release from another machine right after each grant."""

    def grant_and_yank(*arguments: Any) -> float:
        waited = grant_at(*arguments)
        yank_in_the_ledger_alone(world, number)
        return waited

    with mock.patch("publisher.reconcile.yank_check.grant_at", grant_and_yank):
        yield


def yank_in_the_ledger_alone(world: Layers, number: int) -> None:
    """Leave the ledger like a run of ``yank`` that was killed early."""
    yanked = Yanked(date=datetime(2026, 11, 24, tzinfo=timezone.utc), reason="broken")
    BucketLedger(LEDGER, world.matrix).update(number, lambda r: r.model_copy(update={"yanked": yanked}))  # type: ignore[union-attr]


def unused(role: Role, name: str) -> list[tuple[str, str, str]]:
    """Return what the policies allow but no command used: statement, action, resource."""
    return [
        (statement["Sid"], action, resource)
        for statement in statements(name)
        for action in statement["Action"]
        for resource in statement["Resource"]
        if not any(allowed([{**statement, "Action": action, "Resource": resource}], made) for made in role.made)
    ]


def test_the_auditor_reads(world: Layers) -> None:
    artifacts = artifacts_with_sbom(world, "1.0", 1)
    assert world("publish", "--version", "1.0", "--artifacts", artifacts, "--yes").code == 0
    arn = world("describe", "--region", "us-east-1", "--json").json[0]["arn"]
    with credentials("Auditor") as role:
        assert world("docs", "--output", str(world.folder / "docs")).code == 0
        assert world("audit").code == 0
        assert world("describe", "--region", "all", "--live").code == 0
        assert world("verify", arn).code == 0
        assert world("plan", "--version", "2.0").code == 0
        assert world("sync").code == 0
        offer_in_aws("us-east-1")  # `watch --aws`
    assert role.refused == []
    assert role.actions == ACTIONS["Auditor"]


def test_the_auditor_cannot_publish(world: Layers) -> None:
    with credentials("Auditor"):
        refused = world.publish("1.0")
    assert refused.code == 3
    assert "AccessDenied" in refused.err  # when it writes the lease


def test_the_yanker_yanks(world: Layers) -> None:
    assert world.publish("1.0").code == 0
    assert world.publish("2.0").code == 0
    with credentials("Yanker") as role:
        assert (
            world("yank", "--layer-version", "2", "--reason", "broken", "--yes").code == 0
        )  # `latest` points to 1 again
        assert world("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0  # `latest` is deleted
        assert role.refused == []
        assert role.actions == ACTIONS["Yanker"]
        assert world("yank", "--layer-version", "2", "--undo", "--yes").code == 5
    assert {request.action for request in role.refused} == {"lambda:AddLayerVersionPermission"}


@runs_functions
@pytest.mark.index
def test_the_canary_runner_creates_invokes_and_deletes_functions(sandbox: Sandbox, world: Layers) -> None:
    assert publish_real(world, "1.0").code == 0
    make_roles(sandbox.address, {"us-east-1": [canary_role(world.matrix)]})
    with credentials("CanaryRunner") as role:
        assert world("canary", "--region", "us-east-1", "--yes").code == 0
    assert role.refused == []
    assert role.actions == ACTIONS["CanaryRunner"]


def test_the_canary_runner_cannot_create_other_functions(sandbox: Sandbox, world: Layers) -> None:
    assert world.publish("1.0").code == 0
    make_roles(sandbox.address, {"us-east-1": [canary_role(world.matrix)]})
    arn = world("describe", "--region", "us-east-1", "--json").json[0]["arn"]
    made: dict[str, Any] = {
        "FunctionName": "demo-layers-canary-py3_12-x86_64",
        "Role": f"arn:aws:iam::{ACCOUNT}:role/demo-layers-canary",
        "Runtime": "python3.12",
        "Handler": "canary.handler",
        "Code": {"ZipFile": Path(world.artifacts("1.0"), "demo-py3_12-x86_64.zip").read_bytes()},
        "Layers": [arn],
    }
    client = sandbox.layers()
    with credentials("CanaryRunner"):
        client.create_function(**made)
        overrides: tuple[dict[str, Any], ...] = (
            {"FunctionName": "demo-layers-other"},
            {"Role": f"arn:aws:iam::{ACCOUNT}:role/administrator"},
            {"Layers": []},
            {"Layers": [arn, "arn:aws:lambda:us-east-1:123456789012:layer:other:1"]},
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        )
        for wrong in overrides:
            with pytest.raises(ClientError, match="AccessDenied"):
                client.create_function(**{**made, **wrong})


def test_a_matrix_without_optional_keys_allows_lambda_only(sandbox: Sandbox, tmp_path: Path) -> None:
    keys = {**SMALL, "architectures": ["x86_64"], "permission": {"principal": "123456789012"}}
    layers = Layers(tmp_path, keys)
    policy = statements("Publisher", keys, "ledger")
    with acting_as(Role(policy, ACCOUNT)) as role:
        assert layers.publish("1.0").code == 0
        assert layers.publish("2.0", "--region", "us-east-1").code == 0
        assert layers.publish("3.0").code == 0
        assert layers("audit").code == 0
        read_storage_usage(layers)
    assert role.refused == []
    needed_after_a_yank = {"lambda:RemoveLayerVersionPermission"}
    assert role.actions == {action for each in policy for action in each["Action"]} - needed_after_a_yank
    assert all(action.startswith("lambda:") for action in role.actions)


def test_the_roles_work_in_china(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region = "cn-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    staging = {"bucket": "demo-{account}-{region}", "home": region}
    topic = f"arn:aws-cn:sns:{region}:{ACCOUNT}:demo-releases"
    keys = {**FULL, "regions": [region], "staging": staging, "announce": {"topic": topic}}
    layers = Layers(tmp_path, keys, LEDGER)
    make_bucket(sandbox, region, f"demo-{ACCOUNT}-{region}")
    make_bucket(sandbox, region, "demo-ledger")
    sandbox.client("sns", region).create_topic(Name="demo-releases")
    with acting_as(Role(statements("Publisher", keys), ACCOUNT)) as role:
        assert layers.publish("1.0").code == 0
    with acting_as(Role(statements("Auditor", keys), ACCOUNT)):
        assert layers("audit").code == 0
    assert role.refused == []


def test_the_oidc_audience_in_china_is_that_of_its_partition() -> None:
    keys = {**FULL, "regions": ["cn-north-1"], "staging": {"bucket": "demo-{account}-{region}", "home": "cn-north-1"}}
    trust = trust_of(roles(keys)["Publisher"])
    subject = f"repo:{REPOSITORY}:environment:layers-publish"
    audience = "sts.amazonaws.com.cn"
    assert roles(keys)["Provider"]["Properties"]["ClientIdList"] == [audience]
    (statement,) = trust
    assert statement["Condition"]["StringEquals"][f"{GITHUB}:aud"] == audience
    assert statement["Condition"]["StringEquals"][f"{GITHUB}:sub"] == subject


# -- nothing else is allowed -------------------------------------------------------------------------------------------

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
#: The context of a request that a policy with conditions allows.
FAVOURABLE: Context = {
    "aws:RequestedRegion": REGION,
    "aws:ResourceAccount": ACCOUNT,
    "iam:PassedToService": "lambda.amazonaws.com",
    "lambda:Layer": (OWN["layer version"],),
}


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
        name: {
            a for a in ACTIONS[name] - WITHOUT_RESOURCE if allowed(statements(name), Request(a, retired, FAVOURABLE))
        }
        for name in ("Publisher", "Auditor", "Yanker")
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


# -- who may assume a role ---------------------------------------------------------------------------------------------


def token(subject: str, audience: str = "sts.amazonaws.com", issuer: str = GITHUB) -> Request:
    return Request(
        "sts:AssumeRoleWithWebIdentity",
        "*",
        {f"{GITHUB}:aud": audience, f"{GITHUB}:sub": subject},
        f"Federated arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}",
    )


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("Publisher", "layers-publish"),
        ("Auditor", "layers-audit"),
        ("CanaryRunner", "layers-canary"),
        ("Yanker", "layers-yank"),
    ],
)
def test_only_jobs_of_the_repository_and_the_roles_environment_may_assume_it(name: str, environment: str) -> None:
    trust = trust_of(roles(FULL)[name])
    subject = f"repo:{REPOSITORY}:environment:{environment}"
    assert allowed(trust, token(subject))
    others = {"layers-publish", "layers-audit", "layers-canary", "layers-yank", "production"} - {environment}
    refused = [
        *(token(f"repo:{REPOSITORY}:environment:{other}") for other in sorted(others)),
        token(f"repo:{REPOSITORY}:ref:refs/heads/main"),
        token(f"repo:{REPOSITORY}:pull_request"),
        token(f"repo:{REPOSITORY}-fork:environment:{environment}"),
        token(f"repo:somebody/layers:environment:{environment}"),
        token(f"{subject}-2"),
        token(f"repo:strands-agents@1/layers@2:environment:{environment}"),
        token(subject, audience="https://github.com/strands-agents"),
        token(subject, issuer="token.actions.example.com"),
        dataclasses.replace(token(subject), action="sts:AssumeRole"),
        dataclasses.replace(token(subject), principal="Service lambda.amazonaws.com"),
    ]
    assert [request for request in refused if allowed(trust, request)] == []


@pytest.mark.parametrize("made", ["true", "false"])
def test_the_oidc_provider_is_created_or_the_existing_one_is_trusted(made: str) -> None:
    template = plain(roles_template(make_scope(Matrix.model_validate(FULL), LEDGER)))
    resources = resolved(template, {"Repository": "a@1/b@2", "CreateProvider": made}, ACCOUNT)
    assert ("Provider" in resources) == (made == "true")
    assert allowed(trust_of(resources["Publisher"]), token("repo:a@1/b@2:environment:layers-publish"))


def test_the_canary_role_trusts_lambda_and_allows_nothing() -> None:
    role = roles(FULL)["Canary"]
    assert statements_of(role) == []
    assert allowed(trust_of(role), Request("sts:AssumeRole", "*", {}, "Service lambda.amazonaws.com"))
    assert not allowed(trust_of(role), Request("sts:AssumeRole", "*", {}, "Service ec2.amazonaws.com"))


# -- the roles of the staging buckets ----------------------------------------------------------------------------------


def staging() -> dict[str, Any]:
    template = plain(staging_template(make_scope(Matrix.model_validate(FULL), LEDGER)))
    return resolved(template, {}, ACCOUNT)


@pytest.mark.parametrize(
    ("name", "may"), [("staging-demo-layers", True), ("staging-demo-layers-2", False), ("other", False)]
)
def test_only_the_staging_stack_set_may_assume_its_roles(name: str, may: bool) -> None:
    made = staging()
    source = f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stackset/{name}:0f1e"
    context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": source}
    request = Request("sts:AssumeRole", "*", context, "Service cloudformation.amazonaws.com")
    assert allowed(trust_of(made["Administration"]), request) == may
    administration = f"AWS arn:aws:iam::{ACCOUNT}:role/demo-layers-staging-administration"
    assert allowed(trust_of(made["Execution"]), Request("sts:AssumeRole", "*", {}, administration))
    assert not allowed(trust_of(made["Execution"]), Request("sts:AssumeRole", "*", {}, f"AWS {ACCOUNT}"))


def test_the_execution_role_creates_the_staging_buckets_only() -> None:
    policy = statements_of(staging()["Execution"])
    own = {"aws:ResourceAccount": ACCOUNT}
    stack = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack"
    assert allowed(policy, Request("s3:CreateBucket", OWN["bucket"], own))
    assert allowed(policy, Request("cloudformation:CreateStack", f"{stack}/StackSet-staging-demo-layers-1a/2b", own))
    assert allowed(policy, Request("s3:GetObject", "arn:aws:s3:::of-aws/template", {"aws:ResourceAccount": "1"}))
    refused = [
        Request("s3:CreateBucket", "arn:aws:s3:::other", own),
        Request("s3:DeleteBucket", OWN["bucket"], own),
        Request("s3:GetObject", OWN["zip"], own),
        Request("s3:PutObject", OWN["zip"], own),
        Request("cloudformation:DeleteStack", f"{stack}/other/2b", own),
        Request("iam:CreateRole", OWN["role"], own),
    ]
    assert [request for request in refused if allowed(policy, request)] == []
