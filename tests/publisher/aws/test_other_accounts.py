"""Publish and audit in accounts with other limits: the class of each failure, the advice, the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from publisher.aws.gateway import Publication, PublishedVersion
from publisher.aws.lambda_client import BotoLambda
from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest, Change, Refusal, Refuse, front
from tests.fakes.command import Ended, Layers

RUN_AGAIN = "run the same command again"
UNKNOWN_TOKEN = "The security token included in the request is invalid."
SCP = (
    "User: arn:aws:sts::856699698935:assumed-role/demo-layers-publisher/run is not authorized to perform: "
    "lambda:PublishLayerVersion on resource: arn:aws:lambda:eu-west-1:856699698935:layer:demo with an explicit deny in "
    "a service control policy"
)
NO_POLICY = SCP.replace("with an explicit deny in a service control policy", "because no identity-based policy allows")


@contextmanager
def refusing(sandbox: Sandbox, refuse: Refuse = lambda _: None, change: Change | None = None) -> Iterator[None]:
    """Put these rules in front of the embedded AWS."""
    rules = (refuse, change) if change else (refuse,)
    with front(sandbox.address, *rules) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        yield


def held(sandbox: Sandbox, region: str) -> int:
    """Return the number of layers in a region."""
    return len(sandbox.layers(region).list_layers()["Layers"])


def failures(ended: Ended) -> set[tuple[str, str, str | None]]:
    return {(cell["region"], cell["outcome"], cell["failure"]) for cell in ended.json["cells"]}


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "RegionDisabledException", "OptInRequired"])
def test_the_first_region_is_not_enabled_and_the_others_are_published(
    sandbox: Sandbox, layers: Layers, code: str
) -> None:
    def refuse(request: AwsRequest) -> Refusal | None:
        lambda_code = "UnrecognizedClientException" if code == "InvalidClientTokenId" else code
        used = code if request.service == "sts" else lambda_code
        return Refusal(403, used, UNKNOWN_TOKEN) if request.region == "us-east-1" else None

    with refusing(sandbox, refuse):
        ended = layers.publish("1.0", "--json")
        audited = layers("audit", "--json")
    assert (ended.code, held(sandbox, "eu-west-1")) == (5, 2)
    assert failures(ended) == {("us-east-1", "failed", "permanent"), ("eu-west-1", "published", None)}
    assert "aws account enable-region --region-name us-east-1" in ended.err
    assert RUN_AGAIN not in ended.err
    assert "2 of 4 cells are not at the release (2 permanent)" in ended.err
    assert (audited.code, {drift["problem"] for drift in audited.json["drift"]}) == (5, {"unreachable"})


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("InvalidClientTokenId", UNKNOWN_TOKEN, "check the access key"),
        ("ExpiredToken", "The security token included in the request is expired", "aws sso login"),
        ("SignatureDoesNotMatch", "Signature expired: 20261123T1 is now earlier than 20261123T2", "set the clock"),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", "check the secret access key"),
    ],
)
def test_credentials_that_are_refused_everywhere_end_with_3(
    sandbox: Sandbox, layers: Layers, code: str, message: str, advice: str
) -> None:
    with refusing(sandbox, lambda _: Refusal(403, code, message)):
        ended = layers.publish("1.0")
    assert (ended.code, held(sandbox, "us-east-1")) == (3, 0)
    assert f"AWS refuses the credentials: {code}: {message[:40]}" in ended.err
    assert advice in ended.err


@pytest.mark.parametrize("is_change", ["/versions", "/policy"], ids=["publish", "grant"])
def test_a_region_that_is_disabled_during_a_run_does_not_stop_the_others(
    sandbox: Sandbox, layers: Layers, is_change: str
) -> None:
    def refuse(request: AwsRequest) -> Refusal | None:
        closed = request.region == "eu-west-1" and request.method == "POST" and request.path.endswith(is_change)
        return Refusal(403, "UnrecognizedClientException", UNKNOWN_TOKEN) if closed else None

    with refusing(sandbox, refuse):
        ended = layers.publish("1.0", "--json")
    assert ended.code == 5
    assert failures(ended) == {("eu-west-1", "failed", "permanent"), ("us-east-1", "published", None)}
    assert "aws account enable-region --region-name eu-west-1" in ended.err
    assert "if every region responds so, renew the credentials" in ended.err
    assert RUN_AGAIN not in ended.err
    assert layers.publish("1.0").code == 0


@pytest.mark.parametrize(
    ("code", "message", "empty"),
    [
        ("InvalidParameterValueException", "CompatibleArchitectures are not supported in eu-west-1.", "architectures"),
        (
            "ValidationException",
            "Value '[python3.12]' at 'compatibleRuntimes' failed to satisfy constraint",
            "runtimes",
        ),
    ],
)
def test_a_region_that_refuses_an_optional_field_is_published_without_it(
    sandbox: Sandbox, layers: Layers, code: str, message: str, empty: str
) -> None:
    field = f"Compatible{empty.capitalize()}"

    def refuse(request: AwsRequest) -> Refusal | None:
        named = request.publishes and field in json.loads(request.body)
        return Refusal(400, code, message) if request.region == "eu-west-1" and named else None

    with refusing(sandbox, refuse):
        ended = layers.publish("1.0", "--json")
        assert layers("audit").code == 0
    assert (ended.code, ended.json["complete"]) == (0, True)
    versions = {
        region: sandbox.layers(region).get_layer_version(LayerName="demo-py3_12-x86_64", VersionNumber=1)
        for region in ("us-east-1", "eu-west-1")
    }
    assert not versions["eu-west-1"].get(field)
    assert versions["us-east-1"].get(field)


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        (
            "AccessDeniedException",
            SCP,
            "a service control policy of the organization denies lambda:Publish",
        ),
        (
            "AccessDeniedException",
            NO_POLICY,
            "allow lambda:PublishLayerVersion to arn:aws:sts::856699698935:",
        ),
        ("CodeStorageExceededException", "Code storage limit exceeded.", "code storage"),
        ("InvalidParameterValueException", "Unzipped size must be smaller", "does not help"),
    ],
)
def test_a_permanent_refusal_is_not_run_again(
    sandbox: Sandbox, layers: Layers, code: str, message: str, advice: str
) -> None:
    def refuse(request: AwsRequest) -> Refusal | None:
        status = 403 if code == "AccessDeniedException" else 400
        return Refusal(status, code, message) if request.region == "eu-west-1" and request.publishes else None

    with refusing(sandbox, refuse):
        ended = layers.publish("1.0", "--json")
    assert ended.code == 5
    assert failures(ended) == {("eu-west-1", "failed", "permanent"), ("us-east-1", "published", None)}
    assert code in ended.json["cells"][2]["error"]
    assert advice in ended.err
    assert RUN_AGAIN not in ended.err


def test_a_full_code_storage_is_reported_with_its_usage(sandbox: Sandbox, layers: Layers) -> None:
    settings = {"AccountLimit": {"TotalCodeSize": 80530636800}, "AccountUsage": {"TotalCodeSize": 80000000000}}

    def refuse(request: AwsRequest) -> Refusal | None:
        full = request.region == "eu-west-1" and request.publishes
        return Refusal(400, "CodeStorageExceededException", "Code storage limit exceeded.") if full else None

    def answer(request: AwsRequest) -> Refusal | bytes | None:
        return json.dumps(settings).encode() if "/account-settings" in request.path else refuse(request)

    for rule, words in ((answer, "74.5 of 75.0 GB of code storage in eu-west-1 are used"), (refuse, "code storage")):
        with refusing(sandbox, rule):
            ended = layers.publish("1.0")
        assert (ended.code, words in ended.err) == (5, True), ended.err
        assert "list-functions --function-version ALL --region eu-west-1" in ended.err
        assert RUN_AGAIN not in ended.err


def test_a_full_code_storage_names_the_unused_versions_of_the_region(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    record = Path(layers.ledger) / "0001.json"
    data = json.loads(record.read_text())
    data["unexpected_versions"] = [
        {key: cell[key] for key in ("region", "python", "architecture", "arn")}
        | {"layer_version": 1, "reason": "a race"}
        for cell in data["cells"]
    ]
    record.write_text(json.dumps(data))

    def refuse(request: AwsRequest) -> Refusal | None:
        full = request.region == "eu-west-1" and request.publishes
        return Refusal(400, "CodeStorageExceededException", "Code storage limit exceeded.") if full else None

    with refusing(sandbox, refuse):
        ended = layers.publish("2.0")
    unused = (
        "in eu-west-1: demo-py3_12-aarch64:1, demo-py3_12-x86_64:1; delete each with `aws lambda delete-layer-version"
    )
    assert (ended.code, unused in ended.err) == (5, True), ended.err


def test_unsupported_cells_are_not_missing(sandbox: Sandbox, layers: Layers) -> None:
    layers.keys["unsupported"] = [{"region": "eu-west-1", "architecture": "aarch64", "reason": "no arm64 there"}]
    ended = layers.publish("1.0", "--json")
    assert (ended.code, ended.json["complete"], len(ended.json["cells"])) == (0, True, 3)
    assert (held(sandbox, "us-east-1"), held(sandbox, "eu-west-1")) == (2, 1)
    assert json.loads((Path(layers.ledger) / "0001.json").read_text())["completed"]
    assert layers("audit").code == 0


def test_the_advice_of_yank_and_sync_depends_on_the_failure_class(sandbox: Sandbox, layers: Layers) -> None:
    assert layers.publish("1.0").code == 0

    def refuse(request: AwsRequest) -> Refusal | None:
        revoked = NO_POLICY.replace("PublishLayerVersion", "RemoveLayerVersionPermission")
        denied = request.region == "eu-west-1" and request.method == "DELETE"
        return Refusal(403, "AccessDeniedException", revoked) if denied else None

    with refusing(sandbox, refuse):
        yanked = layers("yank", "--layer-version", "1", "--reason", "broken", "--yes")
    assert (yanked.code, RUN_AGAIN in yanked.err) == (5, False)
    assert "allow lambda:RemoveLayerVersionPermission to arn:aws:sts::856699698935:" in yanked.err
    disabled = Refusal(403, "UnrecognizedClientException", UNKNOWN_TOKEN)
    with refusing(sandbox, lambda request: disabled if request.region == "eu-west-1" else None):
        synced = layers("sync")
    assert (synced.code, RUN_AGAIN in synced.err) == (5, False)
    assert "aws account enable-region --region-name eu-west-1" in synced.err


def rewritten(body: bytes, path: list[str], value: Any) -> bytes:
    data = json.loads(body)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    "body",
    [b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"Policy": "' + b"[" * 100_000 + b'"}', b'{"LayerVersions": [{"Ver'],
    ids=["nested", "nested policy", "truncated"],
)
def test_a_hostile_response_is_an_error_of_its_cell_only(
    sandbox: Sandbox, layers: Layers, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    def change(request: AwsRequest, response: bytes) -> bytes:
        hostile = request.region == "eu-west-1" and "demo-py3_12-x86_64" in request.path and request.method == "GET"
        return body if hostile else response

    monkeypatch.setattr("builder.model.clock.SYSTEM_CLOCK.sleep", lambda _seconds: None)
    with refusing(sandbox, change=change):
        ended = layers.publish("1.0", "--json")
    assert ended.code == 5
    assert RUN_AGAIN in ended.err
    assert {cell["failure"] for cell in ended.json["cells"] if cell["region"] == "us-east-1"} <= {None, "temporary"}
    assert held(sandbox, "us-east-1") == 2
    assert "Traceback" not in ended.err
    assert layers.publish("1.0").code == 0


def test_a_defect_in_one_cell_ends_with_1_and_the_others_are_published(
    sandbox: Sandbox, layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = BotoLambda.publish

    def broken(self: BotoLambda, publication: Publication) -> PublishedVersion:
        if self.region == "eu-west-1":
            raise ZeroDivisionError("division by zero")
        return publish(self, publication)

    monkeypatch.setattr(BotoLambda, "publish", broken)
    ended = layers.publish("1.0", "--json")
    assert (ended.code, held(sandbox, "us-east-1")) == (1, 2)
    assert {("eu-west-1", "failed", "defect")} <= failures(ended)
    assert "ZeroDivisionError: division by zero" in ended.json["cells"][-1]["error"]
    assert "this is a bug in layers" in ended.err


ARN = "arn:aws:lambda:eu-west-1:856699698935:layer:demo-py3_12-x86_64:1"


@pytest.mark.parametrize(
    "arn",
    [
        ARN.replace("eu-west-1", "us-east-1"),
        ARN.replace("856699698935", "123456789012"),
        ARN.replace("x86_64", "aarch64"),
        ARN.replace("arn:aws:", "arn:aws-cn:"),
        f"{ARN}1",
        f"{ARN}\n",
        "arn",
        "x" * 100_000,
    ],
)
def test_an_arn_of_another_layer_version_is_never_recorded(sandbox: Sandbox, layers: Layers, arn: str) -> None:
    def change(request: AwsRequest, body: bytes) -> bytes:
        mine = request.region == "eu-west-1" and "demo-py3_12-x86_64/versions" in request.path
        return rewritten(body, ["LayerVersionArn"], arn) if mine and b"LayerVersionArn" in body else body

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builder.model.clock.SYSTEM_CLOCK.sleep", lambda _seconds: None)
        with refusing(sandbox, change=change):
            ended = layers.publish("1.0", "--region", "eu-west-1", "--arch", "x86_64", "--json")
    assert ended.code == 5
    assert failures(ended) == {("eu-west-1", "deferred", "temporary")}
    record = Path(layers.ledger) / "0001.json"
    cells = json.loads(record.read_text())["cells"] if record.exists() else []
    assert cells == []
