"""Attestations, verified by the Sigstore client against an instance whose keys the test makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.model.errors import DriftError, InputError
from publisher.audit.attestation import read_bundles, verify_attestation
from tests.conftest import Sandbox
from tests.fakes.command import Layers
from tests.fakes.sigstore_instance import SigstoreInstance
from tests.publisher.reconcile.plan_cases import digest

REPOSITORY = "example/layers"
ZIP = digest("zip")


@pytest.fixture(scope="module")
def sigstore() -> SigstoreInstance:
    return SigstoreInstance()


@pytest.fixture
def trusted_root(sigstore: SigstoreInstance, tmp_path: Path) -> Path:
    path = tmp_path / "trusted_root.json"
    path.write_text(sigstore.trusted_root())
    return path


def test_a_zip_that_the_repositorys_workflow_attested_is_verified(
    sigstore: SigstoreInstance, trusted_root: Path
) -> None:
    bundle = sigstore.attest(ZIP, REPOSITORY)
    found = verify_attestation(ZIP, [bundle], REPOSITORY, trusted_root, offline=True)
    assert found.repository == "https://github.com/example/layers"
    assert found.workflow == "https://github.com/example/layers/.github/workflows/release.yml@refs/heads/main"


def test_one_valid_bundle_among_others_is_enough(sigstore: SigstoreInstance, trusted_root: Path) -> None:
    bundles = [{}, "nonsense", sigstore.attest(digest("other"), REPOSITORY), sigstore.attest(ZIP, REPOSITORY)]
    assert verify_attestation(ZIP, bundles, REPOSITORY, trusted_root, offline=True)


def _other_payload(bundle: dict[str, Any]) -> None:
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    statement["subject"][0]["digest"]["sha256"] = ZIP
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def _other_log(bundle: dict[str, Any]) -> None:
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["inclusionPromise"] = SigstoreInstance().attest(ZIP, REPOSITORY)["verificationMaterial"]["tlogEntries"][0][
        "inclusionPromise"
    ]


@pytest.mark.parametrize("forge", [_other_payload, _other_log])
def test_a_forged_bundle_is_refused(
    sigstore: SigstoreInstance, trusted_root: Path, forge: Callable[[dict[str, Any]], None]
) -> None:
    bundle = sigstore.attest(digest("other") if forge is _other_payload else ZIP, REPOSITORY)
    forge(bundle)
    with pytest.raises(DriftError, match="VerificationError"):
        verify_attestation(ZIP, [bundle], REPOSITORY, trusted_root, offline=True)


def test_an_attestation_of_another_repository_file_or_instance_is_refused(
    sigstore: SigstoreInstance, trusted_root: Path
) -> None:
    for bundle in (
        sigstore.attest(ZIP, "attacker/layers"),
        sigstore.attest(digest("other"), REPOSITORY),
        SigstoreInstance().attest(ZIP, REPOSITORY),
    ):
        with pytest.raises(DriftError):
            verify_attestation(ZIP, [bundle], REPOSITORY, trusted_root, offline=True)


def test_each_form_of_a_bundle_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bundles"
    for text in (
        '{"mediaType": 1}\n{"mediaType": 2}\n',
        '[{"mediaType": 1}, {"mediaType": 2}]',
        '{"attestations": [{"bundle": {"mediaType": 1}}, {"bundle": {"mediaType": 2}}]}',
    ):
        path.write_text(text)
        assert read_bundles(path) == [{"mediaType": 1}, {"mediaType": 2}]


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 5000])
def test_a_file_without_a_bundle_is_refused(data: bytes, tmp_path: Path, trusted_root: Path) -> None:
    path = tmp_path / "bundles"
    path.write_bytes(data)
    with pytest.raises((InputError, DriftError)):
        verify_attestation(ZIP, read_bundles(path), REPOSITORY, trusted_root, offline=True)


def test_verify_checks_the_attestation_of_a_published_layer_offline(
    sandbox: Sandbox, sigstore: SigstoreInstance, trusted_root: Path, tmp_path: Path
) -> None:
    layers = Layers(tmp_path)
    assert layers.publish("1.0").code == 0
    row = layers("describe", "--region", "eu-west-1", "--arch", "aarch64", "--json").json[0]
    bundle = tmp_path / "bundle.jsonl"
    bundle.write_text(json.dumps(sigstore.attest(row["sha256"], REPOSITORY)))
    options = ("--repository", REPOSITORY, "--bundle", str(bundle), "--trusted-root", str(trusted_root))
    proved = layers("verify", row["arn"], *options, "--json")
    assert proved.json["attestation"]["repository"] == f"https://github.com/{REPOSITORY}"
    bundle.write_text(json.dumps(sigstore.attest(row["sha256"], "attacker/layers")))
    refused = layers("verify", row["arn"], *options)
    assert refused.code == 6
    assert "no attestation proves that example/layers built this zip" in refused.err


def test_an_index_cannot_vouch_for_its_own_account(sandbox: Sandbox, tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    assert layers.publish("1.0").code == 0
    assert layers("docs", "--output", str(tmp_path / "docs")).code == 0
    index = str(tmp_path / "docs" / "layers.json")
    arn = layers("describe", "--region", "eu-west-1", "--arch", "aarch64", "--format", "arn").out.strip()
    assert layers("verify", "--index", index, "--account", layers.matrix.account, arn).code == 0
    refused = layers("verify", "--index", index, "--account", "111122223333", arn)
    assert refused.code == 3
    assert "the trusted publisher is 111122223333" in refused.err
    layers.keys["account"] = "111122223333"
    assert layers("verify", "--index", index, arn).code == 3


def test_an_index_of_the_trusted_account_cannot_name_layers_of_another_one(sandbox: Sandbox, tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    assert layers.publish("1.0").code == 0
    assert layers("docs", "--output", str(tmp_path / "docs")).code == 0
    index = tmp_path / "docs" / "layers.json"
    index.write_text(index.read_text().replace(f":{layers.matrix.account}:layer:demo-", ":111122223333:layer:demo-"))
    arn = "arn:aws:lambda:eu-west-1:111122223333:layer:demo-py3_12-x86_64:1"
    for command in (("verify", "--index", str(index), arn), ("describe", "--index", str(index), "--region", "all")):
        refused = layers(*command)
        assert (refused.code, "is not valid there" in refused.err) == (3, True), refused.err
