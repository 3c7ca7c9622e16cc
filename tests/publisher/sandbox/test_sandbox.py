"""The embedded AWS with real clients, boto3 and the AWS CLI, compared with recorded responses of AWS.

A test that fails after an upgrade of moto shows what changed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from publisher.sandbox.zip_store import Refusal, Store
from tests import REPOSITORY
from tests.conftest import ACCOUNT, NOWHERE, Sandbox

NAME = "strands-agents-py3_12-x86_64"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:{NAME}"


def a_zip(content: bytes = b"print('hello')\n", name: str = "python/hello.py") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def publish(
    sandbox: Sandbox, name: str = NAME, content: bytes = a_zip(), region: str = "us-east-1", **more: Any
) -> Any:
    return sandbox.layers(region).publish_layer_version(LayerName=name, Content={"ZipFile": content}, **more)


def refusal(call: Callable[[], object]) -> tuple[str, int, str]:
    """Return the code, status and message of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


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


def test_the_aws_cli_commands_of_the_guide_work(sandbox: Sandbox) -> None:
    publish(sandbox, Description="PyPI package: strands-agents")
    aws = shutil.which("aws", path=str(Path(sys.executable).parent))
    assert aws, "awscli is a dev dependency"
    done = subprocess.run(
        [aws, "lambda", "get-layer-version", "--layer-name", ARN, "--version-number", "1", "--output", "json"],
        env=dict(sandbox.environment()), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["LayerVersionArn"] == f"{ARN}:1"


def sandbox_command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [shutil.which("layers", path=str(Path(sys.executable).parent)) or "layers", "sandbox", *arguments]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def refused(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


#: Shows what a command of the user gets, as JSON.
SHOW = """
import json, os, sys
import boto3

bedrock = boto3.client("bedrock-runtime")
asked = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
converse = bedrock.converse(**asked)["output"]["message"]["content"][0]["text"]
events = bedrock.converse_stream(**asked)["stream"]
streamed = "".join(each["contentBlockDelta"]["delta"]["text"] for each in events if "contentBlockDelta" in each)
account = boto3.client("sts").get_caller_identity()["Account"]
shown = {"environment": dict(os.environ), "account": account, "answers": [converse, streamed]}
print(json.dumps({**shown, "arguments": sys.argv[1:]}))
sys.exit(41)
"""
OWN = {
    "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real", "AWS_ENDPOINT_URL_LAMBDA": "http://elsewhere",
    "HTTP_PROXY": NOWHERE, "http_proxy": NOWHERE, "NO_PROXY": "corp.example",
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code and what it showed."""

    code: int
    shown: dict[str, Any]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run a command in ``layers sandbox`` once: each start takes a second."""
    script = tmp_path_factory.mktemp("model") / "turns.json"
    script.write_text('["It is scripted."]')
    command = (sys.executable, "-c", SHOW, "hello", "--json")
    process = sandbox_command("--model-script", str(script), "--", *command, **OWN)
    out, err = process.communicate(timeout=60)
    assert out, err
    return Ran(process.returncode, json.loads(out))


def test_bedrock_calls_without_a_script_return_a_text(sandbox: Sandbox) -> None:
    client, answer = sandbox.client("bedrock-runtime"), "This is the answer of the Bedrock stand-in."
    asked: dict[str, Any] = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    assert client.converse(**asked)["output"]["message"]["content"][0]["text"] == answer
    events = client.converse_stream(**asked)["stream"]
    assert "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e) == answer


class TestCommand:
    def test_the_command_gets_the_environment(self, ran: Ran) -> None:
        seen = ran.shown["environment"]
        assert seen["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
        assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
        assert not {key for key in OWN if key.startswith("AWS_")} & set(seen)
        assert refused(seen["AWS_ENDPOINT_URL"])

    def test_proxies_and_profiles_do_not_reach_the_command(self, ran: Ran) -> None:
        assert ran.shown["account"] == ACCOUNT

    def test_a_model_script_answers_bedrock_calls(self, ran: Ran) -> None:
        assert ran.shown["answers"] == ["It is scripted."] * 2

    def test_the_exit_code_is_that_of_the_command(self, ran: Ran) -> None:
        assert ran.code == 41

    def test_options_after_the_command_belong_to_the_command(self, ran: Ran) -> None:
        assert ran.shown["arguments"] == ["hello", "--json"]

    def test_a_missing_command_is_named(self) -> None:
        process = sandbox_command("--", "no-such-command")
        assert "no-such-command: No such file" in process.communicate(timeout=60)[1]
        assert process.returncode == 2

    @pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT])
    def test_without_a_command_it_runs_until_interrupted(self, number: signal.Signals, tmp_path: Path) -> None:
        with serving(tmp_path) as (process, environment):
            process.send_signal(number)
            assert process.wait(20) == 0
            assert "unset AWS_PROFILE" in environment
            assert refused(environment["AWS_ENDPOINT_URL"])
            assert list(tmp_path.iterdir()) == []

    def test_a_signal_is_passed_to_the_command(self) -> None:
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        process = sandbox_command("--", sys.executable, "-c", code)
        assert process.stdout
        pid = int(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run ``layers sandbox`` without a command; yield the process and the environment that it prints."""
    process = sandbox_command(*options, **{"TMPDIR": str(folder), "AWS_PROFILE": "production", **environment})
    assert process.stdout
    try:
        exports: dict[str, str] = {}
        for line in process.stdout:
            key, _, value = line.removeprefix("export ").strip().partition("=")
            exports[key] = value.strip("'")
            if {"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_PAGER"} <= set(exports):
                break
        yield process, exports
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(("regions", "mebibytes"), [(4, 1), pytest.param(17, 6, marks=pytest.mark.slow)])
def test_the_server_stores_equal_zips_once(tmp_path: Path, regions: int, mebibytes: int) -> None:
    """All regions upload the same zips concurrently. Of 6 MiB, a copy per region with its base64 would need 480 MB."""
    zips = [a_zip(os.urandom(mebibytes << 20)) for _ in range(2)]
    with serving(tmp_path) as (process, exports):
        server = Sandbox(exports["AWS_ENDPOINT_URL"])
        clients = [server.layers(region) for region in _regions()[:regions]]

        def release(lambda_: Any) -> list[int]:
            return [
                lambda_.publish_layer_version(LayerName=f"layer-{i}", Content={"ZipFile": z})["Version"]
                for i, z in enumerate(zips)
            ]

        with ThreadPoolExecutor(len(clients)) as pool:
            assert list(pool.map(release, clients)) == [[1] * 2] * regions
        peak = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
        assert int(peak.split()[1]) < 300_000
        assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 3 * mebibytes << 20


def _regions() -> list[str]:
    from builder.model.matrix_file import load_matrix

    return list(load_matrix(REPOSITORY / "layer_matrix.yaml").regions)


def a_body() -> tuple[bytes, str]:
    """Return the body of a publish request and its sha256."""
    body = json.dumps({"Content": {"ZipFile": base64.b64encode(a_zip()).decode()}}).encode()
    return body, hashlib.sha256(body).hexdigest()


class SlowUpload(io.BytesIO):
    """An upload that takes a moment. Remembers how many uploads the store wrote to its folder at the same time."""

    written: ClassVar[list[int]] = []

    def __init__(self, body: bytes, folder: Path) -> None:
        super().__init__(body)
        self.folder = folder

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(0.02)
        self.written.append(len(list(self.folder.glob("request-*"))))
        return super().read(size)


def test_equal_bodies_that_arrive_together_are_written_once(tmp_path: Path) -> None:
    body, digest = a_body()
    store = Store(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        taken = [pool.submit(store.take, SlowUpload(body, tmp_path), len(body), digest) for _ in range(6)]
        assert len({future.result() for future in taken}) == 1
    assert max(SlowUpload.written) == 1


class Upload(io.BytesIO):
    """An upload that begins when the test says so."""

    begin: ClassVar[threading.Event] = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.begin.wait(10)
        return super().read(size)


def test_an_upload_is_read_while_an_equal_one_is_stored(tmp_path: Path) -> None:
    """A client that cannot send for six seconds gives up."""
    body, digest = a_body()
    store = Store(tmp_path)
    second = io.BytesIO(body)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.take, Upload(body), len(body), digest)
        while not list(tmp_path.glob("request-*")):
            time.sleep(0.01)
        other = pool.submit(store.take, second, len(body), digest)
        while second.tell() < len(body):
            time.sleep(0.01)
        assert not other.done()
        Upload.begin.set()
        assert first.result() == other.result()


def test_a_first_upload_that_fails_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    body, digest = a_body()
    store = Store(tmp_path)
    with pytest.raises(Refusal):
        store.take(io.BytesIO(body[:-1]), len(body), digest)
    assert store.take(io.BytesIO(body), len(body), digest)


def test_a_body_that_differs_from_its_signature_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    body, digest = a_body()
    first = store.take(io.BytesIO(body), len(body), digest)
    assert store.take(io.BytesIO(body), len(body), digest) == first
    with pytest.raises(Refusal) as known:
        store.take(io.BytesIO(b"x" * len(body)), len(body), digest)
    with pytest.raises(Refusal):
        store.take(io.BytesIO(body), len(body), "0" * 64)
    assert known.value.code == "InvalidSignatureException"
    assert not list(tmp_path.glob("request-*"))
