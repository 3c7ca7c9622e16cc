"""The embedded AWS with real clients, boto3 and the AWS CLI: what it publishes and refuses, compared with recorded
responses of AWS.

A test that fails after an upgrade of moto shows what changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.conftest import ACCOUNT, Sandbox
from tests.publisher.sandbox.layer_calls import ARN, NAME, a_zip, publish, refusal


class TestPublishing:
    def test_the_response_describes_the_version(self, sandbox: Sandbox) -> None:
        content = a_zip()
        made = publish(
            sandbox,
            content=content,
            Description="a layer",
            LicenseInfo="Apache-2.0",
            CompatibleRuntimes=["python3.12"],
            CompatibleArchitectures=["x86_64"],
        )
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert (made["Version"], made["LayerArn"], made["LayerVersionArn"]) == (1, ARN, f"{ARN}:1")
        assert made["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert made["Content"]["CodeSize"] == len(content)
        assert made["CompatibleRuntimes"] == ["python3.12"]
        assert made["CompatibleArchitectures"] == ["x86_64"]
        assert (made["Description"], made["LicenseInfo"]) == ("a layer", "Apache-2.0")

    def test_the_same_bytes_again_are_a_new_version(self, sandbox: Sandbox) -> None:
        assert [publish(sandbox)["Version"] for _ in range(3)] == [1, 2, 3]

    def test_numbers_of_deleted_versions_are_not_reused(self, sandbox: Sandbox) -> None:
        publish(sandbox), publish(sandbox)
        for number in (1, 2):
            sandbox.layers().delete_layer_version(LayerName=NAME, VersionNumber=number)
        assert publish(sandbox)["Version"] == 3

    def test_each_region_has_its_own_numbers(self, sandbox: Sandbox) -> None:
        publish(sandbox), publish(sandbox)
        made = publish(sandbox, region="eu-north-1")
        assert made["LayerVersionArn"] == f"arn:aws:lambda:eu-north-1:{ACCOUNT}:layer:{NAME}:1"

    def test_the_account_is_that_of_the_matrix(self, sandbox: Sandbox) -> None:
        assert sandbox.client("sts", "eu-west-3").get_caller_identity()["Account"] == ACCOUNT

    def test_a_zip_in_a_bucket_is_published(self, sandbox: Sandbox) -> None:
        content = a_zip(b"staged")
        s3 = sandbox.client("s3")
        s3.create_bucket(Bucket="strands-layer")
        s3.put_object(Bucket="strands-layer", Key="layer.zip", Body=content)
        source: Any = {"S3Bucket": "strands-layer", "S3Key": "layer.zip"}
        made = sandbox.layers().publish_layer_version(LayerName=NAME, Content=source)
        assert made["Content"]["CodeSize"] == len(content)
        with urlopen(made["Content"]["Location"]) as answer:
            assert answer.read() == content

    def test_an_object_that_is_not_a_zip_is_refused(self, sandbox: Sandbox) -> None:
        s3 = sandbox.client("s3")
        s3.create_bucket(Bucket="strands-layer")
        s3.put_object(Bucket="strands-layer", Key="layer.zip", Body=b"no zip")
        source: Any = {"S3Bucket": "strands-layer", "S3Key": "layer.zip"}
        call = lambda: sandbox.layers().publish_layer_version(LayerName=NAME, Content=source)  # noqa: E731
        assert refusal(call)[:2] == ("InvalidParameterValueException", 400)

    def test_a_function_can_use_the_layer(self, sandbox: Sandbox) -> None:
        publish(sandbox)
        role = sandbox.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        made = sandbox.layers().create_function(
            FunctionName="canary", Role=role, Runtime="python3.12", Handler="h.h", Code={"ZipFile": a_zip()},
            Layers=[f"{ARN}:1"],
        )  # fmt: skip
        assert [layer["Arn"] for layer in made["Layers"]] == [f"{ARN}:1"]


class TestRefusing:
    def test_bytes_that_are_not_a_zip_are_refused(self, sandbox: Sandbox) -> None:
        code, status, message = refusal(lambda: publish(sandbox, content=b"no zip at all"))
        assert (code, status) == ("InvalidParameterValueException", 400)
        assert message == "Could not unzip uploaded file. Please check your file, then try to upload again."

    def test_a_truncated_zip_is_refused(self, sandbox: Sandbox) -> None:
        assert refusal(lambda: publish(sandbox, content=a_zip()[:-30]))[0] == "InvalidParameterValueException"

    def test_more_than_250_mb_unzipped_are_refused(self, sandbox: Sandbox) -> None:
        code, status, message = refusal(lambda: publish(sandbox, content=a_zip(bytes(262_144_001))))
        assert (code, status) == ("InvalidParameterValueException", 400)
        assert message == "Unzipped size must be smaller than 262144000 bytes"

    def test_a_request_above_the_limit_is_refused(self, sandbox: Sandbox) -> None:
        code, status, message = refusal(lambda: publish(sandbox, content=os.urandom(52_428_801)))
        assert (code, status) == ("RequestEntityTooLargeException", 413)
        assert "Request must be smaller than 69905067 bytes" in message

    @pytest.mark.parametrize(
        ("field", "more"),
        [
            ("description", {"Description": "x" * 257}),
            ("licenseInfo", {"LicenseInfo": "x" * 513}),
            ("layerName", {"name": "x" * 141}),
            ("layerName", {"name": "no.dots"}),
            ("compatibleRuntimes", {"CompatibleRuntimes": ["python3.99"]}),
            ("compatibleArchitectures", {"CompatibleArchitectures": ["aarch64"]}),
        ],
    )
    def test_fields_that_violate_the_service_model_are_refused(
        self, sandbox: Sandbox, field: str, more: dict[str, Any]
    ) -> None:
        code, status, message = refusal(lambda: publish(sandbox, **more))
        assert (code, status) == ("ValidationException", 400)
        assert f"'{field}' failed to satisfy constraint" in message
        assert sandbox.layers().list_layers()["Layers"] == []

    def test_fields_of_the_maximum_length_are_accepted(self, sandbox: Sandbox) -> None:
        publish(sandbox, name="x" * 140, Description="ü" * 256, LicenseInfo="x" * 512)


def test_the_aws_cli_commands_of_the_guide_work(sandbox: Sandbox) -> None:
    publish(sandbox, Description="PyPI package: strands-agents")
    aws = shutil.which("aws", path=str(Path(sys.executable).parent))
    assert aws, "awscli is a dev dependency"
    done = subprocess.run(
        [aws, "lambda", "get-layer-version", "--layer-name", ARN, "--version-number", "1", "--output", "json"],
        env=dict(sandbox.environment()), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["LayerVersionArn"] == f"{ARN}:1"


def test_bedrock_calls_without_a_script_return_a_text(sandbox: Sandbox) -> None:
    client, answer = sandbox.client("bedrock-runtime"), "This is the answer of the Bedrock stand-in."
    asked: dict[str, Any] = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    assert client.converse(**asked)["output"]["message"]["content"][0]["text"] == answer
    events = client.converse_stream(**asked)["stream"]
    assert "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e) == answer
