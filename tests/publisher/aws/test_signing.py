"""AWS Signer: each zip is signed once, and every region gets the same signed bytes, also in a later run."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from publisher.aws.signing import SIGNATURE_PREFIX, is_signed
from publisher.sandbox.account import make_buckets, make_signing_profile
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.aws_front import AwsRequest, front
from tests.fakes.command import SMALL, Layers

KEYS = {
    **SMALL,
    "staging": {"bucket": "demo-{account}-{region}", "home": "eu-west-1"},
    "signing": {"profile": "demo_profile"},
}


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    found = Layers(tmp_path, dict(KEYS))
    make_buckets(sandbox.address, {region: f"demo-{ACCOUNT}-{region}" for region in found.matrix.regions})
    make_signing_profile(sandbox.address, found.matrix)
    return found


def digests(layers: Layers, architecture: str = "x86_64") -> set[str]:
    rows = layers("describe", "--region", "all", "--arch", architecture, "--json").json
    return {row["sha256"] for row in rows}


def test_every_region_gets_the_same_signed_bytes_and_the_ledger_names_the_profile(
    layers: Layers, tmp_path: Path, sandbox: Sandbox
) -> None:
    assert layers.publish("1.0").code == 0
    (signed,) = digests(layers)
    record = json.loads((Path(layers.ledger) / "0001.json").read_text())
    (target,) = [each for each in record["targets"] if each["architecture"] == "x86_64"]
    assert target["sha256"] == signed
    assert target["signed_by"].startswith("demo_profile/")
    path = tmp_path / "signed.zip"
    sandbox.client("s3", "eu-west-1").download_file(f"demo-{ACCOUNT}-eu-west-1", f"layers/{signed}.zip", str(path))
    assert is_signed(path)
    assert layers("audit").code == 0
    arn = layers("describe", "--region", "us-east-1", "--arch", "x86_64", "--format", "arn").out.strip()
    assert (
        f"signed by AWS Signer, profile {target['signed_by']}, arn:aws:signer:eu-west-1:" in layers("verify", arn).out
    )
    verified = layers("verify", arn, "--json").json
    assert verified["signed_by"] == target["signed_by"]
    assert "/signing-jobs/" in verified["signing_job"]


def test_audit_and_verify_name_a_signature_of_another_profile(layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    path = Path(layers.ledger) / "0001.json"
    path.write_text(path.read_text().replace("demo_profile/", "other_profile/"))
    audited = layers("audit", "--json")
    assert audited.code == 6
    assert {drift["problem"] for drift in audited.json["drift"]} == {"signature"}
    assert "signed by demo_profile/" in audited.json["drift"][0]["detail"]
    arn = layers("describe", "--region", "us-east-1", "--arch", "x86_64", "--format", "arn").out.strip()
    verified = layers("verify", arn)
    assert (verified.code, "AWS names demo_profile/" in verified.err, verified.out) == (6, True, "")


def test_the_table_and_the_page_name_the_profile(layers: Layers, tmp_path: Path) -> None:
    assert layers.publish("1.0").code == 0
    assert layers("docs", "--output", str(tmp_path / "docs")).code == 0
    signed_by = json.loads((Path(layers.ledger) / "0001.json").read_text())["targets"][0]["signed_by"]
    assert f"| `{signed_by}` |" in (tmp_path / "docs" / "layers.md").read_text()
    assert signed_by in (tmp_path / "docs" / "index.html").read_text()


def test_a_ledger_that_was_lost_gets_the_profile_from_aws(layers: Layers) -> None:
    assert layers.publish("1.0").code == 0
    before, after = layers.recreated_record()
    assert [each["signed_by"] for each in after["targets"]] == [each["signed_by"] for each in before["targets"]]


def test_a_release_that_is_completed_later_uses_the_same_signed_bytes(layers: Layers) -> None:
    assert layers.publish("1.0", "--region", "us-east-1").code == 0
    (first,) = digests(layers)
    assert layers.publish("1.0").code == 0
    assert digests(layers) == {first}


def test_signed_bytes_that_no_region_holds_yet_come_from_the_staging_bucket(layers: Layers, sandbox: Sandbox) -> None:
    assert layers.publish("1.0", "--region", "us-east-1").code == 0
    (first,) = digests(layers)
    path = Path(layers.ledger) / "0001.json"
    record = json.loads(path.read_text())
    client = sandbox.layers()
    for architecture in ("x86_64", "aarch64"):
        client.delete_layer_version(LayerName=f"demo-py3_12-{architecture}", VersionNumber=1)
    path.write_text(json.dumps({**record, "cells": []}))  # the state after a run that was killed early
    assert layers.publish("1.0", "--region", "eu-west-1").code == 0
    assert digests(layers) == {first}


def test_a_missing_profile_is_named_and_nothing_is_published(layers: Layers, sandbox: Sandbox) -> None:
    layers.keys["signing"] = {"profile": "other_profile"}
    ended = layers.publish("1.0")
    assert ended.code == 5
    assert "other_profile" in ended.err
    assert "ResourceNotFoundException" in ended.err
    assert sandbox.layers().list_layers()["Layers"] == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "Failed", "statusReason": "internal error"}, "internal error"),
        ({"revocationRecord": {"reason": "a leaked profile"}}, "its signature was revoked"),
    ],
)
def test_a_run_after_a_failed_or_revoked_signing_job_starts_a_new_job(
    layers: Layers, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], reason: str
) -> None:
    """Signer returns the first job for every request with its token."""
    failed: set[str] = set()

    def fail(request: AwsRequest, body: bytes) -> bytes:
        if request.method == "GET" and "/signing-jobs/" in request.path and (not failed or request.path in failed):
            failed.add(request.path)
            return json.dumps({**json.loads(body), **change}).encode()
        return body

    monkeypatch.setattr("publisher.aws.signing.POLL_SECONDS", 0.1)
    with front(sandbox.address, lambda _: None, fail) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        first = layers.publish("1.0")
        assert (first.code, sandbox.layers().list_layers()["Layers"]) == (5, [])
        assert f"the signing job failed: {reason}" in first.err
        assert "run the same command again" in first.err
        assert layers.publish("1.0").code == 0


@pytest.mark.parametrize("content", ["other", "unsigned", "no zip"])
def test_a_signed_object_that_is_not_the_zip_with_a_signature_is_never_published(
    layers: Layers, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """Somebody else can write to the bucket."""

    def replace(request: AwsRequest, body: bytes) -> bytes:
        if request.method != "GET" or "/signed/" not in request.path:
            return body
        if content == "no zip":
            return b"x" * len(body)
        buffer = io.BytesIO(body)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("python/extra.py", "print('malware')")
        if content == "unsigned":
            return buffer.getvalue().replace(SIGNATURE_PREFIX.encode(), b"METADATA" + SIGNATURE_PREFIX[8:].encode())
        return buffer.getvalue()

    with front(sandbox.address, lambda _: None, replace) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        ended = layers.publish("1.0")
    assert (ended.code, "is not this zip with a signature" in ended.err) == (5, True), ended.err
    assert sandbox.layers().list_layers()["Layers"] == []


def test_a_bucket_without_versions_is_refused(layers: Layers, sandbox: Sandbox) -> None:
    sandbox.client("s3", "eu-west-1").put_bucket_versioning(
        Bucket=f"demo-{ACCOUNT}-eu-west-1", VersioningConfiguration={"Status": "Suspended"}
    )
    ended = layers.publish("1.0")
    assert (ended.code, "keeps no versions" in ended.err) == (5, True)


def test_the_templates_have_the_profile_and_the_permissions(layers: Layers) -> None:
    staging = layers("infra", "--part", "staging").out
    assert "AWS::Signer::SigningProfile" in staging
    assert "VersioningConfiguration" in staging
    assert "signer:StartSigningJob" in layers("infra").out
