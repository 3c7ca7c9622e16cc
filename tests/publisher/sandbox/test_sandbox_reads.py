"""What the embedded AWS returns about layer versions and their policies, compared with recorded responses of AWS."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.request import urlopen

from tests.conftest import Sandbox
from tests.publisher.sandbox.layer_calls import ARN, NAME, a_zip, publish, refusal


class TestReading:
    def test_the_download_url_returns_the_bytes(self, sandbox: Sandbox) -> None:
        content = a_zip(os.urandom(3_000_000))
        publish(sandbox, content=content)
        location = sandbox.layers().get_layer_version(LayerName=NAME, VersionNumber=1)["Content"]["Location"]
        with urlopen(location) as answer:
            assert answer.read() == content

    def test_a_version_is_found_by_arn_and_by_name(self, sandbox: Sandbox) -> None:
        made = publish(sandbox, Description="by arn")
        lambda_ = sandbox.layers()
        for found in (
            lambda_.get_layer_version_by_arn(Arn=f"{ARN}:1"),
            lambda_.get_layer_version(LayerName=ARN, VersionNumber=1),
            lambda_.get_layer_version(LayerName=NAME, VersionNumber=1),
        ):
            assert found["LayerVersionArn"] == made["LayerVersionArn"]
            assert found["Content"]["CodeSha256"] == made["Content"]["CodeSha256"]

    def test_a_missing_version_is_not_found(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        lambda_ = sandbox.layers()
        for call in (
            lambda: lambda_.get_layer_version(LayerName=NAME, VersionNumber=2),
            lambda: lambda_.get_layer_version(LayerName="unknown", VersionNumber=1),
            lambda: lambda_.get_layer_version_by_arn(Arn=f"{ARN}:2"),
        ):
            code, status, message = refusal(call)
            assert (code, status) == ("ResourceNotFoundException", 404)
            assert message == "The resource you requested does not exist."
        assert refusal(lambda: lambda_.get_layer_version_by_arn(Arn=ARN))[0] == "ValidationException"
        lambda_.delete_layer_version(LayerName=NAME, VersionNumber=7)
        lambda_.delete_layer_version(LayerName="unknown", VersionNumber=1)
        code, _, message = refusal(lambda: lambda_.get_layer_version(LayerName=NAME, VersionNumber=0))
        assert (code, message) == ("InvalidParameterValueException", "Layer Version Cannot be less than 1")

    def test_lists_are_newest_first_without_content(self, sandbox: Sandbox) -> None:
        for number in range(1, 13):
            publish(sandbox, Description=f"number {number}")
        for name in (NAME, ARN):
            listed = sandbox.layers().list_layer_versions(LayerName=name)["LayerVersions"]
            assert [version["Version"] for version in listed] == list(range(12, 0, -1))
            assert listed[0]["Description"] == "number 12"
            assert "Content" not in listed[0]
        (layer,) = sandbox.layers().list_layers()["Layers"]
        assert (layer["LayerName"], layer["LayerArn"]) == (NAME, ARN)
        assert layer["LatestMatchingVersion"]["Version"] == 12
        assert sandbox.layers().list_layer_versions(LayerName="unknown")["LayerVersions"] == []
        assert sandbox.layers("eu-west-1").list_layers()["Layers"] == []

    def test_lists_have_pages(self, sandbox: Sandbox) -> None:
        for _ in range(5):
            publish(sandbox)
        for name in ("a", "b", "c"):
            publish(sandbox, name=name)
        lambda_ = sandbox.layers()
        pages = list(
            lambda_.get_paginator("list_layer_versions").paginate(LayerName=NAME, PaginationConfig={"PageSize": 2})
        )
        assert [[v["Version"] for v in page["LayerVersions"]] for page in pages] == [[5, 4], [3, 2], [1]]
        pages_of_layers = list(lambda_.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 3}))
        assert [len(page["Layers"]) for page in pages_of_layers] == [3, 1]
        assert refusal(lambda: lambda_.list_layers(MaxItems=51))[0] == "ValidationException"

    def test_lists_filter_by_runtime_and_architecture(self, sandbox: Sandbox) -> None:
        publish(sandbox, CompatibleArchitectures=["x86_64"], CompatibleRuntimes=["python3.12"])
        publish(sandbox, CompatibleArchitectures=["arm64"], CompatibleRuntimes=["python3.13"])
        lambda_ = sandbox.layers()
        listed = lambda_.list_layer_versions(LayerName=NAME, CompatibleArchitecture="x86_64")["LayerVersions"]
        assert [version["Version"] for version in listed] == [1]
        listed = lambda_.list_layer_versions(LayerName=NAME, CompatibleRuntime="python3.13")["LayerVersions"]
        assert [version["Version"] for version in listed] == [2]
        (layer,) = lambda_.list_layers(CompatibleRuntime="python3.12")["Layers"]
        assert layer["LatestMatchingVersion"]["Version"] == 1  # the latest matching version, not the latest version
        assert lambda_.list_layers(CompatibleRuntime="python3.9")["Layers"] == []


class TestPolicies:
    @staticmethod
    def grant(sandbox: Sandbox, sid: str = "public", **more: str) -> Any:
        return sandbox.layers().add_layer_version_permission(
            LayerName=NAME, VersionNumber=1, StatementId=sid,
            **{"Action": "lambda:GetLayerVersion", "Principal": "*", **more},
        )  # fmt: skip

    @staticmethod
    def policy(sandbox: Sandbox) -> Any:
        return sandbox.layers().get_layer_version_policy(LayerName=NAME, VersionNumber=1)

    def test_a_public_grant_is_in_the_policy(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        made = self.grant(sandbox)
        statement = {
            "Sid": "public",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "lambda:GetLayerVersion",
            "Resource": f"{ARN}:1",
        }
        assert json.loads(made["Statement"]) == statement
        assert json.loads(self.policy(sandbox)["Policy"])["Statement"] == [statement]

    def test_a_grant_to_an_organization_is_a_condition_of_the_policy(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        self.grant(sandbox, OrganizationId="o-abcdefghij")
        (statement,) = json.loads(self.policy(sandbox)["Policy"])["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}

    def test_a_grant_to_another_account_names_its_root(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        self.grant(sandbox, Principal="123456789012")
        (statement,) = json.loads(self.policy(sandbox)["Policy"])["Statement"]
        assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}

    def test_a_used_statement_id_is_a_conflict(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        self.grant(sandbox)
        code, status, message = refusal(lambda: self.grant(sandbox, Principal="123456789012"))
        assert (code, status) == ("ResourceConflictException", 409)
        assert message.startswith("The statement id (public) provided already exists.")
        assert len(json.loads(self.policy(sandbox)["Policy"])["Statement"]) == 1

    def test_other_actions_are_refused(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        assert refusal(lambda: self.grant(sandbox, Action="lambda:*"))[0] == "ValidationException"

    def test_a_removed_statement_is_gone(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        self.grant(sandbox)
        lambda_ = sandbox.layers()

        def remove(sid: str) -> object:
            return lambda_.remove_layer_version_permission(LayerName=NAME, VersionNumber=1, StatementId=sid)

        assert refusal(lambda: remove("other"))[:2] == ("ResourceNotFoundException", 404)
        remove("public")
        assert refusal(lambda: self.policy(sandbox))[:2] == ("ResourceNotFoundException", 404)
        self.grant(sandbox)

    def test_a_policy_that_does_not_exist_is_not_found(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        code, status, message = refusal(lambda: self.policy(sandbox))
        assert (code, status) == ("ResourceNotFoundException", 404)
        assert message == "No policy is associated with the given resource."
        sandbox.layers().delete_layer_version(LayerName=NAME, VersionNumber=1)
        code, status, message = refusal(lambda: self.policy(sandbox))
        assert (code, status, message) == ("ResourceNotFoundException", 404, f"Layer version {ARN}:1 does not exist.")
