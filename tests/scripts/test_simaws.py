"""The simulated AWS: it has botocore's limits, works with real clients, and agrees with moto."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from publisher.aws.session import new_session
from scripts.simaws import At, AwsError, Broken, Fault, Faults, SimulatedAws, VirtualClock, limits
from scripts.simaws.http_server import KEY, SECRET, environment, serve
from scripts.simaws.sigv4 import Credential
from scripts.simaws.upstream import Upstream

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from tests.conftest import Sandbox

ACCOUNT = "856699698935"
REGIONS = ("us-east-1", "eu-west-1")
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=2, connect_timeout=2)


def zipped(text: str = "print()") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("python/x.py"), text)  # without a timestamp
    return buffer.getvalue()


@pytest.fixture
def aws() -> SimulatedAws:
    return SimulatedAws(ACCOUNT, REGIONS)


@pytest.fixture
def address(aws: SimulatedAws) -> Iterator[str]:
    with serve(aws, silence=3) as address:
        yield address


def client(
    address: str, region: str = "us-east-1", key: str = KEY, secret: str = SECRET, service: str = "lambda"
) -> Any:
    session: Any = new_session(key, secret)
    return session.client(service, region_name=region, endpoint_url=address, config=ONCE)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


# -- limits ------------------------------------------------------------------------------------------------------------


def test_limits_are_those_of_the_service_model() -> None:
    model = limits.lambda_model()
    lengths = {
        "MaxLayerListItems": limits.MAX_PAGE_ITEMS,
        "Description": limits.MAX_DESCRIPTION_CHARACTERS,
        "LicenseInfo": limits.MAX_LICENSE_CHARACTERS,
        "CompatibleRuntimes": limits.MAX_RUNTIMES,
        "CompatibleArchitectures": limits.MAX_ARCHITECTURES,
        "LayerName": limits.MAX_NAME_CHARACTERS,
        "StatementId": limits.MAX_STATEMENT_ID_CHARACTERS,
    }
    assert {name: model[name]["max"] for name in lengths} == lengths
    patterns = {
        "LayerName": limits.LAYER_NAME,
        "StatementId": limits.STATEMENT_ID,
        "LayerPermissionAllowedPrincipal": limits.PRINCIPAL,
        "OrganizationId": limits.ORGANIZATION,
    }
    assert {name: model[name]["pattern"] for name in patterns} == {n: p.pattern for n, p in patterns.items()}
    assert {"x86_64", "arm64"} == set(model["Architecture"]["enum"])
    assert limits.known_runtimes() >= {"python3.10", "python3.13"}


@pytest.mark.parametrize(
    "change",
    [
        {"description": "x" * 257},
        {"license_info": "x" * 513},
        {"runtimes": ["python9.9"]},
        {"architectures": ["aarch64"]},
        {"name": "no spaces"},
        {"name": "x" * 141},
    ],
)
def test_invalid_fields_are_refused(aws: SimulatedAws, change: dict[str, Any]) -> None:
    content = aws.contents.add(zipped())
    region = aws.regions["us-east-1"]
    with pytest.raises(AwsError) as error:
        region.publish(**{"name": "demo", "content": content, **change})
    assert error.value.status == 400
    assert not list(region.all_versions())


def test_invalid_and_too_large_zips_are_refused(aws: SimulatedAws) -> None:
    with pytest.raises(AwsError, match="unzip"):
        aws.contents.add(b"no zip")
    with pytest.raises(AwsError, match="non-empty"):
        aws.contents.add(b"PK\5\6" + bytes(18))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(limits.MAX_UNZIPPED_BYTES))
    with pytest.raises(AwsError, match="Unzipped size"):
        aws.contents.add(bomb.getvalue())


def test_requests_above_the_quota_of_a_second_are_throttled(aws: SimulatedAws) -> None:
    def ask() -> int:
        try:
            aws.call("us-east-1", "ListLayers", lambda region: region.list_layers())
        except AwsError as error:
            return error.status
        return 200

    assert [ask() for _ in range(16)] == [200] * 15 + [429]
    aws.clock.sleep(1.01)
    assert ask() == 200


def test_numbers_are_not_reused(aws: SimulatedAws) -> None:
    region, content = aws.regions["us-east-1"], aws.contents.add(zipped())
    assert [region.publish("demo", content).number for _ in range(3)] == [1, 2, 3]
    for number in (1, 2, 3):
        region.delete("demo", number)
    assert region.list_layers() == ([], None)
    assert region.publish("demo", content).number == 4


def test_lists_lag_but_get_does_not() -> None:
    aws = SimulatedAws(ACCOUNT, REGIONS, list_lag=10, seed=3)
    region = aws.regions["us-east-1"]
    region.publish("demo", aws.contents.add(zipped()))
    assert region.list_versions("demo") == ([], None)
    assert region.get("demo", 1).number == 1
    aws.clock.sleep(10)
    assert [v.number for v in region.list_versions("demo")[0]] == [1]


def test_faults_by_seed_are_repeatable() -> None:
    def run() -> list[Fault | None]:
        aws = SimulatedAws(ACCOUNT, REGIONS, faults=Faults(rate=0.5, seed=7), quota=1000)
        for _ in range(40):
            with suppress(AwsError, Broken):
                aws.call("eu-west-1", "ListLayers", lambda region: region.list_layers())
        return [call.fault for call in aws.log]

    assert run() == run()
    assert 10 < sum(fault is not None for fault in run()) < 30


# -- over HTTP, with real clients --------------------------------------------------------------------------------------


def scenario(lam: LambdaClient) -> list[object]:
    """Publish, grant, read and revoke; return the response of each step."""
    seen: list[object] = []
    zip_file = zipped()
    for _ in range(2):
        made = lam.publish_layer_version(
            LayerName="demo",
            Description="what it is",
            Content={"ZipFile": zip_file},
            CompatibleRuntimes=["python3.12"],
            CompatibleArchitectures=["arm64"],
            LicenseInfo="MIT",
        )
        seen += [made["Version"], made["LayerVersionArn"], made["Content"]["CodeSha256"], made["Content"]["CodeSize"]]
    with pytest.raises(ClientError) as error:
        lam.get_layer_version(LayerName="demo", VersionNumber=7)
    seen.append(code_of(error))
    with pytest.raises(ClientError) as error:
        lam.get_layer_version_policy(LayerName="demo", VersionNumber=1)
    seen.append(code_of(error)[0])
    lam.add_layer_version_permission(
        LayerName="demo", VersionNumber=1, StatementId="public", Action="lambda:GetLayerVersion", Principal="*"
    )
    policy = lam.get_layer_version_policy(LayerName="demo", VersionNumber=1)["Policy"]
    seen.append('"Sid"' in policy and "public" in policy)
    listed = lam.list_layer_versions(LayerName="demo")["LayerVersions"]
    seen += [(v["Version"], v["Description"], v["CompatibleRuntimes"], v["LicenseInfo"]) for v in listed]
    seen += [(v["LayerName"], v["LatestMatchingVersion"]["Version"]) for v in lam.list_layers()["Layers"]]
    location = lam.get_layer_version(LayerName="demo", VersionNumber=2)["Content"]["Location"]
    with urlopen(location) as answer:
        seen.append(hashlib.sha256(answer.read()).hexdigest())
    lam.delete_layer_version(LayerName="demo", VersionNumber=2)
    lam.delete_layer_version(LayerName="demo", VersionNumber=2)
    seen.append([v["Version"] for v in lam.list_layer_versions(LayerName="demo")["LayerVersions"]])
    seen.append(lam.list_layer_versions(LayerName="unknown")["LayerVersions"])
    return seen


def test_boto3_gets_the_same_responses_as_from_moto(address: str, sandbox: Sandbox) -> None:
    assert scenario(client(address)) == scenario(sandbox.layers())


def staged(lam: LambdaClient, s3: Any, path: Path) -> list[object]:
    """Upload a zip in parts, copy it, publish the copy, and write under conditions."""
    for bucket in ("home", "other"):
        with suppress(ClientError):  # every bucket exists
            s3.create_bucket(Bucket=bucket)
    seen: list[object] = []
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket="home", Key="a.zip")
    seen.append(code_of(error)[0])
    s3.upload_file(str(path), "home", "a.zip", ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    s3.copy_object(Bucket="other", Key="a.zip", CopySource={"Bucket": "home", "Key": "a.zip"})
    seen.append(s3.head_object(Bucket="other", Key="a.zip")["ContentLength"] == path.stat().st_size)
    made = lam.publish_layer_version(LayerName="demo", Content={"S3Bucket": "other", "S3Key": "a.zip"})
    seen += [made["Version"], made["Content"]["CodeSha256"], made["Content"]["CodeSize"]]
    tag = s3.put_object(Bucket="home", Key="lease", Body=b"1", IfNoneMatch="*")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"another"'}):
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket="home", Key="lease", Body=b"2", **condition)
        seen.append(code_of(error))
    s3.put_object(Bucket="home", Key="lease", Body=b"3", IfMatch=tag)
    seen.append(s3.get_object(Bucket="home", Key="lease")["Body"].read())
    return seen


def test_staging_gets_the_same_responses_as_from_moto(address: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("python/large.bin", os.urandom(9 << 20))
    ours = staged(client(address), client(address, service="s3"), path)
    assert ours == staged(sandbox.layers(), sandbox.client("s3"), path)


def test_an_object_that_does_not_exist_cannot_be_published(address: str) -> None:
    with pytest.raises(ClientError) as error:
        client(address).publish_layer_version(LayerName="demo", Content={"S3Bucket": "home", "S3Key": "none.zip"})
    assert code_of(error) == (400, "InvalidParameterValueException")


def test_the_line_to_aws_lets_through_what_its_rate_allows() -> None:
    clock = VirtualClock()
    line = Upstream(clock, rate=100.0)
    begun = clock.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(line.wait_for_bytes, [50] * 4))
    assert (line.sent, clock.monotonic() - begun >= 2) == (200, True)


def test_each_region_has_its_own_layers_and_numbers(address: str) -> None:
    for region in REGIONS:
        made = client(address, region).publish_layer_version(LayerName="demo", Content={"ZipFile": zipped()})
        assert made["LayerVersionArn"] == f"arn:aws:lambda:{region}:{ACCOUNT}:layer:demo:1"


def test_an_existing_statement_id_is_a_conflict(address: str) -> None:
    lam = client(address)
    lam.publish_layer_version(LayerName="demo", Content={"ZipFile": zipped()})
    grant = {"LayerName": "demo", "VersionNumber": 1, "StatementId": "s", "Action": "lambda:GetLayerVersion"}
    lam.add_layer_version_permission(**grant, Principal="*")
    with pytest.raises(ClientError) as error:
        lam.add_layer_version_permission(**grant, Principal="123456789012")
    assert code_of(error) == (409, "ResourceConflictException")
    lam.remove_layer_version_permission(LayerName="demo", VersionNumber=1, StatementId="s")
    with pytest.raises(ClientError) as error:
        lam.get_layer_version_policy(LayerName="demo", VersionNumber=1)
    assert code_of(error) == (404, "ResourceNotFoundException")


def test_lists_have_pages(aws: SimulatedAws, address: str) -> None:
    content = aws.contents.add(zipped())
    for _ in range(7):
        aws.regions["us-east-1"].publish("demo", content)
    lam = client(address)
    pages = lam.get_paginator("list_layer_versions").paginate(LayerName="demo", PaginationConfig={"PageSize": 3})
    assert [[v["Version"] for v in page["LayerVersions"]] for page in pages] == [[7, 6, 5], [4, 3, 2], [1]]
    assert lam.list_layers()["Layers"][0]["LatestMatchingVersion"]["Version"] == 7
    with pytest.raises(ClientError) as error:
        lam.list_layers(Marker="nonsense")
    assert code_of(error)[0] == 400


def test_other_accounts_can_read_public_versions_and_list_nothing(aws: SimulatedAws) -> None:
    with serve(aws, credentials={"AKIASTRANGER": Credential("other", "999999999999")}) as address:
        owner, stranger = client(address), client(address, key="AKIASTRANGER", secret="other")
        arn = owner.publish_layer_version(LayerName="demo", Content={"ZipFile": zipped()})["LayerArn"]
        with pytest.raises(ClientError) as error:
            stranger.get_layer_version(LayerName=arn, VersionNumber=1)
        assert code_of(error) == (403, "AccessDeniedException")
        owner.add_layer_version_permission(
            LayerName="demo", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*"
        )
        digest = b64encode(hashlib.sha256(zipped()).digest()).decode()
        assert stranger.get_layer_version(LayerName=arn, VersionNumber=1)["Content"]["CodeSha256"] == digest
        with pytest.raises(ClientError):
            stranger.list_layers()
        assert client(address, service="sts").get_caller_identity()["Account"] == ACCOUNT


def test_a_wrong_secret_and_an_unknown_key_are_refused(address: str) -> None:
    with pytest.raises(ClientError) as error:
        client(address, secret="wrong").list_layers()
    assert code_of(error) == (403, "InvalidSignatureException")
    with pytest.raises(ClientError) as error:
        client(address, key="AKIANOBODY").list_layers()
    assert code_of(error) == (403, "UnrecognizedClientException")


@pytest.mark.parametrize(
    ("fault", "acts"),
    [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1), (Fault.SILENCE_BEFORE, 0), (Fault.SILENCE_AFTER, 1)],
)
def test_a_connection_fault_breaks_the_connection(aws: SimulatedAws, address: str, fault: Fault, acts: int) -> None:
    aws.set_faults(Faults((At(fault),)))
    with pytest.raises((ConnectionClosedError, ReadTimeoutError)):
        client(address).publish_layer_version(LayerName="demo", Content={"ZipFile": zipped()})
    assert len(aws.versions("us-east-1", "demo")) == acts


def test_download_urls_expire_after_ten_minutes(aws: SimulatedAws, address: str) -> None:
    lam = client(address)
    lam.publish_layer_version(LayerName="demo", Content={"ZipFile": zipped()})
    location = lam.get_layer_version(LayerName="demo", VersionNumber=1)["Content"]["Location"]
    assert isinstance(aws.clock, VirtualClock)
    aws.clock.sleep(601)
    with pytest.raises(OSError, match="403"):
        urlopen(location)


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_works(address: str, tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(zipped())
    command = ["aws", "lambda", "publish-layer-version", "--layer-name", "demo", "--zip-file", "fileb://layer.zip"]
    done = subprocess.run(
        [*command, "--query", "Version"],
        env={**os.environ, **environment(address)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"
