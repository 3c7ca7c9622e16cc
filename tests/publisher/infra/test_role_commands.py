"""The commands of each role under its policy, which the embedded AWS enforces: every call is allowed, and every
allowed action is needed."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError

from builder.model.artifact import read_manifest, write_manifest
from builder.model.file_access import sha256_of
from publisher.aws.resource_names import canary_role
from publisher.ledger.release import Yanked
from publisher.ledger.s3 import BucketLedger
from publisher.reconcile.publish_once import grant_at
from publisher.sandbox.account import make_roles, make_signing_profile
from publisher.watch.matrix_gaps import offer_in_aws
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.aws_calls import Role, acting_as
from tests.fakes.command import SMALL, Layers
from tests.fakes.functions import publish_real, runs_functions
from tests.fakes.iam import allowed
from tests.publisher.infra.role_cases import ACTIONS, FULL, LEDGER, statements
from tests.publisher.ledger.conftest import make_bucket


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
        facts = {"sha256": sha256_of(path), "size": path.stat().st_size, "unzipped_size": size, "sbom": sbom.name}
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
